"""Chooses the decision points, the label and the spans of a model from the roles of the columns.

There are three shapes. Rows with an *outcome* get their label later, in a column of their own: each
row is a decision. A *slow panel* has a row of each key less often than every nine days, such as
monthly figures: each row is a decision about the next. Everything else is a *grid*: an aggregate of
the coming horizon, at every step, for every entity.
"""

# ruff: noqa: S608 - columns are named by their position

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count, takewhile
from typing import Any

from pipelines.core.errors import DataError, SpecError
from pipelines.core.time import duration_text, parse_duration
from pipelines.scaffold.answers import Answers, Guess
from pipelines.scaffold.profile import FileProfile
from pipelines.scaffold.roles import Roles
from pipelines.spec.training import RecentWindowGate

DAY, WEEK = timedelta(days=1), timedelta(days=7)
LEAST_WEEKS = 8
LEAST_ROWS = RecentWindowGate().minimum_rows
_SLOW = timedelta(days=9)
_FEWEST_ROWS = 34  # nine in ten of which are 30, the fewest labels that a window is judged on
_MOST_TRAINING_WEEKS = 52


class PointKind(StrEnum):
    """How decision points and labels follow from the rows."""

    GRID = "grid"
    SLOW_PANEL = "slow panel"
    OUTCOME = "outcome"


@dataclass(frozen=True)
class Shape:
    """The spans of a model.

    Arguments:
        kind: of decision points and labels.
        every: time between the decision points of an entity; zero for points at events.
        horizon: how far ahead the label reaches.
        delay: from the end of the horizon until the label is known.
        train: length of the training span.
        recent: length of the recent window.
        label_spread: mean absolute deviation of labels, in the label's unit.
        binary: whether the label has two values, 0 and 1.
        newest: time of the newest event.
        recent_rows: about how many decision points a recent window has.
    """

    kind: PointKind
    every: timedelta
    horizon: Guess
    delay: timedelta
    train: Guess
    recent: timedelta
    label_spread: float
    binary: bool
    newest: datetime
    recent_rows: int

    @property
    def ahead(self) -> timedelta:
        """The horizon as a duration."""
        return parse_duration(self.horizon.text)

    @property
    def minimum_effect(self) -> float:
        """A hundredth of the spread, with one digit."""
        effect = max(self.label_spread / 100, 1e-9)
        size = 10 ** math.floor(math.log10(effect))
        return float(f"{round(effect / size) * size:.3g}")


