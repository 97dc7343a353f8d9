"""Guesses what the columns of a file are: times, entity, label, id. Each guess has its evidence."""

# ruff: noqa: S608 - columns are named by their position

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipelines.core.errors import DataError, SpecError
from pipelines.core.names import unknown_name
from pipelines.core.time import duration_text, parse_duration
from pipelines.scaffold.column_types import Column
from pipelines.scaffold.names import CONSTANT_KEY
from pipelines.scaffold.profile import FileProfile
from pipelines.spec.fields import ColumnType

_UNIQUE = 0.99  # share of rows with a key and time of their own, in one row a key and time
_IDENTIFIES = 0.9  # least share of rows with an id of their own; the others are repeated deliveries
_REGULAR = 0.8  # share of the distances between times that are the usual one, in a regular series
_NEAR_ZERO = 0.1  # of the largest value: an amount comes so near to zero, a level does not
_MOST_ENTITIES = 0.2  # of the rows: what has more values than this is no entity
_EVENT = (
    r"event|order|sold|sale|happen|start|begin|pickup|created|timestamp|time|date|datum|(^|_)at$"
)
_KNOWN = r"known|record|receiv|report|load|ingest|insert|publish|updated|arriv|process"
_ENTITY = (
    r"shop|store|pharmacy|station|site|region|zone|area|branch|warehouse|customer|user|account|"
    r"client|device|machine|sensor|item|product|sku|medicine|drug|article|route|line|airport|"
    r"carrier|city|country|group|id$|code$|key$|name$"
)
_LABEL = (
    r"label|target|^y$|quantity|qty|units?$|demand|sales?$|sold|amount|count|cnt|volume|load|"
    r"value|passengers|rides|trips|usage|consumption|revenue|total|price"
)
_ADDS_UP = (
    r"quantity|qty|units?$|demand|sales?$|sold|amount|count|cnt|volume|passengers|rides|trips|items"
)


@dataclass(frozen=True)
class Guess:
    """A value and why it was chosen.

    Arguments:
        value: a column, several columns, an aggregate, or a duration as text.
        evidence: what in the data speaks for it; empty when a person chose it.
    """

    value: tuple[str, ...]
    evidence: str = ""

    @property
    def text(self) -> str:
        """The value as it is typed."""
        return ",".join(self.value)


@dataclass(frozen=True)
class Answers:
    """What a person has said about a file; ``None`` is left to a guess.

    Arguments:
        event_time: column that says when the event happened.
        known_time: column that says when it could first be known, or a delay such as ``1h``.
        entity: columns that identify an entity; empty for one series.
        label: column whose future values are predicted.
        aggregate: ``sum`` or ``mean`` of the label over the horizon.
        label_known_at: column with the time at which the label of the row itself becomes known; a
            row is then a decision, and the label its outcome.
        id: columns that identify an event.
        horizon: how far ahead the model predicts, such as ``7d``.
    """

    event_time: str | None = None
    known_time: str | None = None
    entity: tuple[str, ...] | None = None
    label: str | None = None
    aggregate: str | None = None
    label_known_at: str | None = None
    id: tuple[str, ...] | None = None
    horizon: str | None = None


@dataclass(frozen=True)
class Roles:
    """What each column of a file is.

    Arguments:
        event_time: one column.
        known_time: one column, or a delay after the event time.
        delay: how long after an event the slowest rows became known.
        entity: columns of the key; empty for one series.
        panel: whether a key has one row a step, as a regular time series does.
        step: usual time between two rows of a key.
        label: one column.
        aggregate: ``sum`` or ``mean``.
        label_known_at: column of the time at which an outcome is known; ``None`` for aggregates.
        id: columns that identify an event; may be empty.
    """

    event_time: Guess
    known_time: Guess
    delay: timedelta
    entity: Guess
    panel: bool
    step: timedelta
    label: Guess
    aggregate: Guess
    label_known_at: str | None
    id: Guess

    @property
    def keys(self) -> tuple[str, ...]:
        """The entity's columns; of one series the column that ``import --constant`` fills."""
        return self.entity.value or (CONSTANT_KEY,)


