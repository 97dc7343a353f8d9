"""The models of effects that a person can choose from."""

from __future__ import annotations

from enum import StrEnum


class Learner(StrEnum):
    """A model that predicts the effect on each entity."""

    X_LEARNER = "x-learner"
    CAUSAL_FOREST = "causal-forest"
