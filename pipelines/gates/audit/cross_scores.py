"""Both recipes of an audit, fitted, and scored on every population under every label rule."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.metrics import cohen_kappa_score

from pipelines.core.arrays import Floats, Mask
from pipelines.gates.audit.record import LabelRules, Score
from pipelines.gates.recent_window.comparison import compare_utilities
from pipelines.gates.recent_window.record import Comparison
from pipelines.stats.shapley import Decomposition, symmetric_decomposition
from pipelines.training.columns import feature_matrix
from pipelines.training.fit import fit, label_numbers
from pipelines.training.metrics import primary_metric
from pipelines.training.row_sets import SIDES, AuditData, Side, entity_days
from pipelines.training.score import predict, score

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline


class CrossEvaluation:
    """Fits each arm once, with its own first seed; scores are in utility, higher is better.

    Arguments:
        data: rows of both recipes.

    Raises:
        DataError: when a recipe has too few labelled rows.
        SpecError: when an estimator is wrong.
    """

    def __init__(self, data: AuditData) -> None:
        self.data = data
        self.metric = primary_metric(data.candidate.spec)
        self.fitted = {
            side: fit(arm.spec, arm.view(data.training[side]), arm.spec.seeds[0])
            for side, arm in ((side, data.arm(side)) for side in SIDES)
        }
        self.predicted = cache(self._predicted)

    @property
    def point_sides(self) -> tuple[Side, ...]:
        """Whose points differ."""
        return SIDES if self.data.new_points else ("champion",)

    @property
    def label_sides(self) -> tuple[Side, ...]:
        """Whose label rules differ."""
        return SIDES if self.data.new_labels else ("champion",)

    @property
    def additive(self) -> bool:
        """Whether the metric is a plain mean over rows, so that rows can be weighted."""
        return self.metric.kind.is_row_mean

    def _predicted(self, model: Side, points: Side) -> Floats:
        """Predictions of every row; label rules do not matter."""
        arm, rows = self.data.arm(model), self.data.recent_rows(points, "champion")
        return score(self.fitted[model].pipeline, arm.spec, arm.view(rows)).predictions

    def labelled(self, points: Side, labels: Side) -> Mask:
        """Which rows have a label."""
        return self.data.recent_rows(points, labels)["label"].notna().to_numpy()

    def label(self, points: Side, labels: Side) -> Floats:
        """Labels as numbers, NaN where there is none."""
        rows = self.data.recent_rows(points, labels)
        known = self.labelled(points, labels)
        numbers = np.full(len(rows), np.nan)
        numbers[known] = label_numbers(rows["label"][known], self.data.champion.spec.classes)
        return numbers

    def utilities(self, model: Side, points: Side, labels: Side) -> Floats:
        """Influence values of the labelled rows.

        Raises:
            Undefined: when the metric does not exist for them.
        """
        return self.utilities_of(self.predicted(model, points), points, labels)

    def utilities_of(self, predictions: Floats, points: Side, labels: Side) -> Floats:
        """Influence values of any predictions of a population's rows."""
        known, label = self.labelled(points, labels), self.label(points, labels)
        rows = self.data.candidate.view(self.data.recent_rows(points, labels)[known])
        return self.metric.utilities(
            label[known], predictions[known], rows.assign(label=label[known])
        )

    def scores(self) -> tuple[Score, ...]:
        """The metric of both arms everywhere."""
        return tuple(
            Score(
                model=model,
                points=points,
                labels=labels,
                value=self.metric.value(self.utilities(model, points, labels)),
            )
            for model, points, labels in product(SIDES, self.point_sides, self.label_sides)
        )

    def own_gain(self) -> Decomposition:
        """The difference of each arm on its own holdout, split among model, rows and labels."""
        changed = {
            "model": True,
            "rows": len(self.point_sides) > 1,
            "labels": len(self.label_sides) > 1,
        }
        factors = tuple(name for name, differs in changed.items() if differs)
        values = {}
        for new in product((False, True), repeat=len(factors)):
            these = frozenset(name for name, is_new in zip(factors, new, strict=True) if is_new)
            model, points, labels = (SIDES[name in these] for name in ("model", "rows", "labels"))
            values[these] = float(self.utilities(model, points, labels).mean())
        found = symmetric_decomposition(factors, values)
        zeros = dict.fromkeys((name for name in changed if name not in factors), 0.0)
        return found.model_copy(update={"terms": {**found.terms, **zeros}})

    def live_comparison(self, labels: Side) -> Comparison:
        """Both arms on the live population, paired."""
        spec = self.data.candidate.spec
        rows = self.data.recent_rows("champion", labels)[self.labelled("champion", labels)]
        candidate, champion = (
            self.utilities(model, "champion", labels) for model in ("candidate", "champion")
        )
        return compare_utilities(
            self.metric,
            candidate,
            champion,
            entity_days(spec.points.keys, rows),
            strict=spec.gates.recent_window.strict,
        )

    def label_rules(self, old: Comparison | None, new: Comparison | None) -> LabelRules | None:
        """Both label rules on the same live rows; none when there is one rule."""
        if not self.data.new_labels:
            return None
        before, after = (self.label("champion", side) for side in SIDES)
        either = ~(np.isnan(before) & np.isnan(after))
        differ = (before != after)[either]  # a label under one rule only differs as well
        both = ~np.isnan(before) & ~np.isnan(after)
        classes = bool(self.data.champion.spec.classes)
        return LabelRules(
            rows=int(either.sum()),
            differ_share=float(differ.mean()) if either.any() else 0.0,
            kappa=_kappa(before[both], after[both]) if classes else None,
            gain_old=old and old.gain,
            gain_new=new and new.gain,
        )

    def importance(self, most_rows: int) -> dict[str, float]:
        """Loss of utility on live points if a feature of the candidate is shuffled, by feature.

        Arguments:
            most_rows: labelled rows that are scored, from the first on.

        Source: Breiman (2001), Machine Learning 45, section 10.
        """
        view = self.data.candidate
        known = np.flatnonzero(self.labelled("champion", "champion"))[:most_rows]
        rows = view.view(self.data.live.iloc[known])
        label = self.label("champion", "champion")[known]
        labelled = rows.assign(label=label)

        def utility(pipeline: Pipeline, matrix: pd.DataFrame, _: Floats) -> float:
            predictions = predict(pipeline, view.spec, matrix)
            return float(self.metric.utilities(label, predictions, labelled).mean())

        found = permutation_importance(
            self.fitted["candidate"].pipeline,
            feature_matrix(view.spec, rows),
            label,
            scoring=utility,
            n_repeats=1,
            random_state=view.spec.seeds[0],
        )
        return dict(zip(view.spec.input_names, found.importances_mean.tolist(), strict=True))


def _kappa(first: Floats, second: Floats) -> float | None:
    """Cohen's kappa of two labels; ``None`` where it is undefined: all labels are of one class."""
    if len(np.unique(np.concatenate([first, second]))) < 2:
        return None
    return float(cohen_kappa_score(first, second))


def top_half(importance: dict[str, float]) -> Iterator[str]:
    """The features in the more important half, at least one."""
    order = sorted(importance, key=lambda name: importance[name], reverse=True)
    yield from order[: max(1, -(-len(order) // 2))]
