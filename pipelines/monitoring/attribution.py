"""Attribution drift: features that matter more, or less, to the champion than they did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.training.importance import Importance
from pipelines.training.importance_change import ImportanceChange, importance_changes

if TYPE_CHECKING:
    from pipelines.drift.calibration import ColumnDrift
    from pipelines.spec.model import ModelSpec


class FeatureAttribution(Record):
    """The change of one feature's importance, and the drift of its values."""

    change: ImportanceChange
    drift: float | None = Field(
        default=None, description="distance of its values from training, in thresholds"
    )
    contribution: float | None = Field(
        default=None, description="mean absolute TreeSHAP value on the newest rows"
    )
    earlier_contribution: float | None = None


class Attribution(Record):
    """The importance of each feature on the newest matured rows, against that in training."""

    metric: str
    rows: int
    start: Instant = Field(description="decision time of the first row")
    end: Instant = Field(description="decision time of the last row")
    features: tuple[FeatureAttribution, ...] = Field(description="the largest change first")

    @property
    def moved(self) -> tuple[FeatureAttribution, ...]:
        """The features whose importance has changed."""
        return tuple(one for one in self.features if one.change.moved)


def attribution(
    spec: ModelSpec, saved: Importance, now: Importance, drifts: Sequence[ColumnDrift]
) -> Attribution:
    """Compare the importance of features with that which was saved in the version.

    Arguments:
        spec: the declaration with the settings of monitoring.
        saved: of the champion's twin on its recent window.
        now: of the same twin on the newest matured rows.
        drifts: of the features' values.
    """
    distances = {one.column: one.ratio for one in drifts}
    changes = importance_changes(
        saved,
        now,
        alpha=spec.monitor.alpha,
        effect=spec.monitor.cost * spec.metric.minimum_effect,
    )
    return Attribution(
        metric=now.metric,
        rows=now.rows,
        start=now.start,
        end=now.end,
        features=tuple(
            FeatureAttribution(
                change=one,
                drift=distances.get(one.feature),
                contribution=now.features[one.feature].contribution,
                earlier_contribution=saved.features[one.feature].contribution,
            )
            for one in changes
        ),
    )
