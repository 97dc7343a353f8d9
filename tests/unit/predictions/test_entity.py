"""Entities with keys of every type, from a request to the prediction log and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.core.time import FixedClock
from pipelines.features.online.store import OnlineRow, ViewState
from pipelines.gates.availability.parity import logged_requests
from pipelines.outcomes.log import assign_entities
from pipelines.predictions.assignment import Allocation, Ramp, arm_of
from pipelines.predictions.entity import entity_json, entity_values
from pipelines.predictions.journal import Journal
from pipelines.serving.batch import score_entities
from pipelines.serving.loaded_version import LoadedVersion
from pipelines.serving.plan import ServingPlan
from pipelines.serving.service import Deployed, ModelService
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import Arm
from pipelines.spec.views import definition_of, feature_views
from tests.support.pharmacy import declaration, sold
from tests.support.prediction_factory import NOON
from tests.support.services.model import RecordingMetrics, serving_of

LEAVES = datetime(2026, 1, 5, 6, tzinfo=UTC)
KEYS = [
    ("timestamp", "2026-01-05T07:00:00+01:00", LEAVES, "2026-01-05T06:00:00Z"),
    ("timestamp", "2026-01-05", datetime(2026, 1, 5, tzinfo=UTC), "2026-01-05T00:00:00Z"),
    ("boolean", True, True, True),
    ("float", 2.5, 2.5, 2.5),
    ("integer", 7.0, 7, 7),
    ("string", "Łódź", "Łódź", "Łódź"),
]


def spec_of(kind: str) -> ModelSpec:
    """The demand of a medicine that is identified by a key of some type."""
    feature = sold(3) | {"by": ["pharmacy", "medicine"]}
    declared = declaration((feature,), serving={"every": "1h", "delay": "15m"})
    declared["streams"]["dispensing"]["columns"]["medicine"] = kind
    return ModelSpec.model_validate(declared)


def deployed_of(spec: ModelSpec) -> Deployed:
    version = LoadedVersion(
        "7",
        "0" * 64,
        spec,
        lambda rows: np.array([row["sold"] for row in rows], np.float64),
        is_compiled=False,
    )
    plan = ServingPlan(
        model="demand",
        champion=serving_of("7"),
        challenger=serving_of("7"),
        allocation=Allocation(salt="spring", share=0.5),
    )
    return Deployed(plan, version, version)


def store_of(spec: ModelSpec, key: Any) -> MemoryOnline:
    store, [view] = MemoryOnline(), feature_views(spec)
    definitions = tuple(definition_of(spec, one) for one in view.features)
    state = ViewState(f"demand.{view.name}", NOON, NOON, definitions)
    store.write(state, [OnlineRow(("p", key), (4.0,), NOON, NOON)], [], replaces=None)
    return store


@pytest.mark.parametrize(("kind", "sent", "stored", "logged"), KEYS)
def test_a_key_of_any_type_is_served_logged_and_read_back(
    kind: str, sent: Any, stored: Any, logged: Any, tmp_path: Path
) -> None:
    spec, made = spec_of(kind), []
    with Journal(tmp_path / "demand.db") as journal:

        def record(predictions: Any) -> None:
            made.extend(predictions)
            journal.append(predictions)

        service = ModelService(
            "demand",
            store=store_of(spec, stored),
            record=record,
            clock=FixedClock(NOON),
            metrics=RecordingMetrics(),
            run_later=lambda _: True,
        )
        service.deployed = deployed_of(spec)
        [answer] = service.answer([{"pharmacy": "p", "medicine": sent}], "r")
        assert answer.prediction == 4.0
        assert journal.backlog().rows == 1
    [row] = made
    assert row.entity == {"pharmacy": "p", "medicine": logged}
    assert row.arm is arm_of(row.entity, service.deployed.plan.allocation)

    plain = stored.replace(tzinfo=None) if isinstance(stored, datetime) else stored
    types = spec.point_stream.columns
    assert entity_values(row.entity, types) == {"pharmacy": "p", "medicine": plain}
    frame = pd.DataFrame({"pharmacy": ["p"], "medicine": [plain], "decision_time": [NOON]})
    frame["decision_time"] = frame["decision_time"].dt.tz_localize(None)
    log = pd.DataFrame(
        {
            "entity": [row.values()[3]],
            "features": ["{}"],
            "event_time": frame["decision_time"],
        }
    )
    assert len(logged_requests(spec, frame, log)[0]) == 1, "parity does not find the point"

    entities = pd.DataFrame([entity_values(row.entity, types)])
    assigned = assign_entities(entities, Ramp(salt="spring", since=(NOON,), shares=(0.5,)))
    assert bool(assigned.challenger[0]) == (row.arm is Arm.CHALLENGER)

    [batch] = score_entities(
        deployed_of(spec), store_of(spec, stored), [{"pharmacy": "p", "medicine": plain}], NOON
    )
    assert (batch.entity, batch.prediction, batch.arm) == (row.entity, 4.0, row.arm)


def test_an_instant_without_a_zone_is_in_utc() -> None:
    assert entity_json({"at": LEAVES.replace(tzinfo=None)}) == entity_json({"at": LEAVES})
    assert entity_values({"at": None}, {"at": ColumnType.TIMESTAMP}) == {"at": None}
