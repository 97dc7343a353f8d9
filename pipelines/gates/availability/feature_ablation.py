"""The loss of a recipe without a feature, from scoring the recent window with it masked."""

from __future__ import annotations

import pandas as pd
from pydantic import Field

from pipelines.core.arrays import Mask
from pipelines.core.findings import Interval
from pipelines.core.records import Record
from pipelines.spec.features import WindowFeature
from pipelines.spec.model import ModelSpec
from pipelines.stats.paired import paired_difference
from pipelines.stats.undefined import NoVariation
from pipelines.training.fit import Fitted, label_numbers
from pipelines.training.metrics import primary_metric
from pipelines.training.row_sets import entity_days
from pipelines.training.score import score

LEVEL = 0.95


class AblationLoss(Record):
    """Loss in the primary metric's unit; above zero, the model is worse without the feature."""

    feature: str
    metric: str
    share: float = Field(description="rows that were masked, 0 to 1")
    loss: float
    interval: Interval | None = Field(description="none: the same loss on every row")

    @property
    def summary(self) -> str:
        """The loss as text, for the reason of a finding."""
        reach = ""
        if self.interval is not None:
            low, high = self.interval.low or 0.0, self.interval.high or 0.0
            reach = f" ({self.interval.level:.0%} interval {low:+.3g} to {high:+.3g})"
        return (
            f"with the feature masked in {self.share:.0%} of the recent window, as in production, "
            f"the recipe loses {self.loss:+.3g} in {self.metric}{reach}"
        )


def ablation_loss(
    spec: ModelSpec,
    fitted: Fitted,
    rows: pd.DataFrame,
    feature: str,
    masked: Mask,
) -> AblationLoss:
    """Return the paired difference between a model with a feature and with the feature masked.

    Arguments:
        spec: the declaration of the recipe.
        fitted: the recipe fitted with its first seed.
        rows: the recent window, with keys, decision_time, features and label.
        feature: name of the feature to mask. Masked values are as production would serve them: 0
            for a count, missing for everything else.
        masked: rows in which to mask the feature, shape (rows,).

    Raises:
        Undefined: the metric or its standard error is undefined on these rows.
    """
    there = rows["label"].notna().to_numpy(dtype=bool)
    known, hidden = rows[there], masked[there]
    declared = next(one for one in spec.features if one.name == feature)
    counts = isinstance(declared, WindowFeature) and declared.aggregate in ("count", "distinct")
    column = known[feature].astype(object)
    without = known.copy(deep=False)
    without[feature] = column.mask(pd.Series(hidden, known.index), 0 if counts else None)
    label = label_numbers(known["label"], spec.classes)
    metric = primary_metric(spec)
    whole, lacking = (
        metric.utilities(label, score(fitted.pipeline, spec, each).predictions, known)
        for each in (known, without)
    )
    clusters = entity_days(spec.points.keys, known)
    strict = spec.gates.recent_window.strict
    interval: Interval | None = None
    try:
        difference = paired_difference(whole, lacking, clusters.entity, clusters.day, strict=strict)
        loss, interval = difference.estimate, difference.interval(LEVEL)
    except NoVariation as same:
        loss = same.difference
    return AblationLoss(
        feature=feature,
        metric=metric.name,
        share=float(hidden.mean()) if len(hidden) else 0.0,
        loss=loss,
        interval=interval,
    )
