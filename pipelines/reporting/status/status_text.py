"""The status of models as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pipelines.core.counts import counted
from pipelines.core.time import duration_text, instant_text, minute_text
from pipelines.reporting.markdown import number
from pipelines.reporting.status.model_status import ModelStatus, Overview, RolloutStatus

WIDTH = 80
_LABEL = 16


def overview_text(overview: Overview) -> Iterator[str]:
    """The lines for all models; the first of each model begins at the margin."""
    for place, status in enumerate(overview.models):
        if place:
            yield ""
        yield from status_text(status, overview.at)


def status_text(status: ModelStatus, now: datetime) -> Iterator[str]:
    """The lines for one model; the first is its heading.

    Arguments:
        status: what is shown.
        now: the instant from which ages are counted.
    """
    yield heading(status, now)
    for label, value in (*_state(status, now), *freshness(status, now)):
        yield from textwrap.wrap(
            value,
            WIDTH,
            initial_indent=f"  {label:<{_LABEL}}",
            subsequent_indent=" " * (_LABEL + 2),
            break_on_hyphens=False,
        )


def heading(status: ModelStatus, now: datetime) -> str:
    """The model, its champion, and since when it serves."""
    champion = status.champion
    if champion is None:
        return f"{status.model}: no champion"
    since = f"{champion.since:%Y-%m-%d}, {ago(champion.since, now)}"
    return f"{status.model}: version {champion.version} is champion since {since}"


def age_text(status: ModelStatus) -> str:
    """The age of the champion's training data, and what it costs; "" if it is not known."""
    champion = status.champion
    if champion is None or champion.age_weeks is None:
        return ""
    trained = f", trained until {champion.trained_until:%Y-%m-%d}" if champion.trained_until else ""
    cost = "its cost is not known yet"
    if champion.cost is not None:
        cost = f"costs about {number(champion.cost)} {status.unit}"
    return f"{champion.age_weeks:.1f} weeks{trained}; {cost}"


def rollout_text(rollout: RolloutStatus, now: datetime) -> str:
    """The challenger's stage, its share, the next check, and what is known so far."""
    share = f"{rollout.share:.0%} of " + ("requests" if rollout.stage == "shadow" else "entities")
    since = f"{rollout.since:%Y-%m-%d} ({ago(rollout.since, now)})"
    parts = [f"version {rollout.challenger} in {rollout.stage}, {share}, since {since}"]
    if rollout.planned_weeks:
        parts.append(f"{rollout.weeks} of {rollout.planned_weeks} matured weeks")
    if rollout.next_check:
        parts.append(f"next check {minute_text(rollout.next_check)}")
    parts += filter(None, (rollout.evidence or rollout.summary,))
    return "; ".join(parts)


def ago(then: datetime, now: datetime) -> str:
    """How long ago an instant was, in the two largest units.

    >>> from datetime import UTC, datetime, timedelta
    >>> day = datetime(2026, 1, 5, tzinfo=UTC)
    >>> ago(day, day + timedelta(days=1, hours=2, minutes=3)), ago(day, day)
    ('1d2h ago', 'just now')
    """
    passed = now - then
    unit = timedelta(days=1) if passed >= timedelta(days=14) else timedelta(hours=1)
    if passed < timedelta(hours=1):
        unit = timedelta(minutes=1)
    whole = passed // unit * unit
    if whole < timedelta(minutes=1):
        return "just now" if passed >= -timedelta(minutes=1) else "in the future"
    return f"{duration_text(whole)} ago"


def _state(status: ModelStatus, now: datetime) -> Iterator[tuple[str, str]]:
    """What serves, what was decided, and what is due."""
    for problem in status.problems:
        yield "PROBLEM", problem
    if age := age_text(status):
        yield "age", age
    if status.champion is not None and status.champion.segments:
        yield "segments", status.champion.segments
    if (decision := status.decision) is not None:
        about = f" of version {decision.candidate}" if decision.candidate else ""
        reasons = "; ".join(decision.reasons)
        outcome = decision.outcome.replace("_", " ")
        yield "last decision", f"{decision.as_of:%Y-%m-%d} {outcome}{about}: {reasons}"
    for task in status.pending:
        yield "TO DO", f"{task.what}: `{task.next_step}`"
    if status.rollout is not None:
        yield "rollout", rollout_text(status.rollout, now)
    if (report := status.monitoring) is not None:
        alarms = (
            "no alarm"
            if not report.alarms
            else f"{counted(report.alarms, 'alarm')}, {report.reason}"
        )
        health, action = (text.replace("_", " ") for text in (report.health, report.action))
        yield "monitoring", f"{health}, action {action}, as of {report.as_of:%Y-%m-%d}; {alarms}"
    if (budget := status.budget) is not None:
        yield "error budget", f"{budget.left} tries left in {budget.year}, {budget.tries} made"


def freshness(status: ModelStatus, now: datetime) -> Iterator[tuple[str, str]]:
    """How fresh events, online features and scores are: a label and a text for each."""
    streams = [
        f"{one.name} {one.newest_day or 'none'}{' STALE' if one.stale else ''}"
        for one in status.streams
    ]
    if streams:
        yield "newest rows", ", ".join(streams)
    views = [
        f"{one.name} "
        + (ago(one.as_of, now) if one.as_of else "never filled")
        + (" EXPIRED" if one.expired and one.as_of else "")
        for one in status.views
    ]
    if views:
        yield "online features", ", ".join(views)
    if (scores := status.scores) is not None:
        until = "STALE since" if scores.stale else "valid until"
        yield "scores", f"{until} {instant_text(scores.valid_until)}"


def model_rows(overview: Overview) -> Sequence[tuple[str, ...]]:
    """One row a model for a table: name, champion, since, last decision, what is due, owner."""
    return [
        (
            one.model,
            one.champion.version if one.champion else "none",
            f"{one.champion.since:%Y-%m-%d}" if one.champion else "",
            one.decision.outcome.replace("_", " ") if one.decision else "",
            due(one),
            one.owner,
        )
        for one in overview.models
    ]


def due(status: ModelStatus) -> str:
    """What needs attention, in a few words; "" if nothing does."""
    if status.problems:
        return "a problem"
    if status.pending:
        return "a person"
    if status.monitoring is not None and status.monitoring.action != "none":
        return status.monitoring.action.replace("_", " ")
    return status.rollout.stage if status.rollout else ""
