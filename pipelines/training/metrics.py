"""A declared metric, applied to predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.core.errors import SpecError
from pipelines.own_code.declared import OwnFunction
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Guardrail, Metric
from pipelines.stats import influence, multiclass
from pipelines.training.own_metric import own_losses

if TYPE_CHECKING:
    import pandas as pd

_PLAIN = {
    Metric.ABSOLUTE_ERROR: influence.absolute_error,
    Metric.SQUARED_ERROR: influence.squared_error,
    Metric.RMSE: influence.root_mean_squared_error,
    Metric.MAPE: influence.absolute_percentage_error,
    Metric.LOG_LOSS: influence.log_loss,
    Metric.BRIER: influence.brier,
    Metric.ACCURACY: influence.accuracy,
    Metric.F1: influence.f1,
    Metric.AUC: influence.auc,
    Metric.AVERAGE_PRECISION: influence.average_precision,
}

_MANY_CLASSES = {
    Metric.LOG_LOSS: multiclass.log_loss,
    Metric.ACCURACY: multiclass.accuracy,
    Metric.AUC: multiclass.one_vs_rest_auc,
}


@dataclass(frozen=True)
class RowMetric:
    """A metric with its parameters, as a mean of one utility per row."""

    kind: Metric
    quantile: float | None = None
    denominator: str | None = None
    own: OwnFunction | None = None

    @property
    def name(self) -> str:
        """Unique among the metrics of one model, for finding names and tables."""
        level = "" if self.quantile is None else f"_{self.quantile:g}".replace(".", "_")
        return f"{self.kind.value}{level}"

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is better."""
        return self.kind.higher_is_better

    def utilities(self, label: Floats, prediction: Floats, rows: pd.DataFrame) -> Floats:
        """Influence values of the rows, higher is better; shape (n,).

        Arguments:
            label: labels as ``label_numbers`` returns them, shape (n,).
            prediction: as ``Scored`` holds them, shape (n,) or (n, classes).
            rows: the rows, for a denominator.

        Raises:
            Undefined: when the metric does not exist for these rows.
            SpecError: when an own function fails, or its losses are not those of single rows.
        """
        if self.own is not None:
            return 0.0 - own_losses(self.own, label, prediction)
        if prediction.ndim > 1:
            return _MANY_CLASSES[self.kind](label, prediction)
        if self.kind is Metric.PINBALL and self.quantile is not None:
            return influence.pinball(label, prediction, self.quantile)
        if self.kind is Metric.SCALED_ABSOLUTE_ERROR and self.denominator is not None:
            below = rows[self.denominator].to_numpy(dtype=np.float64, na_value=np.nan)
            return influence.scaled_absolute_error(label, prediction, below)
        return _PLAIN[self.kind](label, prediction)

    def value(self, utilities: Floats) -> float:
        """The metric as it is usually reported: losses are positive."""
        mean = float(utilities.mean())
        return mean if self.higher_is_better else 0.0 - mean


def primary_metric(spec: ModelSpec) -> RowMetric:
    """The metric that decides.

    Raises:
        SpecError: when its denominator is neither a feature nor the label.
    """
    below = spec.metric.denominator
    if below is not None and below not in {*spec.feature_names, "label"}:
        raise SpecError(
            "a denominator is not on the rows",
            where=f"{spec.name}: metric.denominator",
            got=below,
            wanted=f"label, or one of {sorted(spec.feature_names)}",
        )
    own = spec.metric if spec.metric.name.is_own else None
    return RowMetric(spec.metric.name, spec.metric.quantile, below, own)


def guardrail_metric(spec: ModelSpec, guardrail: Guardrail) -> RowMetric:
    """The metric of a guardrail; a scaled error takes the primary metric's denominator.

    Raises:
        SpecError: when a quantile or denominator is missing.
    """
    lacks_quantile = (guardrail.name is Metric.PINBALL) != (guardrail.quantile is not None)
    scaled = guardrail.name is Metric.SCALED_ABSOLUTE_ERROR
    if lacks_quantile or (scaled and spec.metric.denominator is None):
        raise SpecError(
            "a guardrail cannot be computed from its declaration",
            where=f"{spec.name}: guardrails.{guardrail.name.value}",
            got=f"quantile {guardrail.quantile}, denominator {spec.metric.denominator}",
            wanted="a quantile for pinball and for nothing else; a scaled_absolute_error only "
            "beside a metric that declares the denominator",
        )
    return RowMetric(
        guardrail.name, guardrail.quantile, spec.metric.denominator if scaled else None
    )
