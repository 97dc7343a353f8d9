"""What is known or guessed about the columns of a file, and columns that a person names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.core.errors import DataError, SpecError
from pipelines.core.names import unknown_name
from pipelines.scaffold.column_types import Column
from pipelines.scaffold.profile import FileProfile


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


def named(profile: FileProfile, name: str, option: str) -> Column:
    """The column that an option names.

    Raises:
        SpecError: when the file has no such column.
    """
    try:
        return profile.column(name)
    except KeyError:
        names = [one.reading.source for one in profile.columns]
        raise unknown_name(f"{option} names no column of the file", name, names) from None


def named_time(profile: FileProfile, name: str, option: str) -> Column:
    """The column of times that an option names.

    Raises:
        SpecError: when the file has no such column, or it is no time.
    """
    column = named(profile, name, option)
    if not column.is_time:
        raise SpecError(
            f"{option} names a column that is no time",
            got=f"{name}: {column.kind.value}, from {column.smallest!r} to {column.largest!r}",
            wanted="a column of times",
        )
    return column


def named_time_of_every_row(profile: FileProfile, name: str, option: str) -> Column:
    """The column that an option names, with a time in every row.

    Raises:
        SpecError: when the file has no such column, or a row has no time in it.
    """
    column = named_time(profile, name, option)
    if column.missing:
        raise SpecError(
            f"{option} names a column without a time in some rows",
            got=f"{name}: missing in {column.missing:.1%} of the rows",
            wanted="a time in every row",
        )
    return column


def no_column(profile: FileProfile, what: str, *, wanted: str, hint: str) -> DataError:
    """The error for a file that has no column for a role."""
    found = ", ".join(f"{one.reading.source} ({one.kind.value})" for one in profile.columns)
    return DataError(what, where=str(profile.file), got=found, wanted=wanted, hint=hint)


def matches(pattern: str, column: Column) -> bool:
    """Whether the name of a column matches a pattern, whatever its case."""
    return bool(re.search(pattern, column.name, re.IGNORECASE))
