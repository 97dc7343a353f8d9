"""From a record of the inventory application to the board: a medicine that no model has met."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import FixedClock, instant_text
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.serving.batch_score import score
from pipelines.flows.serving.board import BoardCollaborators, write_board
from pipelines.wiring import connect, service_here
from tests.support.pharmacy import CLOCK, RICH, SECOND, Pharmacy, declaration
from tests.support.prediction_factory import logged_rows
from tests.support.services.running import SERVING

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NEW = "a medicine <of today>"


@pytest.fixture
def pharmacy(answering: Pharmacy, tmp_path: Path) -> Pharmacy:
    """The answering pharmacy with a board, and a store of its own."""
    found = answering.twin(tmp_path)
    declare(found)
    return found


def declare(pharmacy: Pharmacy, horizon: str = "7d", **changes: Any) -> None:
    label = declaration()["label"] | {"horizon": horizon}
    board = {"stock": "on_hand", "new_for": "7d"}
    pharmacy.declare(RICH, serving=SERVING, board=board, label=label, **changes)


def read_board(boards: BoardCollaborators) -> Any:
    page = write_board("demand", boards)
    assert page is not None
    return json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))


def pair(keys: Mapping[str, Any]) -> tuple[str, str]:
    return keys["pharmacy"], keys["medicine"]


def on_hand(pharmacy: Pharmacy, at: datetime) -> dict[tuple[str, str], float | None]:
    """The stock that each prediction used, from the prediction log."""
    rows = logged_rows(LocalStore(Path(pharmacy.store)))
    return {
        pair(json.loads(row["entity"])): json.loads(row["features"])["on_hand"]
        for row in rows
        if row["decided_at"] == at
    }


def sold(pharmacy: Pharmacy, at: datetime) -> float:
    """Packs that the pairs scored at an instant sold in the week after it, from the events."""
    scored = on_hand(pharmacy, at)
    files = sorted(Path(pharmacy.store).glob("dispensing/*/*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    within = [row for row in rows if at <= row["dispensed_at"] < at + 7 * DAY]
    return sum(row["quantity"] for row in within if pair(row) in scored)


def read(port: int, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.headers["content-type"], answer.read().decode()


def warehouse(board: Mapping[str, Any]) -> dict[str, float]:
    """What the warehouse is ordered to send of each medicine."""
    orders: dict[str, float] = {}
    for one in board["entities"]:
        medicine = one["keys"]["medicine"]
        orders[medicine] = orders.get(medicine, 0.0) + one["order"]
    return orders


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
    parts = connect(pharmacy.settings, clock=CLOCK)
    settings = pharmacy.settings.model_copy(update={"serve_models": "demand"})
    with service_here(settings, CLOCK) as (port, follow):
        follow()
        status, _, body = read(port, "/board/demand")
        assert (status, json.loads(body)["error"]) == (404, "no_board")
        assert read(port, "/board/other")[0] == 404

        score("demand", SECOND, earlier.scoring)
        write_board("demand", earlier.boards)
        before = json.loads(read(port, "/v1/models/demand/board")[2])
        sell(pharmacy, "p001", [4.0, 3.0, 5.0])
        score("demand", SECOND + DAY, parts.scoring)
        page = write_board("demand", parts.boards)

        status, kind, shown = read(port, "/board/demand")
        assert (status, kind) == (200, "text/html; charset=utf-8")
        assert page is not None
        assert shown == page.read_text(encoding="utf-8")
        status, kind, body = read(port, "/v1/models/demand/board")
        assert (status, kind) == (200, "application/json")
    board = json.loads(body)
    assert board["at"] == instant_text(SECOND + DAY)
    new = [one for one in board["entities"] if one["is_new"]]
    assert [one["keys"] for one in new] == [{"pharmacy": "p001", "medicine": NEW}]
    assert new[0]["stock"] is None
    assert new[0]["order"] == new[0]["prediction"] > 0
    assert before["at"] == instant_text(SECOND)
    assert NEW not in warehouse(before)
    assert warehouse(board)[NEW] == new[0]["order"]
    served = on_hand(pharmacy, SECOND + DAY)
    assert {pair(one["keys"]): one["stock"] for one in board["entities"]} == served
    assert len(served) > 50
    assert [(day["decided_at"], day["actual"]) for day in board["days"]] == [
        (instant_text(at), sold(pharmacy, at)) for at in (SECOND - 13 * DAY, SECOND - 12 * DAY)
    ]
    assert board["shortages"]["scores"] >= board["shortages"]["without_order"] > 0
    assert "a medicine &lt;of today&gt;" in shown
    assert "<of today>" not in shown

    coming = {"start": SECOND + 2 * DAY, "end": SECOND + 9 * DAY, "reason": "holidays"}
    declare(pharmacy, split={"train": "28d", "recent": "14d", "exclude": [coming]})
    assert read_board(parts.boards) == board, "the points of now are read, excluded or not"

    declare(pharmacy, horizon="5d")
    other = read_board(parts.boards)
    assert (other["days"], other["other_label"]) == ([], ["1"])
    assert [one["order"] for one in other["entities"]] == [
        one["order"] for one in board["entities"]
    ]
