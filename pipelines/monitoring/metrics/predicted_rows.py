"""Decision points with a model's predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.core.arrays import Floats, Mask

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PredictedRows:
    """Decision points with a model's predictions.

    Arguments:
        rows: keys, decision_time, features, and label where it has matured.
        predictions: shape as in ``Scored``.
        deviations: standard deviation of each prediction; ``None`` if the estimator has none.
    """

    rows: pd.DataFrame
    predictions: Floats
    deviations: Floats | None = None

    def where(self, mask: Mask) -> PredictedRows:
        """Some of the rows."""
        return PredictedRows(
            self.rows[mask],
            self.predictions[mask],
            None if self.deviations is None else self.deviations[mask],
        )

    @property
    def labelled(self) -> PredictedRows:
        """The rows whose label has matured."""
        return self.where(self.rows["label"].notna().to_numpy(bool))
