"""Each cause, planted in what a small service logged, is the one that is reported; and no other is.

Eight shops sell at random for three weeks; a service reads, every hour, features that are
materialized every hour, ten minutes late.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.core.findings import Verdict
from pipelines.features.frame import build_frame
from pipelines.flows.retrain.parity import recomputed
from pipelines.gates.availability.parity import FeatureParity, parity_findings, replay
from pipelines.gates.availability.parity_cause import ParityCause
from pipelines.spec.model import ModelSpec
from tests.support.feature_frame import declare, window

START = datetime(2026, 1, 5, tzinfo=UTC)
AS_OF = START + timedelta(days=21)
LOGGED = START + timedelta(days=17)  # four days of requests
HOUR = timedelta(hours=1)


def declared(**serving: str) -> ModelSpec:
    columns = {"shop": "string", "amount": "float", "till": "string"}
    return declare(
        streams={"sales": {"event_time": "t", "known_time": "k", "columns": columns}},
        points={"kind": "grid", "stream": "sales", "keys": ["shop"], "every": "1h"},
        features=[
            {"kind": "attribute", "name": "shop"},
            {"kind": "calendar", "name": "hour", "part": "hour"},
            window("sum", "amount", "2d", name="sold"),
            window("count", None, "7d", name="sales"),
            window("last", "till", "3h", name="till"),
        ],
        serving=serving or {"every": "1h", "delay": "10m"},
        split={"train": "7d", "recent": "4d"},
    )


@cache
def events() -> dict[str, ibis.Table]:
    rng = np.random.default_rng(3)
    many = 6_000
    happened = np.sort(rng.uniform(0, 21 * 24, many))
    table = pa.table(
        {
            "event_time": pa.array([instant(hours) for hours in happened], pa.timestamp("us")),
            "known_time": pa.array([instant(h + 0.02) for h in happened], pa.timestamp("us")),
            "shop": pa.array([f"s{n}" for n in rng.integers(0, 8, many)]),
            "amount": pa.array(rng.gamma(2, 10, many).round(2)),
            "till": pa.array([f"till{n}" for n in rng.integers(0, 50, many)]),
        }
    )
    return {"sales": ibis.duckdb.connect().create_table("sales", table)}


def instant(hours: float) -> datetime:
    return (START + timedelta(hours=float(hours))).replace(tzinfo=None)


@cache
def frame(**serving: str) -> pd.DataFrame:
    rows = build_frame(declared(**serving).frame, events(), AS_OF).to_pandas()
    return rows.sort_values(["decision_time", "shop"], ignore_index=True)


Spoil = Callable[[pd.DataFrame], Any]


def replayed(name: str, spoil: Spoil, **serving: str) -> FeatureParity:
    """The replay of one feature, changed by ``spoil`` in all that was logged."""
    spec, rows = declared(**serving), frame(**serving)
    requested = rows[rows["decision_time"] >= LOGGED.replace(tzinfo=None)].reset_index(drop=True)
    served = requested[list(spec.feature_names)].astype(object).where(requested.notna(), None)
    served[name] = pd.Series(spoil(requested), index=requested.index, dtype=object)
    served = served.where(served.notna(), None)
    log = pd.DataFrame(
        {
            "request_id": [f"r{n}" for n in range(len(requested))],
            "event_time": requested["decision_time"],
            "entity": [json.dumps({"shop": shop}) for shop in requested["shop"]],
            "features": [json.dumps(one, default=float) for one in served.to_dict("records")],
        }
    )
    parity = replay(spec, rows, log, recomputed(spec, events(), AS_OF))
    others = [each for each in parity.features if each.feature != name]
    assert {each.unequal for each in others} == {0}, "only one feature was changed"
    [found] = (each for each in parity.features if each.feature == name)
    verdicts = {f.name: f for f in parity_findings(parity, spec)}
    finding = verdicts[f"availability.parity.{name}"]
    assert (finding.verdict is Verdict.PASS) == (found.unequal == 0)
    if found.likely is not None:
        assert f"likely cause: {found.likely.cause}" in finding.reason
    return found


def later(name: str, hours: float) -> Spoil:
    """The value that the same shop's row has so many hours later (before, when negative)."""

    def moved(requested: pd.DataFrame) -> list[Any]:
        rows = frame()
        there = {
            (shop, at): value
            for shop, at, value in rows[["shop", "decision_time", name]].itertuples(index=False)
        }
        shift = pd.Timedelta(hours=hours)
        pairs = zip(
            requested["shop"], requested["decision_time"] + shift, requested[name], strict=True
        )
        return [there.get((shop, at), own) for shop, at, own in pairs]

    return moved


def stopped(name: str, after: float, hours: float) -> Spoil:
    """For some hours the values of one instant are served, then the right ones again."""

    def frozen(requested: pd.DataFrame) -> list[Any]:
        begin = pd.Timestamp(LOGGED.replace(tzinfo=None)) + pd.Timedelta(hours=after)
        end = begin + pd.Timedelta(hours=hours)
        at_begin = requested[requested["decision_time"] == begin].set_index("shop")[name]
        mask = (requested["decision_time"] >= begin) & (requested["decision_time"] < end)
        return requested[name].where(~mask, requested["shop"].map(at_begin)).tolist()

    return frozen


