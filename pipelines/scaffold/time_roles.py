"""Guesses which columns say when an event happened, and when it could first be known."""

# ruff: noqa: S608 - columns are named by their position

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from pipelines.core.time import duration_text, parse_duration
from pipelines.scaffold.answers import (
    Answers,
    Guess,
    matches,
    named_time_of_every_row,
    no_column,
)
from pipelines.scaffold.column_types import Column
from pipelines.scaffold.profile import FileProfile

_EVENT = (
    r"event|order|sold|sale|happen|start|begin|pickup|created|timestamp|time|date|datum|(^|_)at$"
)
_KNOWN = r"known|record|receiv|report|load|ingest|insert|publish|updated|arriv|process"


def event_time_of(profile: FileProfile, answers: Answers) -> Guess:
    """The column with the time of the event.

    Raises:
        DataError: when no column is a time in every row.
        SpecError: when the column that was named is not.
    """
    if answers.event_time is not None:
        return Guess((named_time_of_every_row(profile, answers.event_time, "--event-time").name,))
    times = [one for one in profile.columns if one.is_time and not one.missing]
    if not times:
        raise no_column(
            profile,
            "no column of the file is a time in every row",
            wanted="a column with the time of each event, in ISO 8601 or another usual form",
            hint="is it another --delimiter? Else add the column, or write its times as ISO 8601",
        )
    likely = [one for one in times if not matches(_KNOWN, one)] or times
    best = max(likely, key=lambda one: (matches(_EVENT, one), one.distinct > 1))
    others = [one.name for one in times if one is not best]
    reason = f"a time in every row, from {best.smallest} to {best.largest}"
    return Guess((best.name,), f"{reason}; others are {', '.join(others)}" if others else reason)


def known_time_of(
    connection: Any, profile: FileProfile, event: Column, answers: Answers
) -> tuple[Guess, timedelta]:
    """The column or rule of the known time, and the delay of the slowest rows after the event.

    Raises:
        SpecError: when the column that was named has no time in some rows.
        TimeError: when a delay is too long.
    """
    later = [
        one
        for one in profile.columns
        if one.is_time and not one.missing and one.name != event.name and matches(_KNOWN, one)
    ]
    guess = None
    if answers.known_time is not None and not re.fullmatch(r"(\d+[wdhms])+", answers.known_time):
        one = named_time_of_every_row(profile, answers.known_time, "--known-time")
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


def _rounded_up(lag: timedelta) -> timedelta:
    """A delay in whole days above a day, else in whole hours."""
    unit = timedelta(days=1) if lag > timedelta(days=1) else timedelta(hours=1)
    return -(-lag // unit) * unit
