"""``gauntlet monitor`` on the tiny pharmacy: same result for ever, and the action of a fault."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import DataError, IntegrityError
from pipelines.core.time import instant_text
from pipelines.flows.monitor.run import monitor
from pipelines.monitoring.report import REPORT_FORMAT, ActionKind, MonitorReport
from pipelines.packaging.package import content_digest
from pipelines.predictions.shipping import log_object
from pipelines.release.ledger import LIVE
from pipelines.release.promotion import promote
from pipelines.release.registry import Registration
from pipelines.reporting.monitor_text import monitor_text
from pipelines.simulation.faults import UnitChange
from pipelines.spec.predictions import prediction_log
from tests.support.pharmacy import CLOCK, FIRST, SECOND, START, WEEK, Pharmacy, planted
from tests.support.prediction_factory import make_prediction
from tests.support.promotion_home import inputs

DAY = timedelta(days=1)
FEATURES = {"medicine", "weekday", "sold"}


def observe(pharmacy: Pharmacy, at=SECOND) -> MonitorReport:
    return monitor("demand", at, pharmacy.parts().monitoring)


def log_served_features(pharmacy: Pharmacy, **features: float) -> None:
    """Answers of version 1 on the last day, all with these features."""
    moments = [SECOND - timedelta(minutes=10 + number) for number in range(200)]
    rows = [
        (
            at,
            make_prediction(
                str(number), at, version="1", features={"weekday": 6, "medicine": "a"} | features
            ).values(),
        )
        for number, at in enumerate(moments)
    ]
    content = log_object(rows, SECOND - timedelta(minutes=5), prediction_log("demand"))
    day = (SECOND - DAY).date()
    LocalStore(Path(pharmacy.store)).write(f"predictions/demand/dt={day}/one.parquet", content)


def test_what_became_known_later_changes_nothing(champion: Pharmacy, tmp_path: Path) -> None:
    then = planted(champion, tmp_path / "then")  # its events end at SECOND
    later = champion.copy(tmp_path / "later")  # has a week more
    report = observe(then)
    assert observe(later) == report
    assert (report.version, report.action.kind, report.alarms) == ("1", ActionKind.NONE, ())
    assert {one.stream for one in report.arrivals} == {"dispensing", "stock"}
    assert report.attribution is not None
    assert {one.change.feature for one in report.attribution.features} == FEATURES
    written = later.home / "monitor" / "demand" / f"{instant_text(SECOND).replace(':', '')}.json"
    assert REPORT_FORMAT.from_text(written.read_bytes(), str(written)) == report


def test_a_changed_unit_is_a_feed_to_fix(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = planted(champion, tmp_path, UnitChange(start=FIRST))
    log_served_features(pharmacy, sold=1e6)
    report = observe(pharmacy)
    assert report.action.kind is ActionKind.FIX_FEED
    assert report.health == "broken_data"
    [alarm] = [one for one in report.alarms if one.subject == "dispensing.quantity"]
    assert alarm.since == FIRST
    assert "Was a unit changed?" in alarm.evidence
    [served] = [one for one in report.alarms if one.name == "training_range.served"]
    assert (served.size, served.threshold) == (0.0, 0.9)
    points, requests = report.ranges
    assert requests.weeks[-1].columns["sold"] == 0.0
    assert points.weeks[-1].share < 0.95, "the sums of a feature that counts tablets"
    shown = "\n".join(monitor_text(report))
    assert "Training range: 0.0% of 200 served requests inside" in shown
    assert "Action: fix the feed" in shown
    assert "since 2025-03-31" in shown


def promote_copy(pharmacy: Pharmacy) -> None:
    """Make a copy of the champion, with another file, champion a day after ``SECOND``."""
    parts, at = pharmacy.parts(), SECOND + DAY
    [entry] = parts.ledger.entries("demand")
    package = pharmacy.home / "copy"
    shutil.copytree(pharmacy.home / "registry" / "demand" / "1" / "model", package)
    (package / "note.txt").write_text("a copy")
    content = content_digest(package)
    made = Registration(
        model="demand",
        run="later",
        recipe=entry.recipe,
        spec=entry.spec,
        snapshot=entry.snapshot,
        as_of=at,
        content=content,
        split={},
        lineage=LIVE,
        created_at=at,
    )
    pharmacy.registry.register(made, package)
    decided = inputs("later", "2", "1", content=content).model_copy(
        update={
            "as_of": at,
            "recipe": entry.recipe,
            "spec": entry.spec,
            "trained": entry.trained,
        }
    )
    assert promote(decided, parts.ledger, pharmacy.registry, CLOCK).champion_after == "2"


def test_later_decisions_change_nothing_and_damage_stops_a_report(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    report = observe(pharmacy)
    promote_copy(pharmacy)
    assert observe(pharmacy) == report
    shutil.rmtree(pharmacy.home / "versions")
    [profile] = (pharmacy.home / "registry" / "demand" / "1").rglob("profile.json")
    profile.write_text(profile.read_text() + " ")
    with pytest.raises(IntegrityError, match="1"):
        observe(pharmacy, SECOND + 2 * DAY)  # version 2 has replaced version 1


def test_before_the_first_version_there_is_no_champion(champion: Pharmacy, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no champion"):
        observe(champion.copy(tmp_path / "home"), START + WEEK)
