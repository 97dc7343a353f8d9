"""The prediction log of a simulated service, which may serve a feature slightly differently."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from pipelines.core.records import Record
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
    predictions: NDArray[np.float64],
    version: str,
    arm: Arm = Arm.CHAMPION,
) -> pa.Table:
    """Rows of ``spec.predictions.prediction_log``, in the store a second after each decision."""
    entity = rows[list(spec.points.keys)]
    decided = pd.to_datetime(rows["decision_time"]).to_numpy("datetime64[us]")
    return pa.table(
        {
            "request_id": pa.array([f"{version}-{number:08d}" for number in range(len(rows))]),
            "version": pa.array([version] * len(rows), pa.string()),
            "arm": pa.array([arm.value] * len(rows), pa.string()),
            "entity": pa.array(_objects(entity), pa.string()),
            "features": pa.array(_objects(served), pa.string()),
            "freshness": pa.array(["{}"] * len(rows), pa.string()),
            "prediction": pa.array(predictions, pa.float64()),
            "latency_ms": pa.array([LATENCY_MS] * len(rows), pa.float64()),
            "decided_at": pa.array(decided).cast(pa.timestamp("us")).cast(INSTANT),
            "recorded_at": pa.array(decided + np.timedelta64(1, "s"))
            .cast(pa.timestamp("us"))
            .cast(INSTANT),
        }
    )


def _objects(rows: pd.DataFrame) -> list[str]:
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    return [json.dumps(record) for record in records]
