"""The other side of ``features.py``: Feast, in an environment of its own (it needs pandas 2).

python with_feast.py <task.json> <out.json>
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64
from measuring import Meter, latencies

logging.disable(logging.WARNING)


def main() -> None:
    """Fill a store from finished values and read from it."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(task["folder"])
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store=task["store"],
        offline_store={"type": "file"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    kinds = {"count_7d": Int64, "sum_28d": Float64, "last": Float64}
    view = FeatureView(
        name="spent",
        entities=[user],
        ttl=timedelta(days=3650),
        schema=[
            Field(name="user", dtype=Int64),
            *(Field(name=name, dtype=kind) for name, kind in kinds.items()),
        ],
        source=FileSource(path=task["values"], timestamp_field="event_timestamp"),
    )
    store.apply([user, view])
    meter, as_of = Meter(), datetime.fromisoformat(task["as_of"])
    with meter.step(task["step"]):
        store.materialize(as_of - timedelta(days=1), as_of.astimezone(UTC))
    names = [f"spent:{name}" for name in kinds]

    def read(users: list[int]) -> dict[str, list[Any]]:
        found = store.get_online_features(names, [{"user": user} for user in users]).to_dict()
        return {name: found[name] for name in kinds}

    report = meter.as_json() | latencies(read, task["users"])
    Path(sys.argv[2]).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
