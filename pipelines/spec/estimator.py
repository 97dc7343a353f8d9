"""The estimator of a model."""

from __future__ import annotations

from math import prod
from typing import Any

from pydantic import Field, field_validator, model_validator

from pipelines.own_code.declared import OwnFunction
from pipelines.spec.fields import Declaration

SEEDS = frozenset({"random_state", "seed", "random_seed"})
ALLOWED_ESTIMATORS = ("sklearn.", "lightgbm.", "xgboost.", "catboost.")


MOST_CANDIDATES = 200
HALVING = 3  # times fewer combinations, and times more rows, in each round of a search
SearchedValue = bool | int | float | str | None


class Search(Declaration):
    """A search of parameters within the rows that a model is fitted on, by time-ordered folds."""

    parameters: dict[str, tuple[SearchedValue, ...]] = Field(
        description="values to try of each parameter; a parameter of a nested estimator is "
        "outer__inner"
    )
    candidates: int | None = Field(
        default=None,
        ge=1,
        description="number of combinations that are drawn at random; null: all of them",
    )
    halving: bool = Field(
        default=False,
        exclude_if=lambda halving: not halving,  # stored hashes and cache keys stay valid
        description="compare on few training rows first, and the best third on three times as many",
    )
    folds: int = Field(default=3, ge=1, le=10, description="validation parts, in order of time")

    @model_validator(mode="after")
    def _size(self) -> Search:
        if not self.parameters or not all(self.parameters.values()):
            raise ValueError("a search needs parameters, each with values")
        if any(name.rpartition("__")[2] in SEEDS for name in self.parameters):
            raise ValueError("the seed is not a parameter of a search")
        many = prod(map(len, self.parameters.values()))
        if self.candidates is not None and self.candidates > many:
            raise ValueError(f"candidates: the search has {many} combinations only")
        if self.halving and (self.candidates or many) <= HALVING:
            raise ValueError(f"halving: a search of at most {HALVING} combinations has one round")
        if (self.candidates or many) > MOST_CANDIDATES:
            raise ValueError(
                f"a search compares at most {MOST_CANDIDATES} combinations, not {many}"
            )
        return self


class Estimator(OwnFunction, Declaration):
    """A scikit-learn compatible estimator: by import path, or returned by an own function."""

    path: str | None = Field(
        default=None, examples=["sklearn.ensemble.HistGradientBoostingRegressor"]
    )
    parameters: dict[str, Any] = {}
    search: Search | None = Field(
        default=None,
        exclude_if=lambda search: search is None,  # stored hashes and cache keys stay valid
        description="parameters that each fit chooses on its own rows",
    )

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
