"""A poisoned hour is not learned: the gate of updates names it, or the contract does."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.findings import Verdict
from pipelines.core.time import Window, instant_text
from pipelines.flows.retrain.steps import Retraining
from pipelines.release.policy import Outcome
from tests.support.updates.visits_home import (
    ANCHOR,
    HOUR,
    START,
    VisitsHome,
    connections_to,
    declaration,
    visits,
)

POISONED = ANCHOR + 2 * HOUR  # the hour that begins then


def poisoned(fault: str, folder: Path) -> VisitsHome:
    """A champion that was updated until the poisoned hour."""
    columns = visits(days=36)
    first = (POISONED - START) // timedelta(minutes=1)
    hour = (columns["minute"] >= first) & (columns["minute"] < first + 60)
    if fault == "label_flip":
        columns["bought"] = np.where(hour, 1 - columns["bought"], columns["bought"])
    else:
        columns["minutes"] = np.where(hour, 60 * columns["minutes"], columns["minutes"])
    home = VisitsHome(folder / "home", connections_to(columns, folder))
    home.declare()
    assert home.retrain().decision.outcome is Outcome.FIRST_VERSION
    assert home.update(POISONED).decision.outcome is Outcome.PROMOTE
    return home


@pytest.fixture(scope="module")
def of_another_unit(tmp_path_factory: pytest.TempPathFactory) -> VisitsHome:
    """The poisoned hour counts seconds. Only to be copied."""
    return poisoned("unit_change", tmp_path_factory.mktemp("unit"))


def stopped(home: VisitsHome, as_of: datetime) -> dict[str, str]:
    """What stops an update."""
    found = home.update(as_of)
    assert not found.decision.outcome.moves
    assert home.parts.ledger.champion("visits") == "2"
    return {
        one.name: one.reason
        for one in found.findings
        if one.blocking and one.verdict is Verdict.FAIL
    }


def without(home: VisitsHome, start: datetime, end: datetime, as_of: datetime) -> Retraining:
    """The update after a person has excluded what was wrong."""
    excluded = {"start": instant_text(start), "end": instant_text(end), "reason": "poisoned"}
    home.declare(split={**declaration()["split"], "exclude": [excluded]})
    return home.update(as_of)


def test_an_hour_of_flipped_labels_is_named_and_not_learned(tmp_path: Path) -> None:
    home = poisoned("label_flip", tmp_path)
    for hours in (2, 5):  # the hours after it are sound, but it would be learned with them
        reason = stopped(home, POISONED + hours * HOUR)["update.labels"]
        assert instant_text(POISONED) in reason
    done = without(home, POISONED, POISONED + HOUR, POISONED + 5 * HOUR)
    assert done.decision.outcome is Outcome.PROMOTE
    assert done.evidence.update is not None
    assert done.evidence.update.saved.points.end == POISONED + 4 * HOUR


@pytest.mark.parametrize("later", [pytest.param(2, marks=pytest.mark.proof), 12])
def test_an_hour_in_another_unit_fails_the_contract_and_stays_rejected(
    of_another_unit: VisitsHome, tmp_path: Path, later: int
) -> None:
    home = of_another_unit.copy(tmp_path / "home")
    at = POISONED + 2 * HOUR
    assert "contract.envelope.visits.minutes.range" in stopped(home, at)
    # In twelve hours it is a small share of the new rows, and still not learned.
    again = stopped(home, POISONED + later * HOUR)
    assert any(name.startswith("contract.") for name in again)
    assert without(home, POISONED, at, POISONED + 12 * HOUR).decision.outcome is Outcome.PROMOTE


def test_hours_after_a_refused_one_are_judged_on_their_own(
    of_another_unit: VisitsHome, tmp_path: Path
) -> None:
    home = of_another_unit.copy(tmp_path / "home")
    at = POISONED + 2 * HOUR
    stopped(home, at)
    refused = f"contract.previously_rejected.{at:%Y-%m-%dT%H%M%SZ}"
    assert set(stopped(home, at + HOUR)) == {refused}
    [last] = [one for one in home.parts.ledger.entries("visits") if one.as_of == at + HOUR]
    assert last.increment == Window(at, at + HOUR)
    assert without(home, POISONED, at, at + 3 * HOUR).decision.outcome is Outcome.PROMOTE


def test_an_hour_in_which_the_training_of_the_champion_ended_is_no_bound_for_itself(
    tmp_path: Path,
) -> None:
    columns, third = visits(days=36), timedelta(minutes=20)
    first = (ANCHOR - HOUR - START) // timedelta(minutes=1)
    hour = (columns["minute"] >= first) & (columns["minute"] < first + 60)
    columns["bought"] = np.where(hour, 1 - columns["bought"], columns["bought"])
    home = VisitsHome(tmp_path / "home", connections_to(columns, tmp_path))
    home.declare()
    home.retrain(ANCHOR + third)  # learned the first twenty minutes of the poisoned hour
    found = home.update(ANCHOR + 5 * HOUR)
    reason = next(one.reason for one in found.findings if one.name == "update.labels")
    assert found.decision.outcome is Outcome.REJECT
    assert instant_text(ANCHOR - HOUR) in reason
