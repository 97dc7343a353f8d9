"""The Mondays of a backtest, and the training spans that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipelines.core.time import Window, utc
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan

WEEK = timedelta(days=7)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


def monday_from(at: datetime) -> datetime:
    """The first Monday's midnight UTC that is not before an instant."""
    return _MONDAY + -(-(utc(at) - _MONDAY) // WEEK) * WEEK


def monday_before(at: datetime) -> datetime:
    """The last Monday's midnight UTC that is not after an instant."""
    return _MONDAY + (utc(at) - _MONDAY) // WEEK * WEEK


def mondays(span: Window) -> tuple[datetime, ...]:
    """The Mondays in a span of time."""
    return tuple(
        Window(monday_from(span.start), max(span.end, monday_from(span.start))).steps(WEEK)
    )


def week_of(monday: datetime) -> Window:
    """The seven days that begin on a Monday."""
    return Window(monday, monday + WEEK)


def whole_weeks(duration: timedelta) -> int:
    """A duration in weeks, rounded up."""
    return -(-duration // WEEK)


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


def refit_as_of(spec: ModelSpec, as_of: datetime, *, naive: bool = False) -> Candidate:
    """The recipe fitted on everything that has matured as of an instant."""
    end = utc(as_of) - spec.maturity
    return Candidate(Window(end - spec.split.train, end), utc(as_of), utc(as_of), naive)


def twin_as_of(spec: ModelSpec, as_of: datetime) -> datetime:
    """The earlier Monday whose refit is the held-out twin of a retraining as of ``as_of``."""
    return as_of - whole_weeks(spec.split.recent + spec.maturity) * WEEK


def version_as_of(spec: ModelSpec, as_of: datetime, *, refit: bool) -> Version:
    """The version of a Monday: twin and refit, or one fit of the split without a refit."""
    if refit:
        judged = refit_as_of(spec, twin_as_of(spec, as_of))
        return Version(as_of, judged, refit_as_of(spec, as_of))
    plan = split_plan(spec, as_of)
    held_out = Candidate(plan.train, as_of, plan.train.end + spec.maturity)
    return Version(as_of, held_out, held_out)
