"""Planted faults that the envelope has to name, and healthy weeks that it has to leave alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from pipelines.adapters.expectations.great_expectations import GreatExpectationsRunner
from pipelines.core.findings import Finding, Verdict
from pipelines.core.time import Window, parse_instant
from pipelines.gates.contract.findings import contract_findings
from pipelines.quality.envelope.suite import envelope_suite, stream_chunks
from pipelines.quality.sql.runner import SqlRunner
from pipelines.spec.streams import Stream

DAY0 = datetime.fromisoformat("2025-01-06")  # a Monday
SALES = Stream.model_validate(
    {
        "event_time": "sold_at",
        "known_time": "recorded_at",
        "id": ["sale"],
        "columns": {
            "sale": "string",
            "shop": "string",
            "article": "string",
            "quantity": "float",
            "price": "float",
            "temperature": "float",
        },
    }
)
RUNNER = SqlRunner(GreatExpectationsRunner())


def sales(days: int, seed: int, rate: float = 300.0) -> pd.DataFrame:
    """A shop's year: weekday and yearly swing, 0.3 % growth a week, prices that rise, new shops.

    Volume swings by 20 % over the year, quantity by 10 %, temperature by 10 degrees; Sundays are
    half as busy; every week a shop may open; 1 % of prices are missing.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for day in range(days):
        season = np.sin(2 * np.pi * day / 365)
        weekday = 0.5 if day % 7 == 6 else 1.0
        drift = 1.003 ** (day / 7)
        n = rng.poisson(rate * weekday * drift * (1 + 0.2 * season) * rng.lognormal(0, 0.08))
        known = DAY0 + timedelta(days=day) + pd.to_timedelta(np.sort(rng.uniform(0, 86400, n)), "s")
        shops = 20 + day // 21
        price = np.round(rng.lognormal(2, 0.7, n) * 1.0005 ** (day / 7), 2)
        parts.append(
            pd.DataFrame(
                {
                    "event_time": known - pd.to_timedelta(rng.gamma(4, 300, n), "s"),
                    "known_time": known,
                    "sale": [f"{day}-{i}" for i in range(n)],
                    "shop": [f"s{i}" for i in rng.integers(0, shops, n)],
                    "article": rng.choice(
                        ["pen", "ink", "pad", "cup"], n, p=[0.5, 0.3, 0.15, 0.05]
                    ),
                    "quantity": 1.0 + rng.poisson(2.5 * (1 + 0.1 * season), n),
                    "price": np.where(rng.random(n) < 0.01, np.nan, price),
                    "temperature": rng.normal(10 + 10 * season, 4, n),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def canonical(frame: pd.DataFrame) -> ibis.Table:
    frame = frame.copy()
    for name in ("event_time", "known_time"):
        frame[name] = frame[name].astype("datetime64[us]")
    return ibis.duckdb.connect().create_table("rows", ibis.memtable(frame).to_pyarrow())


def days(frame: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    start, end = DAY0 + timedelta(days=first), DAY0 + timedelta(days=last)
    return frame[(frame.known_time >= start) & (frame.known_time < end)]


def envelope(table: ibis.Table, first: int, last: int) -> dict[str, Any]:
    start = parse_instant(DAY0.date().isoformat())
    window = Window(start + timedelta(days=first), start + timedelta(days=last))
    chunks = stream_chunks(table, SALES, window)
    return envelope_suite(chunks, stream="sales", window=window)


def check(suite: dict[str, Any], fresh: pd.DataFrame) -> dict[str, Finding]:
    findings = contract_findings({"envelope": suite}, {"sales": canonical(fresh)}, RUNNER)
    return {finding.name.removeprefix("contract.envelope.sales."): finding for finding in findings}


def failed(found: dict[str, Finding]) -> dict[str, str]:
    return {name: f.reason for name, f in found.items() if f.verdict is not Verdict.PASS}


@pytest.fixture(scope="module")
def world() -> pd.DataFrame:
    return sales(days=84 + 36 + 7, seed=5)


@pytest.fixture(scope="module")
def suite(world: pd.DataFrame) -> dict[str, Any]:
    """Trained on 84 days; the fresh week comes 36 days later, after recent window and gap."""
    return envelope(canonical(world), 0, 84)


@pytest.fixture(scope="module")
def fresh(world: pd.DataFrame) -> pd.DataFrame:
    return days(world, 120, 127).reset_index(drop=True)


def times(share: float, factor: float, column: str = "quantity") -> Callable[..., pd.DataFrame]:
    def fault(frame: pd.DataFrame) -> pd.DataFrame:
        hit = np.random.default_rng(1).random(len(frame)) < share
        return frame.assign(**{column: frame[column].where(~hit, frame[column] * factor)})

    return fault


def nulls(share: float, column: str = "price") -> Callable[..., pd.DataFrame]:
    def fault(frame: pd.DataFrame) -> pd.DataFrame:
        hit = np.random.default_rng(2).random(len(frame)) < share
        return frame.assign(**{column: frame[column].mask(hit)})

    return fault


def stopped(hours: int) -> Callable[..., pd.DataFrame]:
    def fault(frame: pd.DataFrame) -> pd.DataFrame:
        start = DAY0 + timedelta(days=122)
        still = (frame.known_time >= start) & (frame.known_time < start + timedelta(hours=hours))
        return frame[~still]

    return fault


def new_category(share: float) -> Callable[..., pd.DataFrame]:
    def fault(frame: pd.DataFrame) -> pd.DataFrame:
        hit = np.random.default_rng(3).random(len(frame)) < share
        return frame.assign(article=frame.article.mask(hit, "unknown"))

    return fault


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame], ignore_index=True)


def doubled_under_new_names(frame: pd.DataFrame) -> pd.DataFrame:
    again = frame.assign(sale="again-" + frame.sale)
    return pd.concat([frame, again], ignore_index=True)


def clock_an_hour_back(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(event_time=frame.event_time - pd.Timedelta(hours=1))


def clock_an_hour_ahead(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(event_time=frame.event_time + pd.Timedelta(hours=1))


FAULTS: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    ("all quantities times ten", times(1, 10), "quantity.range"),
    ("all quantities times a thousand", times(1, 1000), "quantity.median"),
    ("a third of quantities times ten", times(0.3, 10), "quantity.range"),
    ("all prices in cents", times(1, 100, "price"), "price.range"),
    ("all prices times ten", times(1, 10, "price"), "price.median"),
    ("a third of prices times ten", times(0.3, 10, "price"), "price.range"),
    ("all quantities divided by a thousand", times(1, 0.001), "quantity.range"),
    ("price gone", nulls(1), "price.missing"),
    ("a tenth of prices gone", nulls(0.1), "price.missing"),
    ("shop gone", nulls(1, "shop"), "shop.missing"),
    ("the column article dropped", lambda f: f.drop(columns="article"), "article.present"),
    ("the feed still for a day", stopped(24), "table.days"),
    ("the feed still for a day", stopped(24), "table.hours"),
    ("the feed still for half a day", stopped(12), "table.hours"),
    ("every row twice", doubled, "table.unique"),
    ("every row twice", doubled, "table.volume"),
    ("every row twice under a new id", doubled_under_new_names, "table.volume"),
    ("half of the rows lost", lambda f: f.iloc[::2], "table.volume"),
    ("a new category floods in", new_category(0.3), "article.categories"),
    ("events an hour early", clock_an_hour_back, "table.lag"),
    ("events an hour late", clock_an_hour_ahead, "table.lag"),
]


@pytest.mark.parametrize(
    ("fault", "plant", "finding"), FAULTS, ids=[f"{f}: {n}" for f, _, n in FAULTS]
)
def test_a_planted_fault_is_named(
    fault: str,
    plant: Callable[[pd.DataFrame], pd.DataFrame],
    finding: str,
    suite: dict[str, Any],
    fresh: pd.DataFrame,
) -> None:
    found = check(suite, plant(fresh))
    assert found[finding].verdict is Verdict.FAIL, (
        f"{fault} went unnoticed by {finding}: {found[finding].reason}; others: {failed(found)}"
    )
    assert found[finding].blocking


def test_a_healthy_week_passes_whole(suite: dict[str, Any], fresh: pd.DataFrame) -> None:
    assert failed(check(suite, fresh)) == {}


def test_a_few_new_categories_are_no_fault(suite: dict[str, Any], fresh: pd.DataFrame) -> None:
    assert failed(check(suite, new_category(0.05)(fresh))) == {}


def test_a_feed_that_stopped_for_the_whole_week_is_no_data_and_never_a_pass(
    suite: dict[str, Any], fresh: pd.DataFrame
) -> None:
    found = check(suite, fresh.iloc[:0])
    assert {finding.verdict for finding in found.values()} == {Verdict.NO_DATA}
    assert "stopped" in found["table.volume"].reason


def test_a_unit_change_is_explained_by_its_factor(
    suite: dict[str, Any], fresh: pd.DataFrame
) -> None:
    reason = check(suite, times(1, 30)(fresh))["quantity.range"].reason
    factor = float(re.search(r"a factor of (\d+(\.\d+)?)", reason).group(1))
    # the fresh median is a whole number between 3 and 4, as is that of each week of training
    assert 30 * 3 / 4 <= factor <= 30 * 4 / 3, reason
    assert "unit" in reason, reason


@pytest.mark.proof  # of one week: test_retrain_traps.py
def test_healthy_weeks_rarely_raise_an_alarm() -> None:
    """One hundred weeks, each against an envelope that ends 36 days before it.

    At most 5 weeks with any finding, over all checks of the stream together. A true rate of 2 %
    passes with 98.5 % probability (binomial, n = 100), a rate of 12 % with under 2 %.
    """
    world = sales(days=120 + 700, seed=11, rate=120.0)
    table = canonical(world)
    alarms: dict[int, dict[str, str]] = {}
    for week in range(100):
        first = 7 * week
        found = check(envelope(table, first, first + 84), days(world, first + 120, first + 127))
        if failed(found):
            alarms[week] = failed(found)
    assert len(alarms) <= 5, f"{len(alarms)} of 100 healthy weeks raised an alarm: {alarms}"
