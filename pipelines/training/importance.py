"""The importance of each feature: what the metric loses when its values are shuffled."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.stats.independent import EstimatedMean


class FeatureImportance(Record):
    """The importance of one feature."""

    loss: EstimatedMean = Field(description="of the metric's utility if its values are shuffled")
    contribution: float | None = Field(
        default=None,
        description="mean absolute TreeSHAP value; none: the estimator's library does not give it",
    )


class Importance(Record):
    """The importance of every feature on rows that the model was not trained on."""

    metric: str
    rows: int
    start: Instant = Field(description="decision time of the first row")
    end: Instant = Field(description="decision time of the last row")
    features: dict[str, FeatureImportance]