def guess_roles(connection: Any, profile: FileProfile, answers: Answers) -> Roles:
    """Guesses what was not answered.

    Arguments:
        connection: DuckDB connection with the table ``rows``.
        profile: profile of the file.
        answers: given by a person; names in the file or declared names.

    Raises:
        SpecError: when an answer names a column that does not exist or has another type.
        DataError: when the file has no time or no number.
    """
    event = _event_time(profile, answers)
    known, delay = _known_time(connection, profile, profile.column(event.text), answers)
    times = {event.text, known.text}
    entity, panel = _entity(connection, profile, profile.column(event.text), answers)
    step = _step(connection, profile, profile.column(event.text), entity.value)
    unique = _id(connection, profile, event, entity, panel=panel, answers=answers)
    used = {*times, *entity.value, *(unique.value if len(unique.value) == 1 else ())}
    known_at = None
    if answers.label_known_at is not None:
        known_at = _named_time(profile, answers.label_known_at, "--label-known-at").name
        used.add(known_at)
    label = _label(profile, used, answers)
    aggregate = _aggregate(profile.column(label.text), answers)
    return Roles(event, known, delay, entity, panel, step, label, aggregate, known_at, unique)


def _event_time(profile: FileProfile, answers: Answers) -> Guess:
    if answers.event_time is not None:
        return Guess((_named_time_of_every_row(profile, answers.event_time, "--event-time").name,))
    times = [one for one in profile.columns if one.is_time and not one.missing]
    if not times:
        raise _no_column(
            profile,
            "no column of the file is a time in every row",
            wanted="a column with the time of each event, in ISO 8601 or another usual form",
            hint="is it another --delimiter? Else add the column, or write its times as ISO 8601",
        )
    likely = [one for one in times if not _matches(_KNOWN, one)] or times
    best = max(likely, key=lambda one: (_matches(_EVENT, one), one.distinct > 1))
    others = [one.name for one in times if one is not best]
    reason = f"a time in every row, from {best.smallest} to {best.largest}"
    return Guess((best.name,), f"{reason}; others are {', '.join(others)}" if others else reason)


def _known_time(
    connection: Any, profile: FileProfile, event: Column, answers: Answers
) -> tuple[Guess, timedelta]:
    later = [
        one
        for one in profile.columns
        if one.is_time and not one.missing and one.name != event.name and _matches(_KNOWN, one)
    ]
    guess = None
    if answers.known_time is not None and not re.fullmatch(r"(\d+[wdhms])+", answers.known_time):
        one = _named_time_of_every_row(profile, answers.known_time, "--known-time")
        guess = Guess((one.name,))
    elif answers.known_time is not None:
        return Guess((answers.known_time,)), parse_duration(answers.known_time)
    for one in later if guess is None else ():
        early = connection.execute(
            f"SELECT count(*) FROM rows WHERE {one.value} < {event.value}"
        ).fetchone()[0]
        if not early:
            guess = Guess((one.name,), f"never before {event.name}, and its name says so")
            break
    if guess is not None:
        lag = connection.execute(
            f"SELECT max({profile.column(guess.text).value} - {event.value}) FROM rows"
        ).fetchone()[0]
        return guess, _rounded_up(lag)
    whole_days = not connection.execute(
        f"SELECT count(*) FROM rows WHERE {event.value} <> date_trunc('day', {event.value})"
    ).fetchone()[0]
    delay = timedelta(days=1) if whole_days else timedelta(hours=1)
    why = "times are whole days" if whole_days else "no column says when a row became known"
    return Guess((duration_text(delay),), f"{why}; declare what production really takes"), delay


