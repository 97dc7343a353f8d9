"""Comparison of served features with the same features recomputed from the events."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from pipelines.core.arrays import Integers
from pipelines.core.errors import DataError
from pipelines.core.findings import Finding, Interval, Measurement, Verdict, make_finding
from pipelines.core.records import Record
from pipelines.features.online.cadence import served_at
from pipelines.gates.availability.parity_cause import (
    ComparedValues,
    FeatureAtOffsets,
    LikelyCause,
    likely_cause,
)
from pipelines.gates.availability.parity_names import CHAMPION, ParityNames
from pipelines.gates.availability.value_comparison import (
    as_number,
    is_missing,
    value_text,
    values_equal,
)
from pipelines.predictions.entity import entity_values
from pipelines.spec.features import WindowFeature
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import GridPoints
from pipelines.spec.views import cadence_of
from pipelines.stats.proportion import wilson_interval
from pipelines.training.row_sets import row_ids
from pipelines.training.split import decision_times

MOST_REQUESTS = 100_000  # largest number of requests to compare, selected by a hash of their ids
MOST_EXAMPLES = 3
LEVEL = 0.95
DAY = timedelta(days=1)


class FeatureParity(Record):
    """Comparison of one feature's logged values with recomputed ones."""

    feature: str
    requests: int = Field(description="whose log has a value, or null, for the feature")
    unequal: int
    interval: Interval = Field(description="of the unequal share")
    filled_share: float = Field(description="requests that were served null where there is a value")
    present: int = Field(description="requests for which there is a value")
    examples: tuple[str, ...] = Field(description="unequal values, the largest difference first")
    likely: LikelyCause | None = Field(description="what explains nearly all unequal values")

    @property
    def share(self) -> float:
        """Share of unequal values, 0 to 1."""
        return self.unequal / self.requests

    @property
    def lost(self) -> int:
        """Number of requests that were served null although there is a value."""
        return round(self.filled_share * self.requests)


class Parity(Record):
    """Result of a replay of logged requests."""

    requests: int = Field(description="logged in the window, or those of them that were taken")
    compared: int
    unknown: int = Field(description="about points that the recipe does not have")
    features: tuple[FeatureParity, ...]
    unlogged: tuple[str, ...] = Field(description="features of the recipe that no log has")

    def shares(self) -> dict[str, float]:
        """Return the share of unequal values by feature."""
        return {each.feature: each.share for each in self.features}


def replay(
    spec: ModelSpec,
    rows: pd.DataFrame,
    log: pd.DataFrame,
    at_offsets: FeatureAtOffsets | None = None,
) -> Parity:
    """Compare every logged feature value with the value in the frame.

    Arguments:
        spec: the declaration of the recipe; logged features that it does not declare are ignored.
        rows: the frame of the recipe as of the present: keys, decision_time and features.
        log: rows of the prediction log for the same period: event_time, entity and features.
        at_offsets: computes features at other instants, to identify causes in time; optional.

    Raises:
        DataError: entities or features of the log are not JSON objects, or the entity keys differ
            from the model's.
    """
    few = subsample_log(log)
    _, again, served = logged_requests(spec, rows, few)
    parts = [
        part
        for name in spec.feature_names
        if (part := _feature(spec, name, again, served, at_offsets)) is not None
    ]
    compared = {part.feature for part in parts}
    known = len(served)
    return Parity(
        requests=len(log),
        compared=known,
        unknown=len(few) - known,
        features=tuple(parts),
        unlogged=tuple(name for name in spec.feature_names if name not in compared),
    )


def logged_requests(
    spec: ModelSpec, rows: pd.DataFrame, log: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, list[dict[str, Any]]]:
    """Return the logged requests for points of a frame, in order of time.

    Returns:
        The rows of the log, the frame's row for each, and the features as served for each.

    Raises:
        DataError: see ``replay``.
    """
    keys, requests = spec.points.keys, requests_of(spec, log)
    place = pd.Series(np.arange(len(rows)), index=pd.Index(row_ids(keys, rows)))
    found = place.reindex(row_ids(keys, requests)).to_numpy(np.float64)
    known = np.flatnonzero(~np.isnan(found))
    order = known[np.argsort(requests["decision_time"].to_numpy()[known], kind="stable")]
    features = logged_objects(log["features"], "features")
    return (
        log.iloc[order].reset_index(drop=True),
        rows.iloc[found[order].astype(np.intp)].reset_index(drop=True),
        [features[at] for at in order],
    )


def requests_of(spec: ModelSpec, log: pd.DataFrame) -> pd.DataFrame:
    """Return the entity and instant of each logged request: keys and ``decision_time``.

    Raises:
        DataError: see ``replay``.
    """
    types, keys = spec.point_stream.columns, spec.points.keys
    entity = [entity_values(one, types) for one in logged_objects(log["entity"], "entity")]
    lacking = [key for key in keys if entity and key not in entity[0]]
    if lacking:
        raise DataError(
            "a prediction log has other entity keys",
            where=f"{spec.name}: prediction log",
            got=f"keys {sorted(entity[0])}",
            wanted=f"keys {list(keys)}",
        )
    return pd.DataFrame(
        {
            **{key: [one.get(key) for one in entity] for key in keys},
            "decision_time": pd.to_datetime(log["event_time"]).to_numpy(),
        }
    )


