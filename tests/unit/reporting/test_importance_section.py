"""The review page shows what predictions depend on, against the champion."""

from __future__ import annotations

from pipelines.core.time import parse_instant
from pipelines.reporting.importance_section import MOST, importance_section
from pipelines.stats.independent import EstimatedMean
from pipelines.training.importance import FeatureImportance, Importance

AT = parse_instant("2026-01-05")


def importance(losses: dict[str, float], metric: str = "absolute_error") -> Importance:
    features = {
        name: FeatureImportance(loss=EstimatedMean(estimate=loss, standard_error=0.1, df=50))
        for name, loss in losses.items()
    }
    return Importance(metric=metric, rows=5000, start=AT, end=AT, features=features)


def test_changed_features_come_first_and_only_the_most_important_are_shown() -> None:
    many = {f"f{number}": 3.0 + number for number in range(MOST)}
    candidate, champion = (importance(many | {"sold": loss}) for loss in (1.0, 2.0))
    page = importance_section(candidate, champion, 0.5)
    lines = page.splitlines()
    assert lines[0] == f"### Importance of features ({MOST} of {MOST + 1})"
    assert lines[4].startswith("| sold&emsp; | 1&emsp; |")
    assert "| 2&emsp; | changed&emsp; |" in lines[4]
    assert "5,000 rows" in lines[-1]


def test_without_a_comparable_champion_only_the_candidate_is_shown() -> None:
    other = importance({"sold": 9.0}, "rmse")
    for champion in (None, other):
        page = importance_section(importance({"sold": 1.0}), champion, 0.5)
        assert "changed" not in page
        assert "| sold&emsp; | 1&emsp; |" in page
    assert importance_section(None, other, 0.5) == ""
