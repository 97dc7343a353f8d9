"""The prediction log of a simulated service, which may serve a feature slightly differently."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import Field

from pipelines.core.arrays import Floats, Mask
from pipelines.core.records import Record
from pipelines.predictions.assignment import Allocation, arm_of, in_shadow
from pipelines.release.rollout.segment_champions import SegmentChampions
from pipelines.spec.fields import Share
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import Arm

LATENCY_MS = 5.0
INSTANT = pa.timestamp("us", tz="UTC")


class Skew(Record):
    """A feature that reaches the model changed: multiplied, or not at all."""

    feature: str
    factor: float = Field(default=1.0, description="of numbers")
    upper: bool = Field(default=False, description="texts arrive in capitals")
    missing: bool = Field(default=False, description="nothing arrives")
    share: Share = Field(default=1.0, description="of requests")


def served_features(
    spec: ModelSpec, rows: pd.DataFrame, skews: tuple[Skew, ...], seed: int
) -> pd.DataFrame:
    """The features that a service sees where training sees the frame's.

    Arguments:
        rows: a frame of decision points.
        skews: what goes wrong, applied in this order.
        seed: of which requests it goes wrong for.
    """
    served = rows[list(spec.feature_names)].copy()
    for number, skew in enumerate(skews):
        rng = np.random.default_rng([seed, number])
        hit = rng.random(len(rows)) < skew.share
        column = served[skew.feature]
        if skew.upper:
            changed = column.astype(object).map(lambda text: text.upper(), na_action="ignore")
        elif skew.missing:
            changed = pd.Series([None] * len(rows), index=rows.index, dtype=object)
        else:
            changed = column * skew.factor
        served[skew.feature] = column.astype(object).where(~hit, changed).infer_objects()
    return served


def prediction_log(
    spec: ModelSpec,
    rows: pd.DataFrame,
    served: pd.DataFrame,
    predictions: Floats,
    version: str,
    arm: Arm = Arm.CHAMPION,
    *,
    requests: Sequence[str] | None = None,
    latency_ms: float = LATENCY_MS,
) -> pa.Table:
    """Rows of ``spec.predictions.prediction_log``, in the store a second after each decision."""
    entity = rows[list(spec.points.keys)]
    decided = pd.to_datetime(rows["decision_time"]).to_numpy("datetime64[us]")
    times = decided.astype(np.int64)
    named = requests or [f"{version}-{time:x}-{n:08d}" for n, time in enumerate(times)]
    return pa.table(
        {
            "request_id": pa.array(named, pa.string()),
            "version": pa.array([version] * len(rows), pa.string()),
            "arm": pa.array([arm.value] * len(rows), pa.string()),
            "entity": pa.array(_objects(entity), pa.string()),
            "features": pa.array(_objects(served), pa.string()),
            "freshness": pa.array(["{}"] * len(rows), pa.string()),
            "prediction": pa.array(predictions, pa.float64()),
            "latency_ms": pa.array([latency_ms] * len(rows), pa.float64()),
            "decided_at": pa.array(decided).cast(pa.timestamp("us")).cast(INSTANT),
            "recorded_at": pa.array(decided + np.timedelta64(1, "s"))
            .cast(pa.timestamp("us"))
            .cast(INSTANT),
        }
    )


class Service(Record):
    """Which version answers for which entity."""

    champion: str
    challenger: str | None = None
    allocation: Allocation = Allocation(salt="none")
    segments: SegmentChampions | None = None
    slower: float = Field(default=1.0, gt=0, description="latency of the challenger's answers")
    failing: Share = Field(
        default=0.0, description="requests that the challenger cannot answer; the champion does"
    )

    def usual(self, entity: Mapping[str, Any]) -> str:
        """The version that answers an entity outside of the challenger's arm."""
        return self.segments.version_of(entity, self.champion) if self.segments else self.champion


def service_log(
    spec: ModelSpec, rows: pd.DataFrame, service: Service, answers: Mapping[str, Any], seed: int = 0
) -> pa.Table:
    """What a service with arms and shadow logs about decision points.

    Arguments:
        rows: keys, decision_time, and features where they are to be logged.
        service: who answers.
        answers: predictions of each version for all rows, shape (n,).
        seed: of which requests the challenger fails.
    """
    alone = service.challenger is None
    entities: list[Any] = rows[list(spec.points.keys)].to_dict("records")
    arms = np.array(
        [Arm.CHAMPION if alone else arm_of(one, service.allocation) for one in entities], object
    )
    times = pd.to_datetime(rows["decision_time"]).astype("int64")
    named = np.array([f"{time:x}-{n:x}" for n, time in enumerate(times)], object)
    fails = np.random.default_rng(seed).random(len(rows)) < service.failing
    served = rows[[name for name in spec.feature_names if name in rows.columns]]

    def part(which: Mask, version: str, arm: Arm) -> pa.Table:
        slower = service.slower if version == service.challenger else 1.0
        return prediction_log(
            spec,
            rows[which],
            served[which],
            np.asarray(answers[version], np.float64)[which],
            version,
            arm,
            requests=[f"{name}.0" for name in named[which]],
            latency_ms=LATENCY_MS * slower,
        )

    challenger, usual = service.challenger, np.array([service.usual(e) for e in entities], object)
    parts = [
        part((arms == arm) & (usual == version), version, arm)
        for version in np.unique(usual)
        for arm in (Arm.CHAMPION, Arm.CONTROL)
    ]
    if challenger is not None:
        shadowed = np.array([in_shadow(name, service.allocation) for name in named], np.bool_)
        parts += [
            part((arms == Arm.CHALLENGER) & ~fails, challenger, Arm.CHALLENGER),
            *(
                part((arms == Arm.CHALLENGER) & fails & (usual == version), version, Arm.CHALLENGER)
                for version in np.unique(usual)
            ),
            part(shadowed & ~fails, challenger, Arm.SHADOW),
        ]
    return pa.concat_tables(parts)


def _objects(rows: pd.DataFrame) -> list[str]:
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return [json.dumps(record) for record in records]
