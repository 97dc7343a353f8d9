"""The estimator of a model."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from pipelines.own_code.declared import OwnFunction
from pipelines.spec.fields import Declaration

ALLOWED_ESTIMATORS = ("sklearn.", "lightgbm.", "xgboost.", "catboost.")


class Estimator(OwnFunction, Declaration):
    """A scikit-learn compatible estimator: by import path, or returned by an own function."""

    path: str | None = Field(
        default=None, examples=["sklearn.ensemble.HistGradientBoostingRegressor"]
    )
    parameters: dict[str, Any] = {}

    @property
    def source(self) -> str:
        """The path, or the function."""
        return self.path or self.function or ""

    @field_validator("path")
    @classmethod
    def _allowed(cls, path: str | None) -> str | None:
        if path is not None and not (path.startswith(ALLOWED_ESTIMATORS) and path.isascii()):
            raise ValueError(f"an estimator's path starts with one of {ALLOWED_ESTIMATORS}")
        return path

    @model_validator(mode="after")
    def _one_source(self) -> Estimator:
        if (self.path is None) == (self.function is None):
            raise ValueError("an estimator has a path, or a function in models/code/")
        return self
