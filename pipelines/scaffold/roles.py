"""Guesses what the columns of a file are: times, entity, label, id. Each guess has its evidence."""

# ruff: noqa: S608 - columns are named by their position

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pipelines.core.errors import SpecError
from pipelines.scaffold.answers import Answers, Guess, matches, named, named_time, no_column
from pipelines.scaffold.column_types import Column
from pipelines.scaffold.names import CONSTANT_KEY
from pipelines.scaffold.profile import FileProfile
from pipelines.scaffold.time_roles import event_time_of, known_time_of
from pipelines.spec.fields import ColumnType

_UNIQUE = 0.99  # share of rows with a key and time of their own, in one row a key and time
_IDENTIFIES = 0.9  # least share of rows with an id of their own; the others are repeated deliveries
_REGULAR = 0.8  # share of the distances between times that are the usual one, in a regular series
_NEAR_ZERO = 0.1  # of the largest value: an amount comes so near to zero, a level does not
_MOST_ENTITIES = 0.2  # of the rows: what has more values than this is no entity
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
    event = event_time_of(profile, answers)
    known, delay = known_time_of(connection, profile, profile.column(event.text), answers)
    times = {event.text, known.text}
    entity, panel = _entity(connection, profile, profile.column(event.text), answers)
    step = _step(connection, profile, profile.column(event.text), entity.value)
    unique = _id(connection, profile, event, entity, panel=panel, answers=answers)
    used = {*times, *entity.value, *(unique.value if len(unique.value) == 1 else ())}
    known_at = None
    if answers.label_known_at is not None:
        known_at = named_time(profile, answers.label_known_at, "--label-known-at").name
        used.add(known_at)
    label = _label(profile, used, answers)
    aggregate = _aggregate(profile.column(label.text), answers, panel=panel)
    return Roles(event, known, delay, entity, panel, step, label, aggregate, known_at, unique)


def _entity(
    connection: Any, profile: FileProfile, event: Column, answers: Answers
) -> tuple[Guess, bool]:
    if answers.entity is not None:
        names = tuple(named(profile, one, "--entity").name for one in answers.entity)
        keys = [profile.column(name) for name in names]
        return Guess(names), _distinct_share(connection, [*keys, event]) >= _UNIQUE
    able = [one for one in profile.columns if _can_be_key(one, profile.rows)]
    able.sort(key=lambda one: (not matches(_ENTITY, one), one.distinct))
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
    likely = [one for one in able if matches(_ENTITY, one)]
    if likely:
        best = max(likely, key=lambda one: one.distinct)
        rows = profile.rows / max(best.distinct, 1)
        return Guess((best.name,), f"{best.distinct:,} values, {rows:,.0f} rows each"), False
    return Guess(
        (), "no column has a name and values of an entity, so the file is one series"
    ), False


def _can_be_key(column: Column, rows: int) -> bool:
    if column.missing or column.kind not in (ColumnType.STRING, ColumnType.INTEGER):
        return False
    if column.kind is ColumnType.INTEGER and not matches(_ENTITY, column):
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
        given = [named(profile, one, "--id") for one in answers.id]
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
        one = named(profile, answers.label, "--label")
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
        raise no_column(
            profile,
            "no column of the file can be the label",
            wanted="a column of numbers whose future values the model predicts",
            hint="name it with --label, or add the column to the file",
        )
    best = max(numbers, key=lambda one: (matches(_LABEL, one), -one.missing))
    why = "its name says so" if matches(_LABEL, best) else "the first column of numbers"
    return Guess((best.name,), f"{why}; from {best.smallest} to {best.largest}")


def _aggregate(label: Column, answers: Answers, *, panel: bool) -> Guess:
    if answers.aggregate is not None:
        return Guess((answers.aggregate,))
    if label.kind is ColumnType.BOOLEAN or matches(_ADDS_UP, label):
        return Guess(("sum",), f"{label.name} has the name of an amount that adds up")
    low, high = float(label.smallest), float(label.largest)
    comes_near_zero = 0 <= low <= _NEAR_ZERO * high
    if label.kind is ColumnType.INTEGER and (comes_near_zero or (low >= 0 and not panel)):
        return Guess(("sum",), f"{label.name} counts from {label.smallest} to {label.largest}")
    return Guess(("mean",), f"{label.name} looks like a level, which does not add up")


def _distinct_share(connection: Any, columns: Sequence[Column]) -> float:
    listed = ", ".join(one.value for one in columns)
    distinct, rows = connection.execute(
        f"SELECT count(*), sum(n) FROM (SELECT count(*) AS n FROM rows GROUP BY {listed})"
    ).fetchone()
    return float(distinct) / float(rows)


def _is_numbering(column: Column) -> bool:
    """Whether it is a text or a whole number with the name of an identifier."""
    kinds = (ColumnType.STRING, ColumnType.INTEGER)
    return column.kind in kinds and matches(r"id$|number$|no$|nr$|key$|uuid", column)
