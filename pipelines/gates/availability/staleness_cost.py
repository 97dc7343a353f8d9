"""What freshness is worth: one recipe with features as of the point, and as production has them.

Features that are fresher offline than they are served make a model look better than it will be
(*claimed*). Trained and judged as served it is told what it will be worth (*honest*). Trained
fresh and then served, it leans on what it is not given (*surprised*).
"""

from __future__ import annotations

import contextlib
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from pipelines.core.errors import DataError
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.spec.model import ModelSpec
from pipelines.stats.paired import paired_difference
from pipelines.stats.undefined import NoVariation
from pipelines.training.fit import fit, label_numbers
from pipelines.training.metrics import primary_measure
from pipelines.training.score import Scored, score
from pipelines.training.split import decision_times

LEVEL = 0.95
Sight = Literal["fresh", "served"]


class Way(Record):
    """One way to train and to judge."""

    name: Literal["claimed", "honest", "surprised"]
    trained: Sight
    judged: Sight
    metric: float
    difference: float | None = Field(
        description="utility per row, this way minus claimed: below zero worse; null: undefined"
    )
    interval: Interval | None = Field(description="of the difference")


class Freshness(Record):
    """The three ways on the same rows."""

    metric: str
    higher_is_better: bool
    rows: int
    ways: tuple[Way, ...] = Field(description="claimed, honest, surprised")


def compare_freshness(
    spec: ModelSpec,
    train: dict[Sight, pd.DataFrame],
    recent: dict[Sight, pd.DataFrame],
) -> Freshness:
    """Train twice and judge three times, with the first seed.

    Arguments:
        spec: the declaration.
        train: rows of the training span, with fresh and with served features.
        recent: rows of the recent window, likewise; both hold the same points in the same order.

    Raises:
        DataError: when there is too little to learn from, or the points are not the same.
        Undefined: when the metric does not exist for these rows.
    """
    models = {sight: fit(spec, rows, spec.seeds[0]) for sight, rows in train.items()}
    ways: tuple[tuple[Literal["claimed", "honest", "surprised"], Sight, Sight], ...] = (
        ("claimed", "fresh", "fresh"),
        ("honest", "served", "served"),
        ("surprised", "fresh", "served"),
    )
    scored = {
        name: score(models[trained].pipeline, spec, recent[judged])
        for name, trained, judged in ways
    }
    _same_rows(spec, list(scored.values()))
    measure, labelled = primary_measure(spec), recent["fresh"]["label"].notna().to_numpy()
    known = recent["fresh"][labelled]
    label = label_numbers(known["label"], models["fresh"].classes)
    entity = known.groupby(list(spec.points.keys), dropna=False).ngroup().to_numpy(np.int64)
    day = decision_times(known).to_numpy("datetime64[D]").astype(np.int64)
    utilities = {
        name: measure.utilities(label, scored[name].predictions[labelled], recent[judged][labelled])
        for name, _trained, judged in ways
    }
    found = []
    for name, trained, judged in ways:
        difference, interval = None, None
        with contextlib.suppress(NoVariation):  # as of the claimed way with itself
            paired = paired_difference(
                utilities[name],
                utilities["claimed"],
                entity,
                day,
                strict=spec.gates.recent_window.strict,
            )
            difference, interval = paired.estimate, paired.interval(LEVEL)
        found.append(
            Way(
                name=name,
                trained=trained,
                judged=judged,
                metric=measure.value(utilities[name]),
                difference=difference,
                interval=interval,
            )
        )
    return Freshness(
        metric=measure.name,
        higher_is_better=measure.metric.higher_is_better,
        rows=len(known),
        ways=tuple(found),
    )


def _same_rows(spec: ModelSpec, scored: list[Scored]) -> None:
    if len({one.rows_digest for one in scored}) > 1:
        raise DataError(
            "fresh and served features stand on different points",
            where=spec.name,
            wanted="the same keys, decision times and labels in the same order",
            hint="points that coincide in keys and time cannot be told apart: declare another key",
        )
