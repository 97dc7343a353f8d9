"""The drift section of ``docs/proof.md``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pipelines.flows.monitor.fresh_drift import TRAINED_WEEKS
from tests.montecarlo.drift.worlds import WEEKS, DriftWorld, alarms, started
from tests.montecarlo.row import MeanRow, Row

SEED = 320
NULLS = (
    ("280 rows a week", DriftWorld()),
    ("2,800 rows a week", DriftWorld(rows=400)),
    ("280 rows a week, weeks that vary more", DriftWorld(shock=0.15)),
)
CHANGES = (
    ("mean of a column +0.1 sd", "mean", 0.1),
    ("mean of a column +0.25 sd", "mean", 0.25),
    ("mean of a column +0.5 sd", "mean", 0.5),
    ("a column times 1.5", "unit", 0.5),
    ("5 % of a column missing", "missing", 0.05),
    ("a new text in 2 % of the rows", "new text", 0.02),
)
PATIENCE = 6  # weeks after a change within which it should be found


def drift_stable(replications: int) -> Iterator[Row | MeanRow]:
    """Drift alarms in a stable, seasonal year of weekly looks at eight columns.

    The threshold allows one week a year above it, over all columns; an alarm needs two in a row.
    """
    for seed, (where, world) in enumerate(NULLS):
        rng = np.random.default_rng([SEED, seed])
        years = [alarms(world, rng, range(2, WEEKS + 1)) for _ in range(replications)]
        counts = np.array([started(year) for year in years], float)
        yield MeanRow("false alarms a year, all columns", where, counts, "at most", 1.0)
        yield Row("year with a false alarm", where, int((counts > 0).sum()), replications)


def drift_planted(replications: int) -> Iterator[Row | MeanRow]:
    """One column changes in week 20: how often an alarm names it within six weeks, and when.

    An alarm needs two weeks, so a delay of 2 is the shortest. Changes below the practical effect
    (about 0.12 sd) are not meant to be found.
    """
    for size, world in (("280", DriftWorld()), ("2,800", DriftWorld(rows=400))):
        for seed, (what, kind, amount) in enumerate(CHANGES):
            rng = np.random.default_rng([SEED, 10, seed])
            changed = replace(world, kind=kind, size=amount)
            yield _found(changed, what, f"{size} rows a week", rng, replications)


def _found(
    changed: DriftWorld,
    what: str,
    where: str,
    rng: np.random.Generator,
    replications: int,
    renewed: int = WEEKS,
    trained: int = TRAINED_WEEKS,
) -> Row:
    """How often an alarm names the changed column in time, and after how many weeks."""
    column = "region" if changed.kind == "new text" else "price"
    looks = range(changed.start + 1, changed.start + PATIENCE + 1)
    found = [alarms(changed, rng, looks, renewed, trained) for _ in range(replications)]
    delays = [
        next((at for at, names in enumerate(year, 1) if column in names), None) for year in found
    ]
    hits = [delay for delay in delays if delay is not None]
    more = f" ({np.mean(hits):.1f} weeks)" if hits else ""
    return Row(f"found: {what}", where, len(hits), replications, more=more)


def drift_refreshed(replications: int) -> Iterator[Row | MeanRow]:
    """The same for a champion that is refreshed every week or every four, with the newest year.

    The newest four weeks that it was trained on count as fresh, since it never gets two of its own.
    The last rows have what would happen otherwise.
    """
    for renewed, trained, where in (
        (1, TRAINED_WEEKS, "refreshed every week"),
        (4, TRAINED_WEEKS, "refreshed every four weeks"),
        (1, 0, "refreshed every week, no week of training counts as fresh"),
    ):
        rng = np.random.default_rng([SEED, 20, renewed])
        years = [
            alarms(DriftWorld(), rng, range(2, WEEKS + 1), renewed, trained)
            for _ in range(replications)
        ]
        counts = np.array([started(year) for year in years], float)
        yield MeanRow("false alarms a year, all columns", where, counts, "at most", 1.0)
        for what, kind, amount in CHANGES:
            yield _found(replace(DriftWorld(), kind=kind, size=amount), what, where, rng,
                         replications, renewed, trained)  # fmt: skip
