"""The declarations that a backtest compares beyond the declared one: one for each combination."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import product
from math import prod
from typing import Any

from croniter import croniter
from pydantic import ValidationError

from pipelines.core.errors import SpecError
from pipelines.core.weeks import WEEK
from pipelines.spec.model import ModelSpec

SCHEDULE = "schedule"
MOST = 64  # combinations
_REPLAYED = (
    SCHEDULE,
    "split.train",
    "split.recent",
    "split.refit",
    "metric.minimum_effect",
    "gates.recent_window.",
    "gates.refresh.",
    "guardrails.",
    "slices.",
    "find_slices.",
)


@dataclass(frozen=True)
class Variation:
    """A declaration with other values of the swept keys.

    Arguments:
        name: the keys with their values: ``split.train=56d, gates.refresh.evidence=better``.
        spec: the declaration.
        schedule: cron expression of its retrainings; ``None``: every Monday.
    """

    name: str
    spec: ModelSpec
    schedule: str | None = None


def variations(spec: ModelSpec, sweeps: Sequence[str]) -> tuple[Variation, ...]:
    """Every combination of the swept values that is not the declaration itself.

    Arguments:
        spec: the declaration.
        sweeps: each ``<key>=<value>,<value>,...``, with the declaration's own keys. An entry of a
            list is found by its name or column, as in ``guardrails.squared_error.margin``. A value
            with a comma is put into double quotes.

    Raises:
        SpecError: a key cannot be swept, or a value is not valid for it.
    """
    parsed = [_parsed(spec, text) for text in sweeps]
    if (number := prod(len(values) for _, values in parsed)) > MOST:
        raise SpecError(
            "a sweep has too many combinations",
            where="--sweep",
            got=str(number),
            wanted=f"at most {MOST}",
            hint="sweep fewer keys or values at once",
        )
    found: dict[tuple[str, str | None], Variation] = {}
    for values in product(*(values for _, values in parsed)):
        chosen = dict(zip((key for key, _ in parsed), values, strict=True))
        one = _variation(spec, chosen)
        if one.spec != spec or one.schedule is not None:
            found.setdefault((one.spec.digest, one.schedule), one)
    return tuple(found.values())


def retrains_in_week(schedule: str | None, monday: datetime) -> bool:
    """Whether a schedule runs in the week that begins on a Monday; ``None`` always does.

    >>> from datetime import UTC
    >>> retrains_in_week("0 6 1 * *", datetime(2026, 6, 29, tzinfo=UTC))  # with July 1
    True
    """
    if schedule is None:
        return True
    before = monday - timedelta(microseconds=1)
    return bool(croniter(schedule, before).get_next(datetime) < monday + WEEK)


def _parsed(spec: ModelSpec, text: str) -> tuple[str, tuple[str, ...]]:
    key, equals, listed = text.partition("=")
    key = key.strip()
    values = next(csv.reader([listed], skipinitialspace=True), [])
    if not equals or not all(value.strip() for value in values) or not values:
        raise SpecError(
            "a sweep is a key and its values",
            where="--sweep",
            got=text,
            wanted="<key>=<value>,<value>,... such as gates.refresh.evidence=better,likely",
        )
    known = list(_keys(spec.as_json()))
    if key not in known:
        near = get_close_matches(key, known, n=3, cutoff=0.5)
        raise SpecError(
            "a key cannot be swept",
            where="--sweep",
            got=key,
            wanted=", ".join(near) if near else ", ".join(known),
            hint="only what decides about promotions is replayed for other values",
        )
    return key, tuple(value.strip() for value in values)


def _keys(node: Any, path: str = "") -> Iterator[str]:
    """The dotted keys of single values that may be swept."""
    if isinstance(node, dict):
        parts = node.items()
    elif isinstance(node, list) and all(isinstance(one, dict) for one in node):
        parts = {_name(one): one for one in node}.items()
    else:
        if path.startswith(_REPLAYED):
            yield path
        return
    for name, inside in parts:
        yield from _keys(inside, f"{path}.{name}" if path else name)


def _name(entry: dict[str, Any]) -> str:
    return str(entry.get("name", entry.get("column")))


def _variation(spec: ModelSpec, chosen: dict[str, str]) -> Variation:
    declared = spec.as_json()
    for key, value in chosen.items():
        declared = _with(declared, key.split("."), value)
    try:
        changed = ModelSpec.model_validate(declared)
    except ValidationError as cause:
        mistakes = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in cause.errors())
        raise SpecError(
            "a swept value is not valid",
            where="--sweep " + ", ".join(f"{key}={value}" for key, value in chosen.items()),
            got="; ".join(mistakes),
            hint="`gauntlet schema` prints all that is allowed",
        ) from cause
    name = ", ".join(f"{key}={value}" for key, value in chosen.items())
    return Variation(name, changed, chosen.get(SCHEDULE))


def _with(node: Any, place: Sequence[str], value: str) -> Any:
    """A copy of a tree with another value in one place."""
    if not place:
        return value
    if isinstance(node, list):
        return [_with(one, place[1:], value) if _name(one) == place[0] else one for one in node]
    return {**node, place[0]: _with(node[place[0]], place[1:], value)}