def _entity(
    connection: Any, profile: FileProfile, event: Column, answers: Answers
) -> tuple[Guess, bool]:
    if answers.entity is not None:
        names = tuple(_named(profile, one, "--entity").name for one in answers.entity)
        keys = [profile.column(name) for name in names]
        return Guess(names), _distinct_share(connection, [*keys, event]) >= _UNIQUE
    able = [one for one in profile.columns if _can_be_key(one, profile.rows)]
    able.sort(key=lambda one: (not _matches(_ENTITY, one), one.distinct))
    if _distinct_share(connection, [event]) >= _UNIQUE and _is_regular(connection, event):
        reason = "each time has one row, so the file is one series"
        return Guess((), reason), True
    for size in (1, 2, 3):
        for keys_of in itertools.combinations(able[:8], size):
            if _distinct_share(connection, [*keys_of, event]) >= _UNIQUE and _share_times(
                connection, event
            ):
                names = tuple(one.name for one in keys_of)
                return Guess(names, f"one row for each {' and '.join(names)} and time"), True
    named = [one for one in able if _matches(_ENTITY, one)]
    if named:
        best = max(named, key=lambda one: one.distinct)
        rows = profile.rows / max(best.distinct, 1)
        return Guess((best.name,), f"{best.distinct:,} values, {rows:,.0f} rows each"), False
    return Guess(
        (), "no column has a name and values of an entity, so the file is one series"
    ), False


def _can_be_key(column: Column, rows: int) -> bool:
    if column.missing or column.kind not in (ColumnType.STRING, ColumnType.INTEGER):
        return False
    if column.kind is ColumnType.INTEGER and not _matches(_ENTITY, column):
        return False
    return 1 < column.distinct <= max(2, rows * _MOST_ENTITIES)


def _is_regular(connection: Any, event: Column) -> bool:
    """Whether most times follow each other at the same distance, as in a regular series."""
    usual = connection.execute(
        f"SELECT max(n) / sum(n) FROM (SELECT count(*) AS n FROM (SELECT {event.value} - "
        f"lag({event.value}) OVER (ORDER BY {event.value}) AS gap FROM rows) "
        "WHERE gap IS NOT NULL GROUP BY gap)"
    ).fetchone()[0]
    return float(usual or 0) >= _REGULAR


def _share_times(connection: Any, event: Column) -> bool:
    """Whether keys share their times, as regular series do and single orders do not."""
    times, rows = connection.execute(
        f"SELECT count(DISTINCT {event.value}), count(*) FROM rows"
    ).fetchone()
    return bool(times * 2 <= rows)


def _step(connection: Any, profile: FileProfile, event: Column, entity: Sequence[str]) -> timedelta:
    """The median time between two rows of a key; zero with one row a key."""
    keys = ", ".join(profile.column(name).value for name in entity) or "1"
    gap = connection.execute(
        f"SELECT median(epoch(gap)) FROM (SELECT {event.value} - lag({event.value}) OVER "
        f"(PARTITION BY {keys} ORDER BY {event.value}) AS gap FROM rows) WHERE epoch(gap) > 0"
    ).fetchone()[0]
    return timedelta(seconds=float(gap or 0))


def _id(
    connection: Any,
    profile: FileProfile,
    event: Guess,
    entity: Guess,
    *,
    panel: bool,
    answers: Answers,
) -> Guess:
    if answers.id is not None:
        given = [_named(profile, one, "--id") for one in answers.id]
        share = _distinct_share(connection, given)
        if share < _IDENTIFIES:
            raise SpecError(
                "--id names columns that do not identify an event",
                got=f"{share * profile.rows:,.0f} different values in {profile.rows:,} rows",
                wanted="a value of its own for each event; a repeated delivery is one event",
            )
        return Guess(tuple(one.name for one in given))
    able = [
        one
        for one in profile.columns
        if not one.missing
        and one.distinct == profile.rows
        and (one.kind is ColumnType.STRING or _is_numbering(one))
    ]
    if able:
        best = max(able, key=_is_numbering)
        return Guess((best.name,), "different in every row")
    if panel and entity.value:
        share = _distinct_share(
            connection, [profile.column(name) for name in (*entity.value, event.text)]
        )
        if share == 1:
            return Guess((*entity.value, event.text), "different in every row together")
    return Guess((), "no column is different in every row; a repeated delivery counts twice")


