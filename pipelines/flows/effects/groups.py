"""The groups that a version declares: segments of its canary, and slices of its recent window."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from pipelines.causal.groups import Group
from pipelines.core.arrays import Mask

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.gates.canary.arm_rows import ArmRows
    from pipelines.spec.model import ModelSpec


def declared_groups(spec: ModelSpec, rows: ArmRows, features: pd.DataFrame) -> Iterator[Group]:
    """Yield the declared groups: each value of a segment, then each value of a slice.

    Of a slice's values, those with the most entities count, as in the recent window.

    Arguments:
        spec: the declaration of the version under test; it has a rollout.
        rows: the arms.
        features: keys and features of each entity, from ``first_features``.
    """
    from pipelines.gates.recent_window.slices import MOST_VALUES, slice_values

    yielded = set()
    for guard in spec.rollout.canary.segment_guards if spec.rollout else ():
        if (guard.column, guard.value) not in yielded:
            yielded.add((guard.column, guard.value))
            members = rows.segments[guard.key].members
            yield Group(f"{guard.column} = {guard.value}", guard.column, members)
    families = {column for column, _ in yielded}
    for part in spec.slices:
        if part.column in features and part.column not in families:
            values = slice_values(part, features[part.column])
            for value in sorted(values.value_counts().index[:MOST_VALUES].tolist(), key=str):
                members = np.asarray(values == value, np.bool_)
                yield Group(f"{part.column} = {value}", part.column, members)


def first_features(rows: ArmRows, names: Mapping[str, str]) -> pd.DataFrame:
    """Return keys and features of each entity at its first answer in its arm.

    These features were computed before the arm could act on the entity.

    Arguments:
        rows: the arms.
        names: definitions of the features that mean the same in both versions, by name.
    """
    import pandas as pd

    log = rows.log.rows.drop_duplicates("code").sort_values("code")
    served = [json.loads(text) for text in log["features"].to_numpy(object)]
    features = pd.DataFrame({name: [one.get(name) for one in served] for name in names})
    keys = rows.keys.drop(columns=[name for name in names if name in rows.keys])
    return pd.concat([keys, features], axis=1)


def known_before(spec: ModelSpec, rows: ArmRows, features: pd.DataFrame) -> pd.DataFrame:
    """Return all that is known of each entity before it entered its arm: to find groups by.

    Arguments:
        spec: the declaration of the version under test.
        rows: the arms.
        features: keys and features of each entity, from ``first_features``.
    """
    found = features.copy()
    canary = None if spec.rollout is None else spec.rollout.canary
    for guard in () if canary is None else canary.segment_guards:
        found[f"{guard.column} = {guard.value}"] = rows.segments[guard.key].members
    covariates = rows.entities.covariates
    if canary is not None and covariates is not None:
        for at, name in enumerate(canary.covariates):
            found[f"{name} before"] = covariates[:, at]
    return found


def observed(groups: Iterator[Group], there: Mask) -> list[Group]:
    """Return groups of the entities that have an outcome, given as a mask of shape (n,)."""
    return [Group(one.name, one.family, one.members[there]) for one in groups]
