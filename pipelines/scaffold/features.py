"""The first features of a model: its keys, the calendar, and the label's own past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pipelines.core.names import NAME, folded
from pipelines.core.time import duration_text, parse_duration
from pipelines.scaffold.column_types import Column
from pipelines.scaffold.profile import FileProfile
from pipelines.scaffold.roles import Roles
from pipelines.scaffold.shape import DAY, PointKind, Shape
from pipelines.spec.fields import ColumnType
from pipelines.spec.frame_checks import FRAME_COLUMNS

MOST_CATEGORIES = 200  # different values of a text that becomes an input
MOST_OTHERS = 4  # other columns of numbers that become features of a grid
_LONG = timedelta(days=180)  # training span from which the season is an input
_WEEKS = (1, 4, 12)  # windows of a grid whose label covers whole weeks, in horizons
_DAYS = (1, 7, 28)  # of one whose label covers a day
_ROWS = (3, 6, 12)  # windows of a slow panel, in steps


def features(
    stream: str, profile: FileProfile, roles: Roles, shape: Shape
) -> Iterator[dict[str, Any]]:
    """The features in declared form, with names that differ, also from those of keys.

    An attribute that is a key has its name, unless that is none of a feature.
    """
    taken = {folded(name) for name in (*FRAME_COLUMNS, *roles.keys)}
    for one in _unnamed(stream, profile, roles, shape):
        own, is_key = one["name"], one["name"] in roles.keys
        name = own if is_key and own == _plain(own) else _free_name(_plain(own), taken)
        taken.add(name)
        yield {**one, "name": name}


def _unnamed(
    stream: str, profile: FileProfile, roles: Roles, shape: Shape
) -> Iterator[dict[str, Any]]:
    label = roles.label.text
    for key in roles.entity.value:
        if profile.column(key).distinct <= MOST_CATEGORIES:
            yield {"kind": "attribute", "name": key, "column": key, "categorical": True}
    for part in _calendar(shape):
        yield {"kind": "calendar", "name": part, "part": part}
    if shape.kind is PointKind.OUTCOME:
        for one in _known_columns(profile, roles):
            yield {"kind": "attribute", "name": one.name, "column": one.name}
    if shape.kind is PointKind.SLOW_PANEL:
        yield {"kind": "attribute", "name": f"{label}_now", "column": label}
        for rows in _ROWS:
            yield _window(stream, roles, "mean", label, rows * shape.ahead)
    if shape.kind is PointKind.GRID:
        aggregate, ahead = roles.aggregate.text, shape.ahead
        for horizons in _DAYS if ahead <= DAY else _WEEKS:
            yield _window(stream, roles, aggregate, label, horizons * ahead)
        # The part of the week that the label covers, a week earlier or two.
        lag = max(7 * DAY - ahead, ahead)
        yield _window(stream, roles, aggregate, label, ahead, lag=lag)
        for one in _other_numbers(profile, roles):
            yield _window(stream, roles, "mean", one.name, ahead)


def _calendar(shape: Shape) -> Iterator[str]:
    yield "month" if shape.kind is PointKind.SLOW_PANEL else "weekday"
    if shape.kind is PointKind.OUTCOME:
        yield "hour"
    if shape.kind is not PointKind.SLOW_PANEL and parse_duration(shape.train.text) >= _LONG:
        yield "day_of_year"


def _window(
    stream: str,
    roles: Roles,
    aggregate: str,
    column: str,
    span: timedelta,
    *,
    lag: timedelta | None = None,
) -> dict[str, Any]:
    window = duration_text(span)
    return {
        "kind": "window",
        "name": f"{column}_{window}{'_before' if lag else ''}",
        "stream": stream,
        "by": list(roles.keys),
        "aggregate": aggregate,
        "column": column,
        "window": window,
        **({"lag": duration_text(lag)} if lag else {}),
    }


def _other_numbers(profile: FileProfile, roles: Roles) -> list[Column]:
    taken = {roles.label.text, *roles.entity.value, *roles.id.value}
    able = (one for one in profile.columns if one.is_number and one.distinct > 1)
    return [one for one in able if one.name not in taken and one.missing < 0.5][:MOST_OTHERS]


def _known_columns(profile: FileProfile, roles: Roles) -> Iterator[Column]:
    """Columns of an outcome's row that can be inputs."""
    taken = {roles.label.text, *roles.entity.value, *roles.id.value}
    for one in profile.columns:
        is_amount = one.is_number or one.kind is ColumnType.BOOLEAN
        fits = not one.is_time and (is_amount or one.distinct <= MOST_CATEGORIES)
        if one.name not in taken and one.distinct > 1 and fits:
            yield one


def _plain(wanted: str) -> str:
    """A feature's name: in lower case, and not too long."""
    return wanted.lower().lstrip("_")[: NAME.longest - 4] or "feature"


def _free_name(plain: str, taken: set[str]) -> str:
    """A name that is not taken."""
    name, number = plain, 2
    while name in taken:
        name = f"{plain}_{number}"
        number += 1
    return name