def restarted(requested: pd.DataFrame) -> list[Any]:
    """The count of a week begins again a day after the log does."""
    again = pd.Timestamp(LOGGED.replace(tzinfo=None)) + pd.Timedelta(days=1)
    sales = events()["sales"].to_pandas()
    found = []
    for shop, at, own in requested[["shop", "decision_time", "sales"]].itertuples(index=False):
        observed_at = (at - pd.Timedelta(minutes=10)).floor("h")
        since = sales[
            (sales["shop"] == shop)
            & (sales["event_time"] >= again)
            & (sales["event_time"] < observed_at)
            & (sales["known_time"] <= observed_at)
        ]
        found.append(len(since) if observed_at > again else own)
    return found


def test_a_clean_log_has_no_cause() -> None:
    found = replayed("sold", lambda requested: requested["sold"])
    assert (found.unequal, found.likely, found.examples) == (0, None, ())


CAUSES: dict[str, tuple[str, Spoil, ParityCause, str]] = {
    "grams for ounces": ("sold", lambda a: a["sold"] * 28.35, ParityCause.UNIT, "28.35 times"),
    "seven hours behind": ("sold", later("sold", -7), ParityCause.TIME_ZONE, "7 h earlier"),
    "two hours ahead": ("sold", later("sold", 2), ParityCause.TIME_ZONE, "2 h later"),
    "an hour on another clock": (
        "hour",
        lambda a: (a["hour"] - 8) % 24,
        ParityCause.TIME_ZONE,
        "8 h earlier",
    ),
    "one fill late": ("sold", later("sold", -1), ParityCause.STALE, "1 h earlier"),
    "no fill for a day": ("sold", stopped("sold", 20, 24), ParityCause.STALE, "none after them"),
    "a text not refreshed": ("till", stopped("till", 20, 24), ParityCause.STALE, "none after them"),
    "zero for what is missing": (
        "till",
        lambda a: a["till"].fillna("none"),
        ParityCause.NULL_FILLED,
        "none is served where nothing is there",
    ),
    "zero for everything": (
        "sold",
        lambda a: a["sold"] * 0,
        ParityCause.NULL_FILLED,
        "0 is served",
    ),
    "nothing for one in three": (
        "sold",
        lambda a: a["sold"].where(np.arange(len(a)) % 3 != 0),
        ParityCause.MISSING,
        "nothing is served",
    ),
    "capitals": (
        "shop",
        lambda a: a["shop"].str.upper(),
        ParityCause.TYPE,
        "another type or spelling",
    ),
    "a number written long": (
        "sales",
        lambda a: a["sales"].map(lambda n: f"{n}.0"),
        ParityCause.TYPE,
        "another type or spelling",
    ),
    "a counter that restarts": ("sales", restarted, ParityCause.RESTARTED, "begin again near 0"),
    "a meter that was replaced": (
        "sold",
        lambda a: a["sold"] - a["shop"].str[1:].astype(int) - 1,
        ParityCause.RESTARTED,
        "a constant of each entity",
    ),
}


@pytest.mark.parametrize("planted", CAUSES, ids=lambda name: name.replace(" ", "_"))
def test_a_planted_cause_is_reported(planted: str) -> None:
    name, spoil, cause, words = CAUSES[planted]
    found = replayed(name, spoil)
    assert found.unequal
    assert found.likely is not None, f"{planted}: no cause was reported: {found.examples}"
    assert found.likely.cause is cause, f"{planted}: {found.likely}"
    assert words in found.likely.explanation


def test_noise_has_no_cause() -> None:
    rng = np.random.default_rng(8)
    found = replayed("sold", lambda a: a["sold"] + rng.normal(0, 5, len(a)))
    assert found.unequal
    assert found.likely is None, f"noise was given a cause: {found.likely}"


def test_two_causes_at_once_are_not_taken_for_one() -> None:
    rng = np.random.default_rng(9)
    half = rng.random(10_000) < 0.5
    found = replayed(
        "sold",
        lambda a: np.where(half[: len(a)], a["sold"] * 2, pd.Series(later("sold", -7)(a))),
    )
    assert found.likely is None, f"{found.likely} explains half of it at most"


def test_the_worst_differences_are_shown_first() -> None:
    def wrong(requested: pd.DataFrame) -> pd.Series:
        served = requested["sold"].copy()
        served.iloc[[3, 50, 200, 201]] += np.array([1.0, 1000.0, 10.0, 100.0])
        return served

    found = replayed("sold", wrong)
    differences = [
        abs(float(one.split(" served, ")[0]) - float(one.split(" served, ")[1].split(" ")[0]))
        for one in found.examples
    ]
    assert differences == pytest.approx([1000, 100, 10], rel=0.01)
    assert "shop s" in found.examples[0], "an example names its entity"


def test_an_outage_of_a_daily_materialization_is_reported_as_such() -> None:
    def frozen(requested: pd.DataFrame) -> list[Any]:
        first = requested.groupby("shop")["sold"].transform("first")
        day = pd.Timestamp(LOGGED.replace(tzinfo=None)).floor("D") + pd.Timedelta(days=3)
        return requested["sold"].where(requested["decision_time"] >= day, first).tolist()

    found = replayed("sold", frozen, every="1d", delay="10m", ttl="4d")
    assert found.likely is not None
    assert found.likely.cause is ParityCause.STALE
