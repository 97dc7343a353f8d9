"""Reconstruction by principal components against that by an autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats
from pipelines.drift.calibration import column_drift
from pipelines.drift.multivariate import (
    AUTOENCODER_ERROR,
    ERROR,
    SEGMENT,
    fit_space,
    joint_profile,
    joint_rows,
)
from pipelines.drift.profile import profile_like
from pipelines.flows.monitor.fresh_drift import ALARMS_A_YEAR, PARTS
from tests.montecarlo.drift.worlds import WATCHED, WEEKS, autoregressive, started
from tests.montecarlo.row import MeanRow, Row

SEED = 350
COLUMNS, FACTORS, CURVED = 10, 3, 9
REFERENCE, WINDOW, WINDOWS = 4000, 500, 20
PATIENCE, CHANGED = 6, 20
NAMES = [f"x{number}" for number in range(COLUMNS)]
METHODS = {"pca": ERROR, "autoencoder": AUTOENCODER_ERROR}

Change = Callable[[Floats, np.random.Generator], Floats]


def _one_moves(rows: Floats, _: np.random.Generator) -> Floats:
    return rows + 0.5 * np.eye(COLUMNS)[0]


def _one_flips(rows: Floats, _: np.random.Generator) -> Floats:
    return rows * (1 - 2 * np.eye(COLUMNS)[0])


def _some_move(rows: Floats, rng: np.random.Generator) -> Floats:
    return rows + 1.0 * (rng.random((len(rows), 1)) < 0.1)


def _curve_breaks(rows: Floats, rng: np.random.Generator) -> Floats:
    changed = rows.copy()
    changed[:, CURVED] = rng.permutation(rows[:, CURVED])
    return changed


CHANGES: tuple[tuple[str, Change], ...] = (
    ("none", lambda rows, _: rows),
    ("one column changes its sign", _one_flips),
    ("all columns times 1.2", lambda rows, _: 1.2 * rows),
    ("one column moves by 0.5", _one_moves),
    ("10 % of the rows move by 1", _some_move),
    ("a curved relation is broken", _curve_breaks),
)


def drift_reconstruction(replications: int) -> Iterator[Row]:
    """Windows of 500 rows whose mean reconstruction error is far from that of the reference.

    Ten columns come from three factors, one of them from the square of a factor. Far is more than
    three standard deviations of 20 windows without a change.
    """
    rng = np.random.default_rng(SEED)
    loadings = rng.normal(size=(FACTORS, COLUMNS))
    error = _errors(_columns(rng, loadings, rng.normal(size=(REFERENCE, FACTORS))))

    def draw() -> Floats:
        return _columns(rng, loadings, rng.normal(size=(WINDOW, FACTORS)))

    usual = np.array([error(draw()) for _ in range(WINDOWS)])
    mean, spread = usual.mean(axis=0), usual.std(axis=0, ddof=1)
    for what, change in CHANGES:
        far = sum(
            np.abs(error(change(draw(), rng)) - mean) > 3 * spread for _ in range(replications)
        )
        for method, hits in zip(METHODS, far, strict=True):
            yield Row(f"far from the reference: {what}", method, int(hits), replications)


def _columns(rng: np.random.Generator, loadings: Floats, factors: Floats) -> Floats:
    found = factors @ loadings + 0.5 * rng.normal(size=(len(factors), COLUMNS))
    found[:, CURVED] = factors[:, 0] ** 2 + 0.5 * rng.normal(size=len(factors))
    return found


def _errors(reference: Floats) -> Callable[[Floats], Floats]:
    """The mean error of a window by each method."""
    space = fit_space(pd.DataFrame(reference, columns=NAMES), NAMES, autoencoder=True)
    if space is None:
        raise ValueError("the columns do not vary")

    def error(rows: Floats) -> Floats:
        frame = pd.DataFrame(rows, columns=NAMES).assign(decision_time=pd.Timestamp("2026-01-05"))
        return joint_rows(space, frame)[list(METHODS.values())].mean().to_numpy()

    return error


@dataclass(frozen=True)
class JointWorld:
    """Two years of these columns, whose factors have a season and shocks of a week.

    Arguments:
        rows: of a day.
        broken: whether the curved column has nothing to do with the others from week 20 on.
        independent: further columns that have nothing to do with any other.
    """

    rows: int = 40
    broken: bool = False
    independent: int = 0

    def alarms(self, rng: np.random.Generator, looks: range) -> list[set[str]]:
        """The columns with an alarm at each look; look n comes after week n of the second year."""
        day = np.repeat(np.arange(2 * WEEKS * 7), self.rows)
        season = 0.3 * np.sin(2 * np.pi * day / 365.25)[:, None]
        shocks = 0.05 * autoregressive(rng, 2 * WEEKS, FACTORS)[day // 7]
        factors = rng.normal(size=(len(day), FACTORS)) + season + shocks
        values = _columns(rng, rng.normal(size=(FACTORS, COLUMNS)), factors)
        if self.broken:
            after = day >= 7 * (WEEKS + CHANGED)
            values[after, CURVED] = rng.permutation(values[after, CURVED])
        values = np.column_stack([values, rng.normal(size=(len(day), self.independent))])
        times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(day, unit="D")
        names = [f"x{number}" for number in range(COLUMNS + self.independent)]
        frame = pd.DataFrame(values, columns=names).assign(decision_time=times)
        first = day < 7 * WEEKS
        space = fit_space(frame[first], names, autoencoder=True)
        if space is None:
            raise ValueError("the columns do not vary")
        reference = joint_profile(space, frame[first])
        fresh, week = joint_rows(space, frame), day // 7 - WEEKS
        level, found = ALARMS_A_YEAR / PARTS, []
        for look in looks:
            newest = profile_like(
                reference, fresh[(week >= max(0, look - WATCHED)) & (week < look)]
            )
            drifts = column_drift(reference, newest, alarms_a_year=level)
            found.append({one.column for one in drifts if one.alarm})
        return found


def drift_together(replications: int) -> Iterator[Row | MeanRow]:
    """A seasonal year of weekly looks at numbers together, as the monitor looks at them.

    A curved relation of one of ten columns breaks in week 20 and is to be found within six weeks,
    with and without 20 columns more that are independent of these and of each other. The three
    columns together may be above their thresholds in one week of four years.
    """
    for seed, (where, world) in enumerate(
        (
            ("280 rows a week", JointWorld()),
            ("2,800 rows a week", JointWorld(rows=400)),
            ("280 rows a week, 20 columns more", JointWorld(independent=20)),
            ("2,800 rows a week, 20 columns more", JointWorld(rows=400, independent=20)),
        )
    ):
        rng = np.random.default_rng([SEED, seed])
        years = [world.alarms(rng, range(2, WEEKS + 1)) for _ in range(replications)]
        for what, column in {**METHODS, "segments": SEGMENT}.items():
            counts = np.array([started([look & {column} for look in year]) for year in years])
            yield MeanRow(f"false alarms a year, {what}", where, counts, "at most",
                          ALARMS_A_YEAR / PARTS)  # fmt: skip
        looks = range(CHANGED + 1, CHANGED + PATIENCE + 1)
        found = [replace(world, broken=True).alarms(rng, looks) for _ in range(replications)]
        for what, column in METHODS.items():
            delays = [
                1 + [column in look for look in year].index(True)
                for year in found
                if any(column in look for look in year)
            ]
            more = f" ({np.mean(delays):.1f} weeks)" if delays else ""
            yield Row(f"found: a curved relation is broken, {what}", where, len(delays),
                      replications, more=more)  # fmt: skip
