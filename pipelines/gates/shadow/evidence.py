"""The evidence of a shadow: the challenger's predictions next to the champion's, per request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import quantile_test

from pipelines.core.arrays import Floats, Mask
from pipelines.core.findings import slug
from pipelines.core.time import Window, utc
from pipelines.data.reader import EventReader
from pipelines.gates.recent_window.slices import slice_values
from pipelines.gates.shadow.findings import (
    LEVEL,
    LatencyQuantile,
    Proportion,
    ShadowEvidence,
    SliceAgreement,
)
from pipelines.outcomes.log import PROPAGATION_TIME, EntityLog, entity_records, load_entity_log
from pipelines.outcomes.metrics import (
    MetricSource,
    loss_measure,
    open_metric_source,
)
from pipelines.packaging.version import ModelVersion
from pipelines.predictions.assignment import Allocation, in_shadow
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import Arm
from pipelines.stats.paired import PairedDifference, paired_difference
from pipelines.stats.undefined import Undefined

if TYPE_CHECKING:
    import pandas as pd

LATENCY_QUANTILE = 0.99
SHIPPING_MARGIN = timedelta(
    minutes=5
)  # a shadow prediction may reach the store in a later shipment than the champion's answer


def shadow_evidence(
    events: EventReader,
    version: ModelVersion,
    allocation: Allocation,
    since: datetime,
    as_of: datetime,
    *,
    champion: str,
) -> ShadowEvidence:
    """Compare the challenger's shadow predictions with the answers that were returned.

    Requests of the first hour count only from the first shadow prediction on, because a process
    may follow an older allocation until then. Entities of segments that are apart do not count:
    another version than the champion answers them, and the challenger will not.

    Arguments:
        events: reader of the prediction log and the streams.
        version: the challenger.
        allocation: the allocation that selects requests for shadow, and the segments apart.
        since: start of the shadow.
        as_of: the instant that the evidence refers to.
        champion: version number of the champion.

    Raises:
        ValueError: the challenger's declaration has no rollout.
    """
    spec = version.spec
    if spec.rollout is None:
        raise ValueError("the declaration has no rollout")
    shadow = spec.rollout.shadow
    log = load_entity_log(events, spec, Window(since, as_of))
    if log is None:
        return _no_shadow()
    is_shadow = (log.rows["arm"] == Arm.SHADOW.value) & (log.rows["version"] == version.number)
    shadow_rows = log.rows[is_shadow].drop_duplicates("request_id")
    request_rows = log.rows[log.rows["arm"] != Arm.SHADOW.value].drop_duplicates("request_id")
    latest = log.rows["event_time"].max() - SHIPPING_MARGIN
    begun = utc(since + PROPAGATION_TIME).replace(tzinfo=None)
    if len(shadow_rows):
        begun = min(begun, shadow_rows["event_time"].min())
    request_rows = request_rows[
        (request_rows["event_time"] >= begun) & (request_rows["event_time"] <= latest)
    ]
    request_rows = request_rows[_in_arms(log, allocation)[request_rows["code"].to_numpy()]]
    bases = request_rows["request_id"].map(_request_id)
    chosen = {base: in_shadow(base, allocation) for base in bases.unique()}
    request_rows = request_rows[bases.map(chosen).to_numpy(np.bool_)]
    answers = shadow_rows[["request_id", "prediction", "latency_ms"]]
    both = request_rows.merge(answers, on="request_id", suffixes=("", "_shadow"))
    if not len(both):
        return _no_shadow().model_copy(update={"requests": len(request_rows)})
    gap = np.abs((both["prediction_shadow"] - both["prediction"]).to_numpy(np.float64))
    apart = gap > shadow.tolerance if shadow.tolerance is not None else None
    losses, losses_missing = None, ""
    if not shadow.predictions_affect_outcomes:
        versions = (version.number, champion)
        name = spec.metric.name.value
        with open_metric_source(
            events, spec, as_of, versions, (name,), version.spec.classes
        ) as source:
            losses, losses_missing = _losses(source, name, EntityLog(both, log.entities))
    return ShadowEvidence(
        requests=len(request_rows),
        answered=len(both),
        mean_difference=float(gap.mean()),
        disagreeing=None if apart is None else Proportion(hits=int(apart.sum()), of=len(apart)),
        slices=tuple(slice_agreements(spec, EntityLog(both, log.entities), gap, apart)),
        champion_ms=latency_quantile(both["latency_ms"].to_numpy(np.float64)),
        challenger_ms=latency_quantile(both["latency_ms_shadow"].to_numpy(np.float64)),
        losses=losses,
        losses_missing=losses_missing,
    )


def _in_arms(log: EntityLog, allocation: Allocation) -> Mask:
    """Whether an entity can be in an arm of the canary, by code."""
    apart = allocation.apart
    if apart is None:
        return np.ones(len(log.entities), np.bool_)
    return np.array([not apart.contains(one) for one in entity_records(log.entities)], np.bool_)


def _losses(
    source: MetricSource, name: str, both: EntityLog
) -> tuple[PairedDifference | None, str]:
    """Compare the losses of both versions on the same requests, by the model's primary metric.

    Returns:
        The paired difference and an empty text; or None and the reason why there is none.
    """
    if loss_measure(source.spec, name).higher_is_better:
        return None, f"{name} ranks answers and is no loss of each: it cannot be paired"
    champion, matured = source.losses(name, both)
    shown = both.rows.assign(prediction=both.rows["prediction_shadow"])
    challenger, _ = source.losses(name, EntityLog(shown, both.entities))
    known = matured & ~np.isnan(champion)
    if not known.any():
        return None, f"none of {len(known)} requests has a matured label"
    days = both.rows["event_time"].to_numpy("datetime64[D]")[known]
    code = both.rows["code"].to_numpy()[known]
    try:
        found = paired_difference(-challenger[known], -champion[known], code, days, strict=False)
    except Undefined as undefined:
        return None, undefined.what
    return found, ""


def slice_agreements(
    spec: ModelSpec, both: EntityLog, gap: Floats, apart: Mask | None
) -> Iterator[SliceAgreement]:
    """Yield how far the challenger differs from the champion in each group of declared slices.

    Arguments:
        spec: declares the slices; they are named as in the recent window.
        both: rows with both predictions.
        gap: absolute difference of the predictions, shape (rows,).
        apart: rows that disagree, shape (rows,); None where no tolerance is declared.
    """
    served: list[dict[str, object]] = []
    for part in spec.slices:
        if part.column in spec.points.keys:
            values = both.entities[part.column].iloc[both.rows["code"].to_numpy()]
        else:
            served = served or [json.loads(text) for text in both.rows["features"]]
            values = _series([one.get(part.column) for one in served])
        groups = slice_values(part, values.reset_index(drop=True))
        for value, rows in groups.groupby(groups).groups.items():
            if len(rows) < part.minimum_rows:
                continue
            at = rows.to_numpy()
            counted = None if apart is None else Proportion(hits=int(apart[at].sum()), of=len(at))
            yield SliceAgreement(
                column=part.column,
                value=str(value),
                slug=slug(str(value)),
                disagreeing=counted,
                mean_difference=float(gap[at].mean()),
            )


def _series(values: list[object]) -> pd.Series:
    import pandas as pd

    return pd.Series(values, dtype=object)


def latency_quantile(latency: Floats) -> LatencyQuantile:
    """Return the 99 % quantile of independent latencies with distribution-free bounds, in ms.

    With few rows, no order statistic reaches the confidence level on one side. That bound is then
    the smallest or the largest latency.
    """
    test = quantile_test(latency, p=LATENCY_QUANTILE)
    bounds: Any = test.confidence_interval(LEVEL)  # scipy-stubs 1.17 declare it as a float
    return LatencyQuantile(
        value=float(np.quantile(latency, LATENCY_QUANTILE, method="inverted_cdf")),
        low=float(latency.min() if np.isnan(bounds.low) else bounds.low),
        high=float(latency.max() if np.isnan(bounds.high) else bounds.high),
    )


def _request_id(row: str) -> str:
    """Return the request of a log row, whose ID has the form ``<request>.<number>``."""
    return row.rpartition(".")[0] or row


def _no_shadow() -> ShadowEvidence:
    return ShadowEvidence(
        requests=0,
        answered=0,
        mean_difference=None,
        disagreeing=None,
        champion_ms=None,
        challenger_ms=None,
    )
