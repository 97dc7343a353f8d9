"""Features as they were served against the same features computed again from the events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from pipelines.core.errors import DataError
from pipelines.core.records import Record
from pipelines.core.verdict import Finding, Gate, Interval, Verdict
from pipelines.spec.model import ModelSpec
from pipelines.stats.shares import share_interval
from pipelines.training.populations import identities

MOST_REQUESTS = 100_000  # compared; which ones is decided by the hash of their ids
LEVEL = 0.95
TOLERANCE = 1e-9  # relative: a number may have been written as text and read back


class FeatureParity(Record):
    """One feature's logged values against recomputed ones."""

    feature: str
    requests: int = Field(description="whose log has a value, or null, for the feature")
    unequal: int
    interval: Interval = Field(description="of the unequal share")
    filled_share: float = Field(description="requests that were served null where there is a value")
    example: str = Field(description="one unequal value; empty when there is none")

    @property
    def share(self) -> float:
        """Unequal share, 0 to 1."""
        return self.unequal / self.requests


class Parity(Record):
    """A replay of logged requests."""

    requests: int = Field(description="logged in the window")
    compared: int
    unknown: int = Field(description="about points that the recipe does not have")
    features: tuple[FeatureParity, ...]
    unlogged: tuple[str, ...] = Field(description="features of the recipe that no log has")

    def shares(self) -> dict[str, float]:
        """Unequal share by feature."""
        return {each.feature: each.share for each in self.features}


def replay(spec: ModelSpec, rows: pd.DataFrame, log: pd.DataFrame) -> Parity:
    """Compare every logged feature value with the frame's.

    Arguments:
        spec: the recipe whose features are compared; a logged feature of another name is not.
        rows: its frame: keys, decision_time and features, as of the present.
        log: rows of a prediction log of the same stretch of time: event_time, entity, features.

    Raises:
        DataError: when a log's row is no JSON object of the model's keys.
    """
    asked = _thinned(log)
    entity = _objects(asked["entity"], "entity")
    keys = spec.points.keys
    lacking = [key for key in keys if entity and key not in entity[0]]
    if lacking:
        raise DataError(
            "a prediction log is about other entities",
            where=f"{spec.name}: prediction log",
            got=f"keys {sorted(entity[0])}",
            wanted=f"keys {list(keys)}",
        )
    requests = pd.DataFrame(
        {
            **{key: [one.get(key) for one in entity] for key in keys},
            "decision_time": pd.to_datetime(asked["event_time"]).to_numpy(),
        }
    )
    place = pd.Series(np.arange(len(rows)), index=pd.Index(identities(keys, rows)))
    found = place.reindex(identities(keys, requests)).to_numpy(np.float64)
    known = ~np.isnan(found)
    again = rows.iloc[found[known].astype(np.intp)]
    served = [
        one
        for one, there in zip(_objects(asked["features"], "features"), known, strict=True)
        if there
    ]
    parts = [
        part
        for name in spec.feature_names
        if (part := _feature(name, again[name], served)) is not None
    ]
    compared = {part.feature for part in parts}
    return Parity(
        requests=len(log),
        compared=int(known.sum()),
        unknown=int((~known).sum()),
        features=tuple(parts),
        unlogged=tuple(name for name in spec.feature_names if name not in compared),
    )


def parity_findings(parity: Parity, spec: ModelSpec) -> tuple[Finding, ...]:
    """One finding for each feature: it fails when more is unequal than the declaration allows.

    A share above the limit whose interval reaches below it is inconclusive. Whatever the limit,
    the reason shows an example of what was served and what it should have been.
    """
    limit = spec.gates.audit.unequal_share
    return tuple(_finding(each, limit) for each in parity.features)


def _finding(each: FeatureParity, limit: float) -> Finding:
    low = each.interval.low or 0.0
    if each.share <= limit:
        verdict = Verdict.PASS
    elif low > limit:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE
    told = (
        f"{each.unequal} of {each.requests} logged values differ from recomputed ones "
        f"({each.share:.2%}, {each.interval.level:.0%} interval {low:.2%} to "
        f"{each.interval.high or 0:.2%})"
    )
    told += f", such as {each.example}" if each.example else ""
    if each.filled_share:
        told += f"; {each.filled_share:.2%} were served as missing and are not"
    said = "is served as it is computed" if verdict is Verdict.PASS else "is served differently"
    return Finding(
        gate=Gate.AVAILABILITY,
        name=f"availability.parity.{each.feature}",
        verdict=verdict,
        reason=f"{each.feature} {said}: {told}",
        value=each.share,
        interval=each.interval,
        threshold=limit,
        unit="share of logged values",
        rows=each.requests,
    )


def _thinned(log: pd.DataFrame) -> pd.DataFrame:
    if len(log) <= MOST_REQUESTS:
        return log
    order = pd.util.hash_pandas_object(log["request_id"], index=False).to_numpy(np.uint64)
    kept: pd.DataFrame = log[order <= np.sort(order)[MOST_REQUESTS - 1]]
    return kept


def _objects(column: Iterable[str], name: str) -> list[dict[str, Any]]:
    try:
        found = [json.loads(text) for text in column]
    except (ValueError, TypeError) as cause:
        raise DataError(
            "a prediction log cannot be read", where=f"column {name}", got=str(cause)
        ) from cause
    wrong = next((one for one in found if not isinstance(one, dict)), None)
    if wrong is not None:
        raise DataError(
            "a prediction log cannot be read",
            where=f"column {name}",
            got=repr(wrong),
            wanted="a JSON object of names and values",
        )
    return found


def _feature(name: str, again: pd.Series, served: list[dict[str, Any]]) -> FeatureParity | None:
    there = np.array([name in one for one in served], dtype=bool)
    if not there.any():
        return None
    logged = [one[name] for one in served if name in one]
    computed = again[there].tolist()
    unequal = ~np.array([_same(*pair) for pair in zip(logged, computed, strict=True)], dtype=bool)
    filled = np.array(
        [was is None and not _missing(now) for was, now in zip(logged, computed, strict=True)]
    )
    example = ""
    if unequal.any():
        at = int(np.argmax(unequal))
        example = f"{_shown(logged[at])} served, {_shown(computed[at])} computed"
    return FeatureParity(
        feature=name,
        requests=len(logged),
        unequal=int(unequal.sum()),
        interval=share_interval(int(unequal.sum()), len(logged), LEVEL),
        filled_share=float(filled.mean()),
        example=example,
    )


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def _same(logged: Any, computed: Any) -> bool:
    if _missing(logged) or _missing(computed):
        return _missing(logged) and _missing(computed)
    if isinstance(logged, str) or isinstance(computed, str):
        return str(logged) == str(computed)
    return bool(abs(logged - computed) <= TOLERANCE * max(abs(logged), abs(computed)))


def _shown(value: Any) -> str:
    if _missing(value):
        return "nothing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
