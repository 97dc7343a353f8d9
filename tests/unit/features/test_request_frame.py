"""Requests are decision points like any other: same features, same labels, at any instant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pandas as pd
import pytest

from pipelines.features.frame import build_frame
from pipelines.features.request_frame import logged_frame
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import WEEKDAY, declaration, sold

DAY = timedelta(days=1)
START = pd.Timestamp("2025-03-03")
AS_OF = datetime(2025, 3, 31, tzinfo=UTC)
KEYS = ["pharmacy", "medicine"]


def spec(**changes: object) -> ModelSpec:
    return ModelSpec.model_validate(declaration((WEEKDAY, sold(3)), **changes))


@pytest.fixture
def streams() -> dict[str, ibis.Table]:
    """Two pharmacies dispense one medicine: one pack at noon, three in the evening."""
    rows = [
        {
            "event_time": START + day * DAY + timedelta(hours=hour),
            "known_time": START + day * DAY + timedelta(hours=hour + 1),
            "dispensing_id": f"{shop}{day}{hour}",
            "pharmacy": shop,
            "medicine": "ramipril",
            "region": "north",
            "chain": "a",
            "kind": "community",
            "quantity": packs,
            "price": 1.0,
        }
        for day in range(20)
        for shop in ("one", "two")
        for hour, packs in ((12, 1.0), (18, 3.0))
    ]
    stock = {"event_time": [START], "known_time": [START], "pharmacy": ["one"]}
    stock |= {"medicine": ["ramipril"], "on_hand": [1.0]}
    connection = ibis.duckdb.connect()
    return {
        "dispensing": connection.create_table("dispensing", pd.DataFrame(rows)),
        "stock": connection.create_table("stock", pd.DataFrame(stock)),
    }


def rows(table: ibis.Table) -> pd.DataFrame:
    found: pd.DataFrame = table.to_pandas()
    return found.sort_values(["decision_time", *KEYS], ignore_index=True)


@pytest.mark.parametrize("serving", [None, {"every": "6h", "delay": "30m"}])
def test_requests_at_decision_points_have_their_features_and_labels(
    streams: dict[str, ibis.Table], serving: dict[str, str] | None
) -> None:
    declared = spec(serving=serving)
    frame = build_frame(declared.frame, streams, AS_OF)
    requested = frame.select(*KEYS, "decision_time")
    pd.testing.assert_frame_equal(
        rows(logged_frame(declared.frame, streams, requested, AS_OF)), rows(frame)
    )


def test_a_request_between_decision_points_sees_what_is_known_at_its_instant(
    streams: dict[str, ibis.Table],
) -> None:
    # From Tuesday 13:30 on, three days back: Saturday's evening, then Sunday to Tuesday noon.
    requested = START + 8 * DAY + timedelta(hours=13, minutes=30)
    requests = pd.DataFrame(
        {"pharmacy": ["one", "nowhere"], "medicine": "ramipril", "decision_time": requested}
    )
    found = rows(logged_frame(spec().frame, streams, ibis.memtable(requests), AS_OF))
    by_shop: Any = found.set_index("pharmacy")
    assert by_shop.loc["one", "sold"] == 3.0 + 4.0 + 4.0 + 1.0
    assert pd.isna(by_shop.loc["nowhere", "sold"])
    assert by_shop.loc["one", "label"] == 7 * 4.0, "seven days of four packs follow any instant"


def test_the_same_request_twice_is_one_row(streams: dict[str, ibis.Table]) -> None:
    requests = pd.DataFrame(
        {"pharmacy": ["one", "one"], "medicine": "ramipril", "decision_time": START + 8 * DAY}
    )
    assert len(rows(logged_frame(spec().frame, streams, ibis.memtable(requests), AS_OF))) == 1


def test_a_declared_stream_can_be_called_requests(streams: dict[str, ibis.Table]) -> None:
    declared, events = spec().frame, {"requests": streams["dispensing"], **streams}
    several = replace(
        declared, streams={"requests": declared.streams["dispensing"], **declared.streams}
    )
    requests = pd.DataFrame(
        {"pharmacy": ["one"], "medicine": "ramipril", "decision_time": [START + 8 * DAY]}
    )
    one = ibis.memtable(requests)
    pd.testing.assert_frame_equal(
        rows(logged_frame(several, events, one, AS_OF)),
        rows(logged_frame(declared, streams, one, AS_OF)),
    )
