"""Which rows a contract is about: the fresh ones, in a retraining and in ``gauntlet check``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import ibis
import pyarrow as pa

from pipelines.flows.retrain.contract import fresh_rows
from pipelines.spec.load import load_model

SPEC = load_model(Path(__file__).parents[4] / "models" / "demand.yaml")


def test_fresh_is_what_became_known_within_the_declared_days_whenever_it_happened() -> None:
    assert SPEC.gates.contract.lookback.days == 7
    happened = datetime(2025, 1, 1)  # noqa: DTZ001 - tables carry UTC without a zone
    known = [datetime(2025, 3, 3), datetime(2025, 3, 3, 0, 0, 1), datetime(2025, 3, 10)]  # noqa: DTZ001
    table = ibis.memtable(pa.table({"event_time": [happened] * 3, "known_time": known}))
    fresh = fresh_rows(SPEC, {"dispensing": table}, datetime(2025, 3, 10, tzinfo=UTC))
    assert sorted(fresh["dispensing"].known_time.to_pyarrow().to_pylist()) == known[1:]
