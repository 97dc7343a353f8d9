"""Six ways in which a feature that is fine offline is not in production, each named and stopped.

Production is real here: an online store filled by the real flow, a week of requests looked up in it
and logged. Where a fault is planted, it is in what production has: its events, its clock, its jobs,
its service. The warehouse that training reads is right all along.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.faults.catalogue import MISSING_ONLINE
from pipelines.faults.matrix import Cell
from pipelines.flows.drill.cells import DrillCells
from pipelines.flows.drill.run import DrillCollaborators, DrillRequest, opened
from pipelines.flows.retrain import online_features
from pipelines.flows.retrain.online_features import check_online_features
from pipelines.release.budget import tries
from pipelines.simulation.faults import ColumnGone, FeedStopped, UnitChange
from pipelines.simulation.scenarios import Scenario
from tests.support.live.served_log import Production, log_days
from tests.support.pharmacy import (
    FIRST,
    ON_HAND,
    SECOND,
    START,
    WEEKDAY,
    Pharmacy,
    RetrainResult,
    sold,
    write_days,
)

DAY = timedelta(days=1)
SERVING = {"every": "1d", "offset": "22h", "delay": "1h"}
SALES = {**sold(28), "name": "sales", "aggregate": "count", "column": None}
PRICE = {**sold(1), "name": "price", "aggregate": "last", "column": "price"}
MEDICINE = {"kind": "attribute", "name": "medicine"}
FEATURES = (MEDICINE, WEEKDAY, sold(14), SALES, PRICE, ON_HAND)
NEW = {**sold(7), "name": "medicine_sold", "by": ["medicine"]}

WEEK = FIRST + timedelta(days=1)  # its first midnight; the last one is a run's as-of
LAST_DAYS = SECOND - 2 * DAY  # where a fault is on every day, three midnights show it
ServedDays = tuple[Pharmacy, list[tuple[pd.DataFrame, pd.DataFrame]]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """A champion that reads an online store, and the quiet week after it. Only to be copied."""
    folder = tmp_path_factory.mktemp("served")
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, SECOND)
    pharmacy.declare(FEATURES, serving=SERVING)
    Production(pharmacy).materialize(FIRST)
    reported = pharmacy.retrain(FIRST)
    assert reported.outcome == "first_version", reported.against()
    return pharmacy


@pytest.fixture(scope="module")
def quiet_days(served: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> ServedDays:
    """Three days in which production does what it should. Only to be copied."""
    pharmacy = served.twin(tmp_path_factory.mktemp("quiet_days"))
    return pharmacy, Production(pharmacy).serve(WEEK, days=3)


@pytest.fixture(scope="module")
def quiet_week(quiet_days: ServedDays, tmp_path_factory: pytest.TempPathFactory) -> ServedDays:
    """These days and four more. Only to be copied."""
    pharmacy = quiet_days[0].twin(tmp_path_factory.mktemp("quiet_week"))
    return pharmacy, [*quiet_days[1], *Production(pharmacy).serve(WEEK + 3 * DAY, days=4)]


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


@pytest.fixture
def pharmacy(served: Pharmacy, tmp_path: Path) -> Pharmacy:
    """A copy with a store of its own, for a log to be written to."""
    return served.twin(tmp_path)


def elsewhere(folder: Path, *scenarios: Scenario, start: datetime = START) -> Path:
    """Other events than the warehouse has: what production reads."""
    write_days(folder / "production", start, SECOND, *scenarios)
    return folder / "production"


def findings(reported: RetrainResult) -> dict[str, Finding]:
    return {f.name: f for f in reported.done.findings if f.name.startswith("availability.")}


def stopped(pharmacy: Pharmacy, **requested: Any) -> tuple[RetrainResult, dict[str, Finding]]:
    """A retraining that stops before anything is trained, and costs the year nothing."""
    parts = pharmacy.parts()
    budget = parts.load_spec("demand").gates.budget
    before = len(tries(parts.ledger.entries("demand"), budget))
    reported = pharmacy.retrain(SECOND, **requested)
    assert reported.outcome == "reject", f"{reported.outcome}: nothing stopped it"
    assert reported.skipped == ("train", "evaluate", "record", "audit", "register")
    assert all(name.startswith("availability.") for name in reported.against())
    assert len(pharmacy.registry.versions("demand")) == 1, "nothing was registered"
    assert len(tries(parts.ledger.entries("demand"), budget)) == before, "it was no comparison"
    assert parts.ledger.champion("demand", "live") == "1"
    return reported, findings(reported)


def test_production_as_it_should_be_raises_no_alarm(pharmacy: Pharmacy) -> None:
    """Requests come at half past eight, between decision points of the grid: all are replayed."""
    log_days(
        pharmacy, Production(pharmacy).serve(LAST_DAYS + timedelta(hours=8, minutes=30), days=2)
    )
    reported = pharmacy.retrain(SECOND)
    found = findings(reported)
    windows = ("sold", "sales", "price", "on_hand")
    assert found.keys() >= {
        *(f"availability.online.{name}" for name in windows),
        *(f"availability.online_mismatch.{name}" for name in windows),
        *(f"availability.parity.{name}" for name in (*windows, "medicine", "weekday")),
        *(f"availability.staleness.{view}" for view in ("dispensing_by_pharmacy_medicine",)),
        "availability.staleness.stock_by_pharmacy_medicine",
        "availability.parity.preprocessing",
        "availability.parity.prediction",
    }
    assert {f.verdict for f in found.values()} == {Verdict.PASS}
    assert "train" not in reported.skipped
    available = reported.done.evidence.availability
    assert available is not None
    assert available.parity is not None
    assert available.parity.unknown == 0, "requests between the points of the grid count as well"


def test_a_unit_that_differs_online_is_named(pharmacy: Pharmacy, tmp_path: Path) -> None:
    """Production's feed counts tablets, thirty of them in a pack."""
    tablets = elsewhere(tmp_path, UnitChange(start=START, factor=30))
    log_days(pharmacy, Production(pharmacy, store=tablets).serve(LAST_DAYS, days=3))
    reported, found = stopped(pharmacy)
    assert set(reported.against()) == {
        "availability.parity.sold",
        "availability.online_mismatch.sold",
    }
    for finding in (found["availability.parity.sold"], found["availability.online_mismatch.sold"]):
        assert finding.verdict is Verdict.FAIL
        assert "likely cause: unit: every served value is 30 times" in finding.reason


