"""A stale champion is refreshed because its age costs more than a refresh is worth."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pytest

from pipelines.core.errors import GauntletError
from pipelines.core.findings import Gate
from pipelines.core.time import FixedClock, instant_text
from pipelines.flows.backfill import Backfill, BackfillRequest, open_backfill
from pipelines.flows.frames import FRAME, read_rows
from pipelines.flows.lineages.champion_errors import NOT_MATURED, SAME
from pipelines.flows.lineages.compare import compare_with_errors
from pipelines.flows.lineages.pruning import prune_lineage
from pipelines.flows.retrain.record import judge_again
from pipelines.flows.retrain.run import OutOfOrder
from pipelines.gates.refresh.record import RefreshRecord, week_window
from pipelines.packaging.version import RECORD, read_record
from pipelines.release.budget import tries
from pipelines.release.lineages import branch
from pipelines.reporting.lineages.comparison_page import comparison_page
from pipelines.simulation.changes import DemandShift
from pipelines.training.columns import feature_matrix
from tests.support.pharmacy import FIRST, RICH, START, WEEK, Pharmacy, declaration, write_days

# Demand of one chain grows sixfold in three months. Labels take eleven days.
GROWTH = DemandShift(start=FIRST - WEEK, factor=6.0, chain="beta", over_days=90)
WEEKS = (0, 1, 2, 7, 8)
OTHER = declaration()["estimator"]
OTHER["parameters"]["max_iter"] = 20
GATES = {
    "budget": {"alpha_year": 0.2, "tries": 4},
    "refresh": {"least": 2},
    "audit": {"refits": 3},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A first version, a candidate in each of two weeks, and two when weeks have matured."""
    folder = tmp_path_factory.mktemp("growth")
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, FIRST + WEEKS[-1] * WEEK, GROWTH)
    pharmacy.declare(RICH, seeds=[11], gates=GATES)
    return pharmacy, {number: pharmacy.retrain(FIRST + number * WEEK) for number in WEEKS}


def test_the_champion_is_refreshed_for_the_cost_of_its_age(runs):
    _, found = runs
    outcomes = [found[number].outcome for number in WEEKS[:4]]
    assert outcomes == ["first_version", "hold", "hold", "promote"]
    assert found[1].against()["refresh.record"] == "no_data"
    refreshed = found[7].done
    assert refreshed.run.lane == "refresh"
    state = refreshed.evidence.record.state
    assert (state.weeks, state.age) == (2, 7)
    assert state.cost.estimate > 0
    assert "has not been shown to be better" in refreshed.decision.reasons[0]


def test_a_refresh_spends_nothing_of_the_error_budget(runs):
    _, found = runs
    budget = {one.name: one for one in found[7].done.findings if one.gate is Gate.BUDGET}
    assert set(budget) == {"budget.spent"}
    assert budget["budget.spent"].value == 0


def test_the_record_has_the_losses_of_the_serving_models_on_weeks_after_their_training(runs):
    pharmacy, found = runs
    run, record = found[7].done.run, found[7].done.evidence.record.record
    assert [week.start for week in record.weeks] == [
        (FIRST + number * WEEK).date() for number in range(5)
    ]
    assert [len(week.losses) for week in record.weeks] == [1, 2, 3, 3, 3]
    rows = read_rows(run.spec, run.workspace.path(FRAME), week_window(record.weeks[3].start))
    rows = rows[rows["label"].notna()]
    assert record.weeks[3].points == len(rows)
    for number in (0, 1):
        version = pharmacy.parts().versions.load("demand", found[number].done.version.version)
        predicted = version.load_pipeline().predict(feature_matrix(run.spec, rows))
        loss = float(np.abs(predicted - rows["label"]).mean())
        assert record.weeks[3].losses[FIRST + number * WEEK] == pytest.approx(loss)


def test_the_next_run_goes_on_with_the_record_that_the_version_carries(runs):
    pharmacy, found = runs
    version = pharmacy.parts().versions.load("demand", found[7].done.version.version)
    saved = read_record(version.folder, RECORD, RefreshRecord)
    assert saved == found[7].done.evidence.record.record
    later = found[8].done.evidence.record.record
    assert later.weeks[:-1] == saved.weeks
    assert later.weeks[-1].start == (FIRST + 5 * WEEK).date()
    assert found[8].done.evidence.record.state.age == 1


def test_the_record_in_the_version_gives_the_stored_findings_again(runs):
    pharmacy, found = runs
    parts = pharmacy.parts()
    chain = parts.ledger.entries("demand")
    for number in (1, 7, 8):
        version = found[number].done.version.version
        entry = next(one for one in chain if one.candidate == version)
        stored = tuple(one for one in entry.findings if one.gate is Gate.REFRESH)
        assert stored
        assert judge_again(parts.versions.load("demand", version), entry, chain) == stored


