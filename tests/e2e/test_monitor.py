"""``gauntlet monitor`` on the tiny pharmacy: same result for ever, and the action of a fault."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.core.errors import DataError
from pipelines.core.time import instant_text
from pipelines.flows.monitor.run import monitor
from pipelines.monitoring.report import REPORT_FORMAT, ActionKind, MonitorReport
from pipelines.reporting.monitor_text import monitor_text
from pipelines.simulation.changes import DemandShift
from pipelines.simulation.faults import FeedStopped, NewMedicine, PriceReform, UnitChange
from pipelines.simulation.scenarios import Scenario
from tests.support.pharmacy import FIRST, SECOND, START, WEEK, Pharmacy, planted

DAY = timedelta(days=1)


def observe(pharmacy: Pharmacy, at=SECOND) -> MonitorReport:
    return monitor("demand", at, pharmacy.parts().monitoring)


def test_what_became_known_later_changes_nothing(champion: Pharmacy, tmp_path: Path) -> None:
    then = planted(champion, tmp_path / "then")  # its events end at SECOND
    later = champion.copy(tmp_path / "later")  # has a week more
    report = observe(then)
    assert observe(later) == report
    assert (report.version, report.action.kind, report.alarms) == ("1", ActionKind.NONE, ())
    assert {one.stream for one in report.arrivals} == {"dispensing", "stock"}
    written = later.home / "monitor" / "demand" / f"{instant_text(SECOND).replace(':', '')}.json"
    assert REPORT_FORMAT.from_text(written.read_bytes(), str(written)) == report


def test_a_changed_unit_is_a_feed_to_fix(champion: Pharmacy, tmp_path: Path) -> None:
    report = observe(planted(champion, tmp_path, UnitChange(start=FIRST)))
    assert report.action.kind is ActionKind.FIX_FEED
    assert report.health == "broken_data"
    [alarm] = [one for one in report.alarms if one.subject == "dispensing.quantity"]
    assert alarm.since == FIRST
    assert "Was a unit changed?" in alarm.evidence
    shown = "\n".join(monitor_text(report))
    assert "Action: fix the feed" in shown
    assert "since 2025-03-31" in shown


@pytest.mark.parametrize(
    ("incident", "action"),
    [
        (FeedStopped(start=FIRST + 3 * DAY), ActionKind.FIX_FEED),
        (PriceReform(start=FIRST + DAY, factor=2.5), ActionKind.NONE),
        (DemandShift(start=FIRST, factor=2.5, over_days=2), ActionKind.WAIT_FOR_LABELS),
        (NewMedicine(start=FIRST, replaces="metformin"), ActionKind.ADD_CATEGORY),
    ],
    ids=["stopped_feed", "price_spike", "epidemic", "new_medicine"],
)
def test_an_incident_gives_the_intended_action(
    incident: Scenario, action: ActionKind, champion: Pharmacy, tmp_path: Path
) -> None:
    """The price is not read by the model; an epidemic is judged when its labels have matured."""
    report = observe(planted(champion, tmp_path, incident))
    assert report.action.kind is action, "\n".join(monitor_text(report))


def test_before_the_first_version_there_is_no_champion(champion: Pharmacy, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no champion"):
        observe(champion.copy(tmp_path / "home"), START + WEEK)