def _label(profile: FileProfile, used: set[str], answers: Answers) -> Guess:
    if answers.label is not None:
        one = _named(profile, answers.label, "--label")
        if not (one.is_number or one.kind is ColumnType.BOOLEAN) or not one.distinct:
            raise SpecError(
                "--label names a column that is no number",
                got=f"{one.reading.source}: {one.kind.value}, {one.distinct:,} values",
                wanted="a column of numbers, or of true and false",
                hint="a class in words needs `label.classes`: declare it by hand",
            )
        return Guess((one.name,))
    able = [one for one in profile.columns if one.name not in used and one.distinct > 1]
    numbers = [one for one in able if one.is_number]
    if answers.label_known_at is not None:
        numbers = [one for one in able if one.kind is ColumnType.BOOLEAN] or numbers
    if not numbers:
        raise _no_column(
            profile,
            "no column of the file can be the label",
            wanted="a column of numbers whose future values the model predicts",
            hint="name it with --label, or add the column to the file",
        )
    best = max(numbers, key=lambda one: (_matches(_LABEL, one), -one.missing))
    named = "its name says so" if _matches(_LABEL, best) else "the first column of numbers"
    return Guess((best.name,), f"{named}; from {best.smallest} to {best.largest}")


def _aggregate(label: Column, answers: Answers) -> Guess:
    if answers.aggregate is not None:
        return Guess((answers.aggregate,))
    if label.kind is ColumnType.BOOLEAN or _matches(_ADDS_UP, label):
        return Guess(("sum",), f"{label.name} has the name of an amount that adds up")
    low, high = float(label.smallest), float(label.largest)
    if label.kind is ColumnType.INTEGER and 0 <= low <= _NEAR_ZERO * high:
        return Guess(("sum",), f"{label.name} counts from {label.smallest} to {label.largest}")
    return Guess(("mean",), f"{label.name} looks like a level, which does not add up")


def _no_column(profile: FileProfile, what: str, *, wanted: str, hint: str) -> DataError:
    """The error for a file that has no column for a role."""
    found = ", ".join(f"{one.reading.source} ({one.kind.value})" for one in profile.columns)
    return DataError(what, where=str(profile.file), got=found, wanted=wanted, hint=hint)


def _distinct_share(connection: Any, columns: Sequence[Column]) -> float:
    listed = ", ".join(one.value for one in columns)
    distinct, rows = connection.execute(
        f"SELECT count(*), sum(n) FROM (SELECT count(*) AS n FROM rows GROUP BY {listed})"
    ).fetchone()
    return float(distinct) / float(rows)


def _named(profile: FileProfile, name: str, option: str) -> Column:
    try:
        return profile.column(name)
    except KeyError:
        names = [one.reading.source for one in profile.columns]
        raise unknown_name(f"{option} names no column of the file", name, names) from None


def _named_time(profile: FileProfile, name: str, option: str) -> Column:
    column = _named(profile, name, option)
    if not column.is_time:
        raise SpecError(
            f"{option} names a column that is no time",
            got=f"{name}: {column.kind.value}, from {column.smallest!r} to {column.largest!r}",
            wanted="a column of times",
        )
    return column


def _named_time_of_every_row(profile: FileProfile, name: str, option: str) -> Column:
    column = _named_time(profile, name, option)
    if column.missing:
        raise SpecError(
            f"{option} names a column without a time in some rows",
            got=f"{name}: missing in {column.missing:.1%} of the rows",
            wanted="a time in every row",
        )
    return column


def _is_numbering(column: Column) -> bool:
    """Whether it is a text or a whole number with the name of an identifier."""
    kinds = (ColumnType.STRING, ColumnType.INTEGER)
    return column.kind in kinds and _matches(r"id$|number$|no$|nr$|key$|uuid", column)


def _matches(pattern: str, column: Column) -> bool:
    return bool(re.search(pattern, column.name, re.IGNORECASE))


def _rounded_up(lag: timedelta) -> timedelta:
    """A delay in whole days above a day, else in whole hours."""
    unit = timedelta(days=1) if lag > timedelta(days=1) else timedelta(hours=1)
    return -(-lag // unit) * unit
