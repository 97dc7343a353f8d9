"""An online store that lacks values, is old, or was never filled: each is named and stopped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.faults.catalogue import MISSING_ONLINE
from pipelines.faults.matrix import Cell
from pipelines.flows.drill.cells import DrillCells
from pipelines.flows.drill.run import DrillCollaborators, DrillRequest, opened
from pipelines.flows.retrain import online_features
from pipelines.flows.retrain.online_features import check_online_features
from pipelines.simulation.faults import FeedStopped
from tests.support.live.served_champion import (
    FEATURES,
    SERVING,
    elsewhere,
    findings,
    fitted,
    stopped,
)
from tests.support.live.served_log import Production
from tests.support.pharmacy import FIRST, SECOND, START, Pharmacy, RetrainResult, sold

DAY = timedelta(days=1)
NEW = {**sold(7), "name": "medicine_sold", "by": ["medicine"]}


@pytest.fixture(scope="module")
def filled(served: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """The online store is as of ``SECOND``. Only to be copied."""
    pharmacy = served.twin(tmp_path_factory.mktemp("filled"))
    Production(pharmacy).materialize(SECOND)
    return pharmacy


@pytest.fixture(scope="module")
def filled_hourly(served: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """The same, with features that are materialized every hour. Only to be copied."""
    pharmacy = served.twin(tmp_path_factory.mktemp("filled_hourly"))
    pharmacy.declare(FEATURES, serving={"every": "1h", "delay": "15m"})
    Production(pharmacy).materialize(SECOND)
    return pharmacy


@pytest.fixture(scope="module")
def feed_is_down(
    served: Pharmacy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pharmacy, RetrainResult]:
    """Nothing was materialized for longer than values are believed, which stops a retraining."""
    pharmacy = served.twin(tmp_path_factory.mktemp("down"))
    Production(pharmacy).materialize(SECOND - 3 * DAY)
    return pharmacy, stopped(pharmacy)[0]


def test_a_feed_that_is_still_down_is_named(
    feed_is_down: tuple[Pharmacy, RetrainResult],
) -> None:
    """All values are missing."""
    _, reported = feed_is_down
    found = findings(reported)
    assert set(reported.against()) == {
        "availability.staleness.dispensing_by_pharmacy_medicine",
        "availability.staleness.stock_by_pharmacy_medicine",
    }
    stock = found["availability.staleness.stock_by_pharmacy_medicine"]
    assert stock.value == timedelta(days=3, hours=2).total_seconds()
    assert "on_hand" in stock.reason


def test_a_feature_that_production_has_for_some_stops_the_candidate_with_what_it_would_cost(
    pharmacy: Pharmacy, tmp_path: Path
) -> None:
    """Production was set up without the feed of one chain."""
    for file in pharmacy.home.glob("online.db*"):
        file.unlink()
    silent = FeedStopped(start=START, stream="dispensing", chain="alpha")
    Production(pharmacy, store=elsewhere(tmp_path, silent)).materialize(SECOND)
    reported, found = stopped(pharmacy)
    assert set(reported.against()) == {
        f"availability.online.{f}" for f in ("sold", "sales", "price")
    }
    sold_online = found["availability.online.sold"]
    assert sold_online.value is not None
    assert 0.2 < sold_online.value < 0.95, "one chain of three is missing"
    assert sold_online.threshold == 0.98
    assert "as in production, the recipe loses" in sold_online.reason
    assert found["availability.online.on_hand"].verdict is Verdict.PASS


def test_the_same_question_has_the_same_answer_when_production_was_mended_meanwhile(
    feed_is_down: tuple[Pharmacy, RetrainResult], tmp_path: Path
) -> None:
    stored, first = feed_is_down
    pharmacy = stored.twin(tmp_path)
    Production(pharmacy).materialize(SECOND)
    again = pharmacy.retrain(SECOND)
    assert again.done.findings == first.done.findings
    assert len(pharmacy.parts().ledger.entries("demand")) == 2
    assert fitted(pharmacy, SECOND + timedelta(minutes=1)), "as of another instant it looks again"


def test_values_that_the_store_lost_are_found_by_a_drill(filled: Pharmacy, tmp_path: Path) -> None:
    """A drill plants the loss; without the check of the online store it goes undetected."""
    pharmacy = filled.twin(tmp_path)
    collaborators = DrillCollaborators(tmp_path / "drills", pharmacy.parts().retraining)
    request = DrillRequest(model="demand", as_of=SECOND)
    with opened(request, collaborators) as context:
        planted = DrillCells(context, quick=False)
        cell = planted.planter(MISSING_ONLINE).cell(0.5)
        assert isinstance(cell, Cell), cell
        assert "availability.online.sold" in cell.caught_by
        blind = DrillCells(replace(context, checks=context.checks - {"online"}), quick=False)
        unseen = blind.planter(MISSING_ONLINE).cell(0.5)
        assert isinstance(unseen, Cell)
        assert not unseen.caught


def test_a_drill_of_the_past_compares_a_newer_store_with_newer_events(
    filled: Pharmacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the planted loss, the store has what the events have."""
    found: list[tuple[Finding, ...]] = []

    def check(*arguments: Any) -> tuple[Finding, ...]:
        found.append(check_online_features(*arguments))
        return found[-1]

    monkeypatch.setattr(online_features, "check_online_features", check)
    pharmacy = filled.twin(tmp_path)
    collaborators = DrillCollaborators(tmp_path / "drills", pharmacy.parts().retraining)
    with opened(DrillRequest(model="demand", as_of=SECOND - 2 * DAY), collaborators) as context:
        cell = DrillCells(context, quick=False).planter(MISSING_ONLINE).cell(0.5)
    assert isinstance(cell, Cell), cell
    assert "availability.online.sold" in cell.caught_by
    _, without_fault = found
    assert {one.verdict for one in without_fault} == {Verdict.PASS}


