"""Eleven incidents after a promotion, and the action that monitoring has to recommend for each.

One champion is made, and every incident gets a copy of its home and of its events. The label counts
packs that are not sold online, so that it can be redefined without any feature changing.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.flows.monitor.run import monitor
from pipelines.monitoring.report import ActionKind, MonitorReport
from pipelines.release.promotion import promote
from pipelines.reporting.monitor_text import monitor_text
from pipelines.simulation.changes import DemandShift
from pipelines.simulation.faults import (
    DuplicateRows,
    FeedStopped,
    LateBurst,
    NewMedicine,
    PriceReform,
    Recoded,
    UnitChange,
)
from pipelines.simulation.scenarios import Scenario
from tests.support.pharmacy import (
    ON_HAND,
    START,
    WEEK,
    Pharmacy,
    declaration,
    sold,
    write_days,
)
from tests.support.promotion_home import inputs
from tests.support.shared_worlds import built_once

NOW, DAY = START + 16 * WEEK, timedelta(days=1)
SEED = 3  # in this world, no pharmacy opens meanwhile
MEDICINE = {"kind": "attribute", "name": "medicine"}
MEASURED = ("contract.", "training_range.", "drift.", "arrival.")  # on the model's own history
FEATURES = (MEDICINE, {"kind": "attribute", "name": "pharmacy"}, sold(14), ON_HAND)
WORLD: dict[str, Any] = {
    "split": {"train": "63d", "recent": "35d"},
    "label": declaration()["label"] | {"where": [{"column": "kind", "is_not": "online"}]},
    "estimator": {
        "path": "sklearn.ensemble.HistGradientBoostingRegressor",
        "parameters": {"loss": "absolute_error", "max_iter": 60, "min_samples_leaf": 10},
    },
    "seeds": [11],
    "monitor": {
        "alpha": 0.05,  # there are only four weeks to compare with
        "drift": {"reconstruction": ["pca", "autoencoder"]},
    },
    # The gates are lenient: the champion is no subject here.
    "gates": {
        "recent_window": {"alpha": 0.49},
        "first_version": {"weeks": 0},
        "audit": {"refits": 3},
    },
}


def build(folder: Path) -> None:
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, NOW, seed=SEED)
    pharmacy.declare(FEATURES, **WORLD)
    result = pharmacy.retrain(NOW)
    assert result.outcome == "first_version", result.against()


def after(folder: Path, weeks: int, *incident: Scenario) -> Pharmacy:
    """A copy of the champion's home, with the weeks in which an incident happens."""
    made = built_once("incidents", build)
    shutil.copytree(made / "store", folder / "store")
    write_days(folder / "store", NOW, NOW + weeks * WEEK, *incident, seed=SEED)
    return Pharmacy(made / "home", "").copy(folder / "home").with_store(folder / "store")


def observe(pharmacy: Pharmacy, weeks: int) -> MonitorReport:
    return monitor("demand", NOW + weeks * WEEK, pharmacy.parts().monitoring)


def shown(report: MonitorReport) -> str:
    return "\n".join(monitor_text(report))


@pytest.mark.parametrize(
    ("weeks", "incident", "action"),
    [
        pytest.param(1, UnitChange(start=NOW), ActionKind.FIX_FEED, id="unit"),
        pytest.param(1, FeedStopped(start=NOW + 3 * DAY), ActionKind.FIX_FEED, id="stopped"),
        pytest.param(
            1,
            DuplicateRows(start=NOW + 5 * DAY, end=NOW + 6 * DAY, share=1.0),
            ActionKind.NONE,  # each event has an id and counts once
            id="duplicated_day",
            marks=pytest.mark.proof,  # in short: test_retrain_traps.py
        ),
        pytest.param(
            1,
            DuplicateRows(
                start=NOW + 5 * DAY, end=NOW + 6 * DAY, share=1.0, renamed="dispensing_id"
            ),
            ActionKind.FIX_FEED,
            id="duplicated_day_with_new_ids",
        ),
        pytest.param(1, LateBurst(start=NOW), ActionKind.WAIT_FOR_LABELS, id="late_labels"),
        pytest.param(
            1,
            NewMedicine(start=NOW, replaces="metformin"),
            ActionKind.ADD_CATEGORY,
            id="new_medicine",
        ),
        pytest.param(
            1,
            PriceReform(start=NOW + DAY, factor=2.5),
            ActionKind.NONE,  # the model does not read the price
            id="price_spike",
        ),
        pytest.param(
            4, DemandShift(start=NOW, factor=1.3, over_days=27), ActionKind.NONE, id="season"
        ),
        pytest.param(
            4,
            Recoded(start=NOW, column="kind", to="online", share=0.8),
            ActionKind.CHECK_LABEL,
            id="redefined_label",
        ),
    ],
)
def test_an_incident_gives_the_intended_action(
    weeks: int, incident: Scenario, action: ActionKind, tmp_path: Path
) -> None:
    report = observe(after(tmp_path, weeks, incident), weeks)
    assert report.action.kind is action, shown(report)
    measured = [alarm for alarm in report.alarms if alarm.name.startswith(MEASURED)]
    assert all(alarm.false_alarm_rate is not None for alarm in measured), shown(report)


def test_an_epidemic_waits_for_labels_and_then_retrains(tmp_path: Path) -> None:
    pharmacy = after(tmp_path, 4, DemandShift(start=NOW, factor=1.9, over_days=2))
    report = observe(pharmacy, 1)
    assert report.action.kind is ActionKind.WAIT_FOR_LABELS, shown(report)
    report = observe(pharmacy, 4)
    assert report.action.kind is ActionKind.RETRAIN, shown(report)
    assert "performance.worse" in report.action.alarms
    assert report.action.gain is not None
    assert {"reconstruction_error", "autoencoder_error"} <= {one.column for one in report.drift}
    assert report.retraining_hold == ""


def test_a_champion_that_has_gone_bad_is_rolled_back(tmp_path: Path) -> None:
    """It knows the medicine only, and was made champion although no gate would have passed it."""
    pharmacy = after(tmp_path, 4)
    pharmacy.declare((MEDICINE,), **WORLD)
    bad = pharmacy.retrain(NOW).done.version
    assert bad is not None
    parts = pharmacy.parts()
    judged = inputs("by_hand", bad.version, "1").model_copy(update={"as_of": NOW})
    promote(judged, parts.ledger, parts.registry, parts.clock)
    report = observe(pharmacy, 4)
    assert report.version == bad.version
    assert report.action.kind is ActionKind.ROLL_BACK, shown(report)
    assert "gauntlet rollback demand" in report.action.next_step