def parity_findings(
    parity: Parity,
    spec: ModelSpec,
    blocking: Collection[str] | None = None,
    names: ParityNames = CHAMPION,
) -> tuple[Finding, ...]:
    """Return one finding per feature, which fails if too many values are unequal.

    A share above the limit is inconclusive as long as its interval includes the limit. The reason
    always shows examples of unequal values, as served and as computed.

    Arguments:
        parity: result of the replay.
        spec: the declaration, with the limit.
        blocking: features whose findings are blocking; None for all features.
        names: of the findings.
    """
    if not parity.compared:
        return (
            make_finding(
                names.whole,
                Verdict.INCONCLUSIVE,
                f"none of {parity.requests} logged requests is at a decision point of the "
                "declaration, so the served values cannot be recomputed",
                blocking=False,
            ),
        )
    limit = spec.gates.audit.unequal_share
    return tuple(
        _finding(each, names, limit, blocking=blocking is None or each.feature in blocking)
        for each in parity.features
    )


def parity_impossible(problem: DataError, names: ParityNames = CHAMPION) -> Finding:
    """Return the finding for a log that cannot be replayed; it blocks until a person waives it."""
    return make_finding(names.whole, Verdict.NO_DATA, problem.summary)


def beyond(share: float, interval: Interval, limit: float) -> Verdict:
    """Return fail if the whole interval is above the limit, inconclusive if only the share is."""
    if share <= limit:
        return Verdict.PASS
    return Verdict.FAIL if (interval.low or 0.0) > limit else Verdict.INCONCLUSIVE


def _finding(each: FeatureParity, names: ParityNames, limit: float, *, blocking: bool) -> Finding:
    low, verdict = each.interval.low or 0.0, beyond(each.share, each.interval, limit)
    summary = (
        f"{each.unequal} of {each.requests} logged values differ from recomputed ones "
        f"({each.share:.2%}, {each.interval.level:.0%} interval {low:.2%} to "
        f"{each.interval.high or 0:.2%})"
    )
    if each.likely is not None:
        summary += f"; likely cause: {each.likely.cause}: {each.likely.explanation}"
    elif each.unequal:
        summary += "; no single cause explains it"
    summary += f"; such as {'; '.join(each.examples)}" if each.examples else ""
    if each.filled_share:
        summary += f"; {each.filled_share:.2%} were served as missing and are not"
    status = "is served as it is computed" if verdict is Verdict.PASS else "is served differently"
    return make_finding(
        names.feature(each.feature),
        verdict,
        f"{each.feature} {status}: {summary}",
        Measurement(
            value=each.share,
            interval=each.interval,
            threshold=limit,
            unit="share of logged values",
            rows=each.requests,
        ),
        blocking=blocking,
    )


def subsample_log(log: pd.DataFrame) -> pd.DataFrame:
    """Return at most ``MOST_REQUESTS`` rows of a log; the selection is deterministic."""
    if len(log) <= MOST_REQUESTS:
        return log
    order = pd.util.hash_pandas_object(log["request_id"], index=False).to_numpy(np.uint64)
    kept: pd.DataFrame = log[order <= np.sort(order)[MOST_REQUESTS - 1]]
    return kept


def logged_objects(column: Iterable[str], name: str) -> list[dict[str, Any]]:
    """Read a column of JSON objects of a prediction log.

    Raises:
        DataError: a value is not a JSON object.
    """
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


def _feature(
    spec: ModelSpec,
    name: str,
    again: pd.DataFrame,
    served: list[dict[str, Any]],
    at_offsets: FeatureAtOffsets | None,
) -> FeatureParity | None:
    there = np.array([name in one for one in served], dtype=bool)
    if not there.any():
        return None
    points = again.loc[there, list(dict.fromkeys((*spec.points.keys, "decision_time")))]
    logged = [one[name] for one in served if name in one]
    computed = again.loc[there, name].tolist()
    unequal = ~np.array(
        [values_equal(*pair) for pair in zip(logged, computed, strict=True)], dtype=bool
    )
    filled = np.array(
        [is_missing(was) and not is_missing(now) for was, now in zip(logged, computed, strict=True)]
    )
    computed_at, step = _rhythm(spec, name, points)
    compared = ComparedValues(name, logged, computed, unequal, points, computed_at, step)
    return FeatureParity(
        feature=name,
        requests=len(logged),
        unequal=int(unequal.sum()),
        interval=wilson_interval(int(unequal.sum()), len(logged), LEVEL),
        filled_share=float(filled.mean()),
        present=sum(not is_missing(now) for now in computed),
        examples=_worst(compared),
        likely=likely_cause(compared, at_offsets),
    )


def _rhythm(spec: ModelSpec, name: str, points: pd.DataFrame) -> tuple[Integers, timedelta]:
    """Return the instants as of which production computed a feature, and the step between them.

    The instants are in microseconds, shape (points,).
    """
    at = decision_times(points).to_numpy("datetime64[us]").astype(np.int64)
    feature = next(one for one in spec.features if one.name == name)
    cadence = cadence_of(spec, feature) if isinstance(feature, WindowFeature) else None
    if cadence is not None:
        return np.asarray(served_at(at, cadence), np.int64), cadence.every
    return at, spec.points.every if isinstance(spec.points, GridPoints) else DAY


def _worst(compared: ComparedValues) -> tuple[str, ...]:
    """Describe the unequal values with the largest differences; each pair of values once.

    Pairs that are not both numbers come last.
    """

    def size(at: int) -> float:
        was, now = as_number(compared.served[at]), as_number(compared.computed[at])
        return -1.0 if was is None or now is None else abs(was - now)

    examples: dict[tuple[str, str], str] = {}
    for at in sorted(compared.where.tolist(), key=size, reverse=True):
        pair = value_text(compared.served[at]), value_text(compared.computed[at])
        if pair not in examples:
            place: Mapping[Any, Any] = compared.points.iloc[at].to_dict()
            about = ", ".join(f"{key} {value}" for key, value in place.items())
            examples[pair] = f"{pair[0]} served, {pair[1]} computed ({about})"
        if len(examples) == MOST_EXAMPLES:
            break
    return tuple(examples.values())
