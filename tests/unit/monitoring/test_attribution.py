"""A feature whose importance has moved is named, with the drift of its values."""

from __future__ import annotations

from datetime import timedelta

from pipelines.core.time import parse_instant
from pipelines.drift.calibration import ColumnDrift
from pipelines.monitoring.attribution import attribution
from pipelines.stats.independent import EstimatedMean
from pipelines.training.importance import FeatureImportance, Importance
from tests.support.training_frame import regression

__all__ = ["regression"]
AT = parse_instant("2026-01-05")


def importance(size: float, price: float) -> Importance:
    def one(loss: float) -> FeatureImportance:
        mean = EstimatedMean(estimate=loss, standard_error=0.01, df=50)
        return FeatureImportance(loss=mean, contribution=2 * loss)

    features = {"size": one(size), "price": one(price)}
    return Importance(metric="absolute_error", rows=500, start=AT, end=AT, features=features)


def test_the_feature_that_moved_is_named_with_its_drift(regression) -> None:
    drift = ColumnDrift(
        column="size",
        method="jensen_shannon",
        week=AT - timedelta(weeks=1),
        rows=500,
        distance=0.1,
        threshold=0.05,
        practical_effect=0.05,
        alarm=True,
        since=AT,
        reference_weeks=16,
        false_alarms=None,
        missing_share=0.0,
        reference_missing_share=0.0,
        unseen_share=0.0,
    )
    found = attribution(regression(), importance(1.0, 0.2), importance(0.4, 0.2), [drift])
    (moved,) = found.moved
    assert (moved.change.feature, moved.drift) == ("size", 2.0)
    assert (moved.earlier_contribution, moved.contribution) == (2.0, 0.8)
    assert [one.drift for one in found.features] == [2.0, None]
