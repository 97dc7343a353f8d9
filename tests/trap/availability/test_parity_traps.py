"""Values that were served differ from what training computes: each cause is named and stopped.

A week of requests is looked up in the online store and logged.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipelines.core.findings import Verdict
from pipelines.simulation.faults import ColumnGone, UnitChange
from tests.support.live.served_champion import elsewhere, findings, stopped
from tests.support.live.served_log import Production, log_days
from tests.support.pharmacy import FIRST, SECOND, START, Pharmacy

DAY = timedelta(days=1)
WEEK = FIRST + timedelta(days=1)  # its first midnight; the last one is a run's as-of
LAST_DAYS = SECOND - 2 * DAY  # where a fault is on every day, three midnights show it
ServedDays = tuple[Pharmacy, list[tuple[pd.DataFrame, pd.DataFrame]]]


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