def test_a_clock_of_another_zone_is_named(pharmacy: Pharmacy) -> None:
    """The job that is to run at 22:00 UTC runs at 22:00 in a zone seven hours ahead of it."""
    log_days(pharmacy, Production(pharmacy, serving={"offset": "15h"}).serve(LAST_DAYS, days=3))
    _, found = stopped(pharmacy)
    for name in ("sold", "sales"):
        finding = found[f"availability.parity.{name}"]
        assert finding.verdict is Verdict.FAIL
        assert "likely cause: time_zone: its value as of 7 h earlier is served" in finding.reason
    assert found["availability.parity.medicine"].verdict is Verdict.PASS


def test_a_feed_that_stopped_for_a_day_is_named_when_it_is_back(
    quiet_days: ServedDays, tmp_path: Path
) -> None:
    """It stops on the fourth day of the week."""
    quiet, before = quiet_days
    pharmacy = quiet.twin(tmp_path)
    after = Production(pharmacy, down=(0,)).serve(WEEK + 3 * DAY, days=4)
    log_days(pharmacy, [*before, *after])
    _, found = stopped(pharmacy)
    for name in ("sold", "sales"):
        finding = found[f"availability.parity.{name}"]
        assert finding.verdict is Verdict.FAIL
        assert "likely cause: stale" in finding.reason
        assert finding.value is not None
        assert finding.value <= 1 / 6, "it was served on one of the six days in the window"
    assert found["availability.staleness.dispensing_by_pharmacy_medicine"].verdict is Verdict.PASS


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


