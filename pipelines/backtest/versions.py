"""What a retraining as of one Monday makes: its fits, with their training spans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pipelines.core.time import Window
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan


@dataclass(frozen=True)
class Candidate:
    """A recipe, or the naive forecast, fitted on one training span.

    Arguments:
        train: decision times of the training rows.
        labels_as_of: labels count as they were known at this instant.
        trained_until: no training label ends later, so that points from here on are unseen.
        naive: the naive forecast of these rows instead of the declared estimator.
    """

    train: Window
    labels_as_of: datetime
    trained_until: datetime
    naive: bool = False


@dataclass(frozen=True)
class Version:
    """What a retraining as of one Monday makes.

    Arguments:
        as_of: the Monday.
        judged: the fit that never saw the recent window.
        serves: the fit that goes live; the judged one where the declaration has no refit.
    """

    as_of: datetime
    judged: Candidate
    serves: Candidate

    @property
    def trained_until(self) -> datetime:
        """No label that the serving fit was trained on ends later; records name it by this."""
        return self.serves.trained_until


def version_as_of(spec: ModelSpec, as_of: datetime) -> Version:
    """The version of a Monday, with the spans of a retraining.

    With refits, the labels of the twin count as they were known when it was a refit itself.
    """
    plan = split_plan(spec, as_of)
    known = as_of if plan.refit is None else plan.trained_until
    judged = Candidate(plan.train, known, plan.trained_until)
    serves = judged if plan.refit is None else Candidate(plan.refit, as_of, plan.refit_until)
    return Version(as_of, judged, serves)


def naive_as_of(spec: ModelSpec, as_of: datetime) -> Candidate:
    """The naive forecast from everything that has matured as of an instant."""
    end = as_of - spec.maturity
    return Candidate(Window(end - spec.split.train, end), as_of, as_of, naive=True)


def naive_of(fit: Candidate) -> Candidate:
    """The naive forecast with the training rows of a fit."""
    return replace(fit, naive=True)


def with_refit(spec: ModelSpec, refit: bool) -> ModelSpec:
    """The same declaration with or without a refit."""
    split = spec.split.model_copy(update={"refit": refit})
    return spec.model_copy(update={"split": split})