def test_a_new_feature_is_distinguished_from_one_that_vanished(
    filled: Pharmacy, tmp_path: Path
) -> None:
    """Declared and never materialized: nothing was lost, and it must be filled first."""
    pharmacy = filled.twin(tmp_path)
    pharmacy.declare((*FEATURES, NEW), serving=SERVING)
    reported, found = stopped(pharmacy)
    assert set(reported.against()) == {"availability.new.medicine_sold"}
    assert "run `gauntlet materialize demand`" in found["availability.new.medicine_sold"].reason
    Production(pharmacy).materialize(SECOND)
    later = fitted(pharmacy, SECOND + timedelta(minutes=1))
    assert "availability.online.medicine_sold" in later


def test_a_first_version_is_not_trained_on_features_that_were_never_materialized(
    served: Pharmacy, tmp_path: Path
) -> None:
    fresh = Pharmacy(tmp_path / "home", served.store)
    fresh.declare(FEATURES, serving=SERVING)
    reported = fresh.retrain(FIRST)
    assert reported.outcome == "reject"
    assert set(reported.against()) == {
        f"availability.new.{name}" for name in ("sold", "sales", "price", "on_hand")
    }


@pytest.mark.parametrize(
    "late", [pytest.param(timedelta(hours=1), marks=pytest.mark.proof), 2 * DAY]
)
def test_a_store_that_has_gone_on_is_no_fault_of_a_run_that_is_late_or_is_in_the_past(
    filled_hourly: Pharmacy, tmp_path: Path, late: timedelta
) -> None:
    """The store is compared with the events as of its own instant, also when that is after the
    run's: a run waits in a queue, and the schedule's last whole interval ended days ago."""
    found = fitted(filled_hourly.twin(tmp_path), SECOND - late)
    assert found["availability.online_mismatch.sold"].verdict is Verdict.PASS
    assert [f.name for f in found.values() if f.blocking and f.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize("lineage", [pytest.param("backtest", marks=pytest.mark.proof), "backfill"])
def test_a_lineage_that_is_not_served_looks_nothing_up(
    served: Pharmacy, tmp_path: Path, lineage: str
) -> None:
    """Past Mondays are made up for in a home whose online store was never filled."""
    fresh = Pharmacy(tmp_path / "home", served.store)
    fresh.declare(FEATURES, serving=SERVING)
    reported = fresh.retrain(FIRST, lineage=lineage)
    [report] = (each for each in reported.steps if each.step == "availability")
    assert report.skipped
    assert f"the lineage {lineage} is not served" in report.summary
    assert reported.outcome == "first_version", reported.against()