def test_a_feature_dropped_upstream_has_vanished(pharmacy: Pharmacy, tmp_path: Path) -> None:
    """The shelves are still reported, with nothing in the column that the champion reads."""
    gone = ColumnGone(start=START, stream="stock", column="on_hand")
    production = Production(pharmacy, store=elsewhere(tmp_path, gone))
    log_days(pharmacy, production.serve(LAST_DAYS, days=3))
    reported, found = stopped(pharmacy)
    assert set(reported.against()) == {
        "availability.vanished.on_hand",
        "availability.parity.on_hand",
    }
    vanished = found["availability.vanished.on_hand"]
    assert vanished.value == 0
    assert "masked in 100% of the recent window" in vanished.reason
    assert "absolute_error" in vanished.reason
    assert "likely cause: missing" in found["availability.parity.on_hand"].reason


def test_nulls_filled_with_zero_online_only_are_named(
    quiet_week: ServedDays, tmp_path: Path
) -> None:
    """The service puts a price of 0 where nothing was sold yesterday."""
    quiet, week = quiet_week
    pharmacy = quiet.twin(tmp_path)
    filled = [
        (rows, values.assign(price=[0.0 if one is None else one for one in values["price"]]))
        for rows, values in week
    ]
    log_days(pharmacy, filled)
    reported, found = stopped(pharmacy)
    assert set(reported.against()) == {"availability.parity.price"}
    assert "likely cause: null_filled: 0.0 is served" in found["availability.parity.price"].reason


def test_a_counter_that_restarts_from_0_is_named(
    pharmacy: Pharmacy, quiet_days: ServedDays, tmp_path: Path
) -> None:
    """From the fourth day on, production counts what it saw in the two days before it, and on."""
    lost = WEEK + DAY - timedelta(hours=2)
    anew = Production(pharmacy, store=elsewhere(tmp_path, start=lost))
    log_days(pharmacy, [*quiet_days[1], *anew.serve(WEEK + 3 * DAY, days=4)])
    _, found = stopped(pharmacy)
    parity = found["availability.parity.sales"]
    assert parity.verdict is Verdict.FAIL
    assert "likely cause: restarted: served values begin again near 0 and grow" in parity.reason
    assert found["availability.online_mismatch.sales"].verdict is Verdict.FAIL


# What production has for some and not for others


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
    later = pharmacy.retrain(SECOND + timedelta(minutes=1))
    assert "train" not in later.skipped, "as of another instant it is looked up again"


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
    with opened(DrillRequest(model="demand", as_of=LAST_DAYS), collaborators) as context:
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
    later = pharmacy.retrain(SECOND + timedelta(minutes=1), dry_run=True)
    assert "availability.online.medicine_sold" in findings(later)
    assert "train" not in later.skipped, later.against()


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


@pytest.mark.parametrize("late", [timedelta(hours=1), 2 * DAY])
def test_a_store_that_has_gone_on_is_no_fault_of_a_run_that_is_late_or_is_in_the_past(
    filled_hourly: Pharmacy, tmp_path: Path, late: timedelta
) -> None:
    """The store is held against the events as of its own instant, also when that is after the
    run's: a run waits in a queue, and the schedule's last whole interval ended days ago."""
    reported = filled_hourly.twin(tmp_path).retrain(SECOND - late, dry_run=True)
    found = findings(reported)
    assert found["availability.online_mismatch.sold"].verdict is Verdict.PASS
    assert {name for name in reported.against() if name.startswith("availability.")} == set()
    assert "train" not in reported.skipped


@pytest.mark.parametrize("lineage", ["backtest", "backfill"])
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


def test_a_service_that_answers_with_another_model_is_named(
    quiet_week: ServedDays, tmp_path: Path
) -> None:
    """Its log names version 1, but the answers are not those of version 1."""
    quiet, week = quiet_week
    pharmacy = quiet.twin(tmp_path)
    log_days(pharmacy, week, answers=lambda output: output * 1.1)
    reported, found = stopped(pharmacy)
    assert set(reported.against()) == {"availability.parity.prediction"}
    assert "has loaded another model" in found["availability.parity.prediction"].reason
