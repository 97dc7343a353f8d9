"""From a record of the inventory application to the board: a medicine that no model has met."""

from __future__ import annotations

import http.client
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import FixedClock
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.features.materialize import materialize
from pipelines.flows.serving.batch_score import score
from pipelines.flows.serving.board import write_board
from pipelines.wiring import connect, service_here
from tests.support.pharmacy import CLOCK, RICH, SECOND, Pharmacy
from tests.support.services.running import SERVING

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NEW = "a medicine <of today>"


@pytest.fixture
def pharmacy(answering: Pharmacy, tmp_path: Path) -> Pharmacy:
    """The answering pharmacy with a board, and a store of its own."""
    found = answering.twin(tmp_path)
    found.declare(RICH, serving=SERVING, board={"stock": "on_hand", "new_for": "7d"})
    return found


def read(port: int, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.headers["content-type"], answer.read().decode()


def sell(pharmacy: Pharmacy, where: str, packs: list[float]) -> None:
    """Records of the inventory application, one an hour: sales in the last hours before SECOND."""
    times = [SECOND + DAY - (5 + hour) * HOUR for hour in range(len(packs))]
    zoned = pa.timestamp("us", "UTC")
    columns: dict[str, Any] = {
        "dispensing_id": [f"new-{number}" for number in range(len(packs))],
        "quantity": packs,
        "price": [10.0] * len(packs),
        "dispensed_at": pa.array(times, zoned),
        "recorded_at": pa.array([at + HOUR for at in times], zoned),
    }
    known = {"pharmacy": where, "medicine": NEW, "region": "r", "chain": "c", "kind": "community"}
    columns |= {name: [value] * len(packs) for name, value in known.items()}
    write_events(LocalStore(Path(pharmacy.store)), "dispensing", pa.table(columns), "recorded_at")


def test_a_record_of_a_new_medicine_reaches_the_board_and_the_order(pharmacy: Pharmacy) -> None:
    """Materialization, scores, board and HTTP are the real ones."""
    earlier = connect(pharmacy.settings, clock=FixedClock(CLOCK.now() - DAY))
    for days in (13, 12):
        score("demand", SECOND - days * DAY, earlier.scoring)
    sell(pharmacy, "p001", [4.0, 3.0, 5.0])
    parts = connect(pharmacy.settings, clock=CLOCK)
    settings = pharmacy.settings.model_copy(update={"serve_models": "demand"})
    with service_here(settings, CLOCK) as (port, follow):
        follow()
        status, _, body = read(port, "/board/demand")
        assert (status, json.loads(body)["error"]) == (404, "no_board")
        assert read(port, "/board/other")[0] == 404

        materialize("demand", SECOND + DAY - HOUR, parts.materialization)
        score("demand", SECOND + DAY, parts.scoring)
        page = write_board("demand", parts.boards)

        status, kind, shown = read(port, "/board/demand")
        assert (status, kind) == (200, "text/html; charset=utf-8")
        assert page is not None
        assert shown == page.read_text(encoding="utf-8")
        status, kind, body = read(port, "/v1/models/demand/board")
        assert (status, kind) == (200, "application/json")
    board = json.loads(body)
    assert board["at"] == "2025-04-01T00:00:00Z" or board["at"].startswith(
        str((SECOND + DAY).date())
    )
    new = [one for one in board["entities"] if one["is_new"]]
    assert [one["keys"] for one in new] == [{"pharmacy": "p001", "medicine": NEW}]
    assert new[0]["stock"] is None
    assert new[0]["order"] == new[0]["prediction"] > 0
    known = [one for one in board["entities"] if one["stock"] is not None]
    assert len(known) > 50
    for one in known:
        assert one["order"] == pytest.approx(max(0.0, one["prediction"] - one["stock"]))
    assert [day["decided_at"][:10] for day in board["days"]] == [
        str((SECOND - days * DAY).date()) for days in (13, 12)
    ]
    assert sum(one["scored"] for one in board["entities"]) > 100
    assert board["shortages"]["scores"] >= board["shortages"]["without_order"] > 0
    assert "a medicine &lt;of today&gt;" in shown
    assert "<of today>" not in shown
