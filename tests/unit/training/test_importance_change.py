"""A feature is named if its importance has changed by more than noise, and enough to matter."""

from __future__ import annotations

from pipelines.core.time import parse_instant
from pipelines.stats.independent import EstimatedMean
from pipelines.training.importance import FeatureImportance, Importance
from pipelines.training.importance_change import importance_changes

AT = parse_instant("2026-01-05")


def importance(**losses: float) -> Importance:
    """Each loss has a standard error of 0.1."""
    features = {
        name: FeatureImportance(loss=EstimatedMean(estimate=loss, standard_error=0.1, df=50))
        for name, loss in losses.items()
    }
    return Importance(metric="absolute_error", rows=500, start=AT, end=AT, features=features)


def moved(earlier: Importance, later: Importance, effect: float = 0.5) -> list[str]:
    changes = importance_changes(earlier, later, alpha=0.01, effect=effect)
    return [one.feature for one in changes if one.moved]


def test_the_largest_change_comes_first() -> None:
    earlier = importance(size=1.0, kind=3.0, price=0.0, gone=1.0)
    later = importance(size=2.0, kind=1.0, price=0.1, new=1.0)
    assert moved(earlier, later) == ["kind", "size"]


def test_noise_and_changes_that_do_not_matter_are_not_named() -> None:
    assert moved(importance(size=1.0), importance(size=1.3)) == []
    assert moved(importance(size=1.0), importance(size=2.0), effect=1.5) == []


def test_many_features_share_the_error() -> None:
    """A change of 3.2 standard errors: p 0.002, which is 0.02 after Holm over ten features."""
    others = {f"f{number}": 0.0 for number in range(9)}
    earlier, later = importance(size=1.0), importance(size=1.45)
    assert moved(earlier, later, effect=0.1) == ["size"]
    many = importance(size=1.0, **others), importance(size=1.45, **others)
    assert moved(*many, effect=0.1) == []
