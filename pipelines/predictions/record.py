"""One prediction, as the service writes it to the journal."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Instant, Record, canonical_json
from pipelines.spec.fields import Scalar
from pipelines.spec.predictions import Arm, prediction_log

COLUMNS = tuple(prediction_log("any").columns)
_STORED = dict.fromkeys(COLUMNS, lambda value: value) | {
    "arm": str,
    "entity": canonical_json,
    "features": canonical_json,
    "freshness": canonical_json,
}


class Prediction(Record):
    """The prediction of one version for one request, with the features that it used."""

    request_id: str = Field(min_length=1, description="the service's own: no two requests share it")
    version: str = Field(min_length=1)
    arm: Arm
    decided_at: Instant = Field(description="the decision point's instant")
    entity: dict[str, Scalar] = Field(min_length=1, description="the keys that were asked about")
    features: dict[str, Scalar | None] = Field(description="as served; null where one was missing")
    freshness: dict[str, float | None] = Field(
        default={}, description="age of each online view, s; null where it had nothing"
    )
    prediction: float
    latency_ms: float = Field(ge=0, description="from the request's arrival to its answer")

    def values(self) -> tuple[str | float, ...]:
        """The values of the log's columns, in the order of its declaration.

        Raises:
            ValueError: when a feature is a number but not finite.
        """
        return tuple(_STORED[name](getattr(self, name)) for name in COLUMNS)