def choose_shape(connection: Any, profile: FileProfile, roles: Roles, answers: Answers) -> Shape:
    """Chooses the spans that fit between the first and the last event.

    Arguments:
        connection: DuckDB connection with the table ``rows``.
        profile: profile of the file.
        roles: of its columns.
        answers: given by a person.

    Raises:
        DataError: when the file spans less than eight weeks.
        SpecError: when the horizon is 0, or too long for the file.
    """
    event = profile.column(roles.event_time.text).value
    first, last = connection.execute(f"SELECT min({event}), max({event}) FROM rows").fetchone()
    span = last - first
    if span < LEAST_WEEKS * WEEK:
        raise DataError(
            "the events of a file span too little time to train and to judge a model",
            where=str(profile.file),
            got=f"{first} to {last}, {span.days} days",
            wanted=f"at least {LEAST_WEEKS} weeks",
            hint="import a longer history",
        )
    kind, every = PointKind.GRID, DAY if roles.step <= 2 * DAY else WEEK
    if roles.label_known_at is not None:
        kind, every = PointKind.OUTCOME, timedelta()
    elif roles.panel and roles.step > _SLOW:
        kind, every = PointKind.SLOW_PANEL, timedelta()
    horizon, delay = _label_times(connection, profile, roles, answers, kind)
    maturity, slowest = parse_duration(horizon.text) + delay, (span - 4 * WEEK) / 2
    if not parse_duration(horizon.text) or maturity > slowest:
        raise SpecError(
            "the horizon does not fit the file: it is trained on labels that have matured, and "
            "judged on later ones",
            where=str(profile.file),
            got=f"a horizon of {horizon.text} and a delay of {duration_text(delay)}",
            wanted=f"more than 0, and at most {duration_text(slowest // DAY * DAY)} together",
            hint="name a shorter --horizon or --known-time, or import a longer history",
        )
    weeks = span // WEEK
    train = min(_MOST_TRAINING_WEEKS, max(4, (weeks - 2 * math.ceil(maturity / WEEK)) // 2))
    recent = 4 * WEEK if weeks >= 16 else 2 * WEEK
    if every == WEEK:
        recent = 8 * WEEK
    entities = math.prod(profile.column(name).distinct for name in roles.entity.value)
    if every == DAY:
        every = _steps_of_a_day(entities, recent, roles.step)
    if kind is PointKind.SLOW_PANEL:
        train, recent = min(104, weeks // 2), math.ceil(8 * roles.step / WEEK) * WEEK

    def rows_of(window: timedelta) -> int:
        if every:
            return entities * (window // every)
        return _rows_between(connection, profile, roles, last - window)

    # Labels need their time twice: before the recent window, and after it.
    longest = min(span / 3, span - train * WEEK - 2 * maturity)
    longer = takewhile(lambda one: one <= longest, (recent + n * WEEK for n in count()))
    recent = next((one for one in longer if rows_of(one) >= _FEWEST_ROWS), recent)
    label = profile.column(roles.label.text)
    binary = (label.smallest, label.largest, label.distinct) in (
        ("0", "1", 2),
        ("False", "True", 2),
    )
    return Shape(
        kind=kind,
        every=every,
        horizon=horizon,
        delay=delay,
        train=Guess((duration_text(train * WEEK),), f"about half of the {weeks} weeks of the file"),
        recent=recent,
        label_spread=_spread(connection, profile, roles, kind, horizon),
        binary=binary and kind is PointKind.OUTCOME,
        newest=last.replace(tzinfo=UTC),
        recent_rows=rows_of(recent),
    )


def _steps_of_a_day(entities: int, recent: timedelta, step: timedelta) -> timedelta:
    """The longest step of a grid with which the recent window has enough rows.

    A few entities need several points a day, which their data must have, too.
    """
    able = [DAY / parts for parts in (1, 2, 4, 8, 24) if DAY / parts >= step] or [DAY]
    return next((one for one in able if entities * (recent // one) >= LEAST_ROWS), able[-1])


def _rows_between(connection: Any, profile: FileProfile, roles: Roles, start: datetime) -> int:
    event = profile.column(roles.event_time.text).value
    query = f"SELECT count(*) FROM rows WHERE {event} >= ?"
    return int(connection.execute(query, [start]).fetchone()[0])


def _label_times(
    connection: Any,
    profile: FileProfile,
    roles: Roles,
    answers: Answers,
    kind: PointKind,
) -> tuple[Guess, timedelta]:
    """The horizon, and how long after it the label is known."""
    if kind is PointKind.OUTCOME and roles.label_known_at is not None:
        event = profile.column(roles.event_time.text).value
        known = profile.column(roles.label_known_at).value
        wait = connection.execute(
            f"SELECT quantile_cont(epoch({known} - {event}), 0.99) FROM rows"
        ).fetchone()[0]
        days = max(1, math.ceil(float(wait or 0) / DAY.total_seconds()))
        if answers.horizon is not None:
            return Guess((answers.horizon,)), timedelta()
        return Guess((f"{days}d",), "99 % of the outcomes are known by then"), timedelta()
    if kind is PointKind.SLOW_PANEL:
        step = math.ceil(roles.step / DAY) + 1
        # The next row happens within a step, and is known as late after it as this one was.
        return (
            Guess((answers.horizon or f"{step}d",), "" if answers.horizon else "one step ahead"),
            roles.delay,
        )
    if answers.horizon is not None:
        return Guess((answers.horizon,)), roles.delay
    if roles.panel and roles.step <= timedelta(hours=6):
        return Guess((duration_text(DAY),), "a series with several rows a day"), roles.delay
    return Guess(("7d",), "a week holds every weekday once"), roles.delay


def _spread(
    connection: Any, profile: FileProfile, roles: Roles, kind: PointKind, horizon: Guess
) -> float:
    """Mean absolute deviation of the label; for a grid of whole horizons of each entity."""
    label = f"{profile.column(roles.label.text).value}::DOUBLE"
    values = f"SELECT {label} AS y FROM rows"
    if kind is PointKind.GRID:
        event = profile.column(roles.event_time.text).value
        seconds = parse_duration(horizon.text).total_seconds()
        keys = ", ".join(profile.column(name).value for name in roles.entity.value)
        aggregate = "sum" if roles.aggregate.text == "sum" else "avg"
        values = (
            f"SELECT {aggregate}({label}) AS y FROM rows "
            f"GROUP BY floor(epoch({event}) / {seconds}){', ' + keys if keys else ''}"
        )
    mean = connection.execute(
        f"SELECT avg(abs(y - m)) FROM (SELECT y, avg(y) OVER () AS m FROM ({values}))"
    ).fetchone()[0]
    return float(mean or 0)
