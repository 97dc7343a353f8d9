"""First versions by the replay of past weeks, in worlds of weekly gains over the naive forecast.

A week's gain is the recipe's lasting gain + the week's noise (sd 1), an autoregression or the mean
of what happens while labels overlap. The recent window is the mean of the last four weeks, with the
noise of a candidate that is not the one of these weeks (sd 0.25).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from scipy.signal import lfilter

from pipelines.core.arrays import Floats
from pipelines.core.findings import Verdict
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK
from pipelines.gates.recent_window.record import Comparison, Evaluation
from pipelines.gates.recent_window.replay import replay_findings
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord
from tests.montecarlo.row import Row
from tests.montecarlo.year import spec

FIRST = datetime(2027, 1, 4, tzinfo=UTC)  # a Monday
DECLARED = spec()
HISTORY, YEAR, RECENT = 26, 52, 4  # weeks
OWN_NOISE = 0.25


@dataclass(frozen=True)
class GainWorld:
    """Weekly gains.

    Arguments:
        gain: lasting gain over the naive forecast.
        phi: correlation of neighbouring weeks.
        overlap: weeks over which labels overlap; each week then is a mean of as many and one.
    """

    gain: float = 0.0
    phi: float = 0.0
    overlap: int = 0


def promoted(world: GainWorld, rng: np.random.Generator, mondays: int = 1) -> bool:
    """Whether a first version passes on one of so many Mondays in a row."""
    gains = _gains(world, rng, HISTORY + mondays)
    weeks = tuple(map(_week, range(len(gains)), gains))
    return any(_passes(weeks[: HISTORY + monday], rng) for monday in range(mondays))


def _gains(world: GainWorld, rng: np.random.Generator, weeks: int) -> Floats:
    if world.overlap:
        drawn = rng.normal(size=weeks + world.overlap)
        spread = np.ones(world.overlap + 1) / np.sqrt(world.overlap + 1)
        return world.gain + np.convolve(drawn, spread, "valid")
    drawn = lfilter([np.sqrt(1 - world.phi**2)], [1, -world.phi], rng.normal(size=weeks + 50))
    return np.asarray(world.gain + drawn[50:], dtype=np.float64)


def _week(number: int, gain: float) -> RecordedWeek:
    start = FIRST + number * WEEK
    return RecordedWeek(
        start=start.date(), points=100, rows_digest="", losses={start: -gain}, naive=0.0
    )


def _passes(weeks: tuple[RecordedWeek, ...], rng: np.random.Generator) -> bool:
    as_of = weeks[-1].window.end
    recent = np.mean([week.gain_over_naive for week in weeks[-RECENT:]])
    gain = float(recent) + OWN_NOISE * float(rng.normal())
    compared = Comparison(
        metric="loss", higher_is_better=False, candidate=-gain, baseline=0.0, difference=None
    )
    evaluation = Evaluation(
        window=Window(as_of - RECENT * WEEK, as_of),
        baseline="naive_forecast",
        rows_digest="",
        rows=400,
        labelled=400,
        days=28,
        entities=1,
        comparisons=(compared,),
        findings=(),
    )
    record = RefreshRecord(recipe="simulated", weeks=weeks)
    (finding,) = replay_findings(DECLARED, as_of, record, evaluation)
    return finding.verdict is Verdict.PASS


NULLS = (
    ("weeks independent", GainWorld()),
    ("weeks dependent at 0.3", GainWorld(phi=0.3)),
    ("weeks dependent at 0.5", GainWorld(phi=0.5)),
    ("labels that overlap for four weeks", GainWorld(overlap=4)),
    ("weeks dependent at 0.8", GainWorld(phi=0.8)),
)
SKILLED = tuple((f"gain {gain:g}", GainWorld(gain)) for gain in (0.25, 0.5, 1.0))


def replayed_first_versions(replications: int) -> Iterator[Row]:
    """First versions by 26 replayed weeks: without a gain, and with one.

    Gains are in standard deviations of a week. The last rows of each kind are not promised: a model
    that is tried on 52 Mondays in a row has 52 chances, though the weeks are mostly the same.
    """
    for seed, (where, world) in enumerate(NULLS, 600):
        rng = np.random.default_rng(seed)
        hits = sum(promoted(world, rng) for _ in range(replications))
        yield Row("first version without a gain", where, hits, replications,
                  None if world.phi > 0.5 else "at most", 0.065)  # fmt: skip
    for seed, (where, world) in enumerate(SKILLED, 620):
        rng = np.random.default_rng(seed)
        hits = sum(promoted(world, rng) for _ in range(replications))
        yield Row("first version with a gain", where, hits, replications)
    for seed, (where, world) in enumerate(NULLS[:2], 640):
        rng, many = np.random.default_rng(seed), max(20, replications // 10)
        hits = sum(promoted(world, rng, YEAR) for _ in range(many))
        yield Row("year with a first version without a gain", where, hits, many)