def test_a_decided_run_is_repeated_after_its_version_was_removed(runs, tmp_path):
    pharmacy, found = runs
    home = pharmacy.copy(tmp_path / "home")
    held = found[1].done
    home.registry.remove(home.registry.get("demand", held.version.version))
    again = home.retrain(FIRST + WEEK).done
    assert again.version is None
    assert again.decision == held.decision


def test_a_backfill_with_nothing_changed_decides_as_live_did(runs, tmp_path):
    pharmacy, found = runs
    home = pharmacy.copy(tmp_path / "home")
    as_of = FIRST + 7 * WEEK
    parts, live = home.parts(), found[7].done
    opened = open_backfill(BackfillRequest(model="demand", as_of=(as_of,)), parts.retraining)
    (week,) = opened.weeks()
    assert (week.outcome, week.live_outcome) == ("promote", "promote")
    assert week.live_champion == live.version.version != week.version == week.champion
    chain = parts.ledger.entries("demand", opened.lineage)
    assert [entry.kind for entry in chain] == ["branch", "promotion"]
    assert chain[0].champion_after == live.run.champion.number
    judged = {one.name: one.value for one in chain[1].findings if one.gate is not Gate.BUDGET}
    assert judged == {
        one.name: one.value for one in live.findings if one.gate is not Gate.BUDGET
    }, "the same data, declaration and champion gave other findings"
    assert home.registry.alias("demand", "champion") == parts.ledger.champion("demand")
    described = home.registry.get("demand", week.version)
    assert described.lineage == opened.lineage

    assert list(opened.weeks()) == [week], "a repeated backfill is answered from the ledger"
    with pytest.raises(OutOfOrder, match="older than the newest decision"):
        home.retrain(FIRST, lineage=opened.lineage)

    assert prune_lineage("demand", opened.lineage, parts.retraining) == 1
    assert list(opened.weeks()) == [week], "its decisions are kept"
    longer = BackfillRequest(model="demand", as_of=(as_of, as_of + WEEK))
    with pytest.raises(GauntletError, match="champion of the next week was removed"):
        list(Backfill(longer, opened.lineage, opened.spec, opened.suite, parts.retraining).weeks())


def test_the_champions_of_two_lineages_are_scored_on_the_same_points(runs, tmp_path):
    pharmacy, found = runs
    home = pharmacy.twin(tmp_path)
    end = FIRST + 10 * WEEK
    write_days(tmp_path / "store", FIRST + WEEKS[-1] * WEEK, end, GROWTH)
    parts = home.parts(clock=FixedClock(end))
    branch("demand", "past", FIRST + WEEK, parts.ledger)  # keeps the first version for a while
    home.retrain(FIRST + 8 * WEEK, lineage="past")
    last = parts.ledger.champion("demand", "past")
    compared = compare_with_errors("demand", "live", "past", parts.retraining)
    refreshed = [found[number].done.version.version for number in (7, 8)]
    assert [week.champions for week in compared.weeks] == [
        *[("1", "1")] * 2,
        *zip(refreshed, ("1", last), strict=True),
    ]
    assert [week.no_errors for week in compared.weeks] == [*[SAME] * 2, "", NOT_MATURED]
    errors = compared.weeks[2].errors
    assert (errors.start, errors.end) == (FIRST + 7 * WEEK, FIRST + 8 * WEEK)
    assert errors.points > 0
    assert errors.first < errors.second, "demand grows, so the older version is worse"
    assert errors.gain == pytest.approx(errors.first - errors.second)
    assert errors.low < errors.gain < errors.high
    assert compared.total == errors
    later = dataclasses.replace(parts, clock=FixedClock(end + timedelta(days=1)))
    again = compare_with_errors("demand", "live", "past", later.retraining)
    assert comparison_page(again) == comparison_page(compared)


def test_another_recipe_is_adopted_as_one_try(runs, tmp_path, monkeypatch):
    pharmacy, _ = runs
    home = pharmacy.copy(tmp_path / "home")
    parts = home.parts()
    alone = GATES | {"first_version": {"weeks": 0}}
    home.declare(RICH, seeds=[11], gates=alone, estimator=OTHER)
    last = home.retrain(FIRST, lineage="other").done.version.version
    home.declare(RICH, seeds=[11], gates=GATES)
    for module in ("known_model", "commands.lineages.adopt"):
        monkeypatch.setattr(f"pipelines.cli.{module}.connect", lambda **_: parts)
    as_of = ("--as-of", instant_text(FIRST + 8 * WEEK + timedelta(hours=1)), "--json")
    adopted = home.cli("adopt", "demand", "--lineage", "other", *as_of)
    assert adopted.code == 0, adopted.err
    assert adopted.body["adopted"] == last
    assert adopted.body["changes"] == ["estimator.parameters.max_iter: 15 -> 20"]
    again = home.cli("adopt", "demand", "--lineage", "other", *as_of)
    assert again.body == adopted.body, "an adoption that is repeated goes on with its run"
    versions = home.registry.versions("demand")
    assert sum(one.run == adopted.body["run"] for one in versions) == 1
    assert len(tries(parts.ledger.entries("demand"), parts.load_spec("demand").gates.budget)) == 1
