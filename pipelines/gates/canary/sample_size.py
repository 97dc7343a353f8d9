"""Check that a declared canary has enough entities to reach a verdict.

Without this check, a canary that is too small is noticed only after weeks, and has used one try
of the year's error budget.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.core.time import utc
from pipelines.outcomes.segments import segment_values
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis

LISTED = 10  # largest number of values of a column to list in a message


def sample_size_problems(
    spec: ModelSpec, frame: ibis.Table, tables: Mapping[str, ibis.Table], as_of: datetime
) -> list[str]:
    """Return the reasons why a canary is too small for any challenger to be promoted.

    The check counts the entities with a decision point in the last ``canary.weeks`` weeks.

    Arguments:
        spec: the declaration of the model.
        frame: its decision points as of ``as_of``.
        tables: its streams.
        as_of: the instant that the check refers to, with a time zone.

    Returns:
        One sentence per problem; an empty list if there is no problem or no rollout.
    """
    if spec.rollout is None:
        return []
    canary = spec.rollout.canary
    share, wanted, keys = canary.stages[-1], canary.minimum_entities, list(spec.points.keys)
    since = (utc(as_of) - timedelta(weeks=canary.weeks)).replace(tzinfo=None)
    entities = frame.filter(frame.decision_time >= since).select(keys).distinct().to_pandas()
    lately = f"in the last {canary.weeks} weeks"
    never = "no challenger could be promoted"
    remedy = f"{never}: declare a larger last stage, or a smaller minimum_entities"

    def in_arm(number: int) -> str:
        return (
            f"{number:,} entities {lately}, {share:g} of which are in each arm at the last stage, "
            f"about {number * share:.0f}; wanted minimum_entities {wanted}"
        )

    problems, enough = list[str](), len(entities) * share >= wanted
    if not enough:
        problems.append(f"rollout.canary: {in_arm(len(entities))}; {remedy}")
    for part in canary.segments:
        where = f"rollout.canary.segments.{part.column}"
        values = segment_values(spec, part, tables, entities, as_of, as_of)
        there = Counter(value for value in values if value is not None)
        for value in part.values:
            if value not in there:
                listed = _instead(value, there)
                problems.append(f"{where}: no entity {lately} is {value!r}{listed}; {never}")
            elif enough and there[value] * share < wanted:
                problems.append(
                    f"{where}: {value!r} has {in_arm(there[value])}; {remedy}, or leave it out"
                )
    return problems


def _instead(value: str, there: Counter[str]) -> str:
    if not there:
        return ", and nothing is known of any"
    close = difflib.get_close_matches(value, there, n=3)
    named = close or [name for name, _ in there.most_common(LISTED)]
    listed = ", ".join(f"{name!r} ({there[name]:,})" for name in named)
    others = len(there) - len(named)
    return f"; there are {listed}" + (f" and {others:,} others" if others else "")
