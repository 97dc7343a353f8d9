"""Compare a recipe on fresh features with the same recipe on features as they are served.

There are three variants. *fresh* trains and scores on features as of the decision, which is
optimistic if production serves older values. *served* trains and scores on served values, and
gives the performance in production. *mismatched* trains on fresh features and scores on served
ones.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipelines.core.errors import DataError
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.spec.model import ModelSpec
from pipelines.stats.paired import paired_difference
from pipelines.stats.undefined import NoVariation
from pipelines.training.fit import fit, label_numbers
from pipelines.training.metrics import primary_metric
from pipelines.training.row_sets import entity_days
from pipelines.training.score import Scored, score

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95
FeatureSource = Literal["fresh", "served"]


class FreshnessVariant(Record):
    """One combination of features for training and features for scoring."""

    name: Literal["fresh", "served", "mismatched"]
    trained: FeatureSource
    judged: FeatureSource
    metric: float
    difference: float | None = Field(
        description="utility per row, minus that of fresh; below zero is worse; null: undefined"
    )
    interval: Interval | None = Field(description="of the difference")


class FreshnessComparison(Record):
    """Results of the three variants on the same rows."""

    metric: str
    higher_is_better: bool
    rows: int
    variants: tuple[FreshnessVariant, ...] = Field(description="fresh, served, mismatched")


def compare_freshness(
    spec: ModelSpec,
    train: dict[FeatureSource, pd.DataFrame],
    recent: dict[FeatureSource, pd.DataFrame],
) -> FreshnessComparison:
    """Train two models and score three variants, with the first seed.

    Arguments:
        spec: the declaration.
        train: rows of the training span, with fresh and with served features.
        recent: rows of the recent window, with fresh and with served features. Both have the same
            points in the same order.

    Raises:
        DataError: there is too little training data, or the points differ.
        Undefined: the metric is undefined on these rows.
    """
    models = {source: fit(spec, rows, spec.seeds[0]) for source, rows in train.items()}
    variants: tuple[
        tuple[Literal["fresh", "served", "mismatched"], FeatureSource, FeatureSource], ...
    ] = (
        ("fresh", "fresh", "fresh"),
        ("served", "served", "served"),
        ("mismatched", "fresh", "served"),
    )
    scored = {
        name: score(models[trained].pipeline, spec, recent[judged])
        for name, trained, judged in variants
    }
    _same_rows(spec, list(scored.values()))
    metric, labelled = primary_metric(spec), recent["fresh"]["label"].notna().to_numpy()
    known = recent["fresh"][labelled]
    label = label_numbers(known["label"], spec.classes)
    clusters = entity_days(spec.points.keys, known)
    utilities = {
        name: metric.utilities(label, scored[name].predictions[labelled], recent[judged][labelled])
        for name, _trained, judged in variants
    }
    found = []
    for name, trained, judged in variants:
        difference, interval = None, None
        with contextlib.suppress(NoVariation):  # the fresh variant against itself
            paired = paired_difference(
                utilities[name],
                utilities["fresh"],
                clusters.entity,
                clusters.day,
                strict=spec.gates.recent_window.strict,
            )
            difference, interval = paired.estimate, paired.interval(LEVEL)
        found.append(
            FreshnessVariant(
                name=name,
                trained=trained,
                judged=judged,
                metric=metric.value(utilities[name]),
                difference=difference,
                interval=interval,
            )
        )
    return FreshnessComparison(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        rows=len(known),
        variants=tuple(found),
    )


def _same_rows(spec: ModelSpec, scored: list[Scored]) -> None:
    if len({one.rows_digest for one in scored}) > 1:
        raise DataError(
            "fresh and served features are of different points",
            where=spec.name,
            wanted="the same keys, decision times and labels in the same order",
            hint="points with equal keys and time are indistinguishable: declare another key",
        )
