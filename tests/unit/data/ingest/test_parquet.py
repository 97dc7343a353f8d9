"""Parquet files: every accepted type has the values that Arrow itself reads; others are refused."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError
from tests.support.imports import Imports

FIELD = ("1.10", "-2.20", "300.00")


def numbers(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(numbers(*FIELD), pa.decimal256(39, 2)), [1.1, -2.2, 300.0]),
        (pa.array(numbers(*FIELD), pa.decimal256(76, 2)), [1.1, -2.2, 300.0]),
        (pa.array(numbers(*FIELD), pa.decimal128(38, 20)), [1.1, -2.2, 300.0]),
        (pa.array(numbers(*FIELD), pa.decimal64(18, 2)), [1.1, -2.2, 300.0]),
        (pa.array(numbers(*FIELD), pa.decimal32(9, 2)), [1.1, -2.2, 300.0]),
        (pa.array(numbers("0.000000000012"), pa.decimal256(60, 30)), [1.2e-11]),
        (pa.array(numbers("1" + "0" * 40), pa.decimal256(50, 0)), [1e40]),
        (pa.array([2**64 - 1], pa.uint64()), [2.0**64]),
        (pa.array([2**53 + 1], pa.int64()), [2.0**53]),
        (pa.array(np.array([1.5, -0.25], np.float16)), [1.5, -0.25]),
        (pa.array([0.1], pa.float32()), [float(np.float32(0.1))]),
        (pa.array([1.5, None, float("nan")]), [1.5, None, None]),
        (pa.array([1.5, 2.5, 1.5]).dictionary_encode(), [1.5, 2.5, 1.5]),
        (pa.array([200], pa.uint8()), [200.0]),
        (pa.array(["1.5", "2"], pa.string_view()), [1.5, 2.0]),
        (pa.array([None, None], pa.null()), [None, None]),
    ],
    ids=lambda one: str(one.type) if isinstance(one, pa.Array) else "",
)
def test_a_float_has_the_value_of_every_type_of_number(
    imports: Imports,
    values: pa.Array,
    expected: list[float | None],
) -> None:
    imports.run(imports.parquet(price=values))
    assert [row["price"] for row in imports.rows()] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([3.0, None, -(2.0**53)]), [3, None, -(2**53)]),
        (pa.array(np.array([7.0], np.float16)), [7]),
        (pa.array(numbers("5.00", "-6.00"), pa.decimal256(40, 2)), [5, -6]),
        (pa.array(numbers("0"), pa.decimal128(38, 30)), [0]),
        (pa.array([2**63 - 1], pa.uint64()), [2**63 - 1]),
        (pa.array(["4.0", " 5 "], pa.large_string()), [4, 5]),
    ],
    ids=lambda one: str(one.type) if isinstance(one, pa.Array) else "",
)
def test_an_integer_is_read_from_whole_numbers_of_every_type(
    imports: Imports,
    values: pa.Array,
    expected: list[int | None],
) -> None:
    imports.run(imports.parquet(units=values))
    assert [row["units"] for row in imports.rows()] == expected


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.5]),
        pa.array([2.0**53 + 2]),
        pa.array([float("inf")]),
        pa.array([2**63], pa.uint64()),
        pa.array(numbers("0.50"), pa.decimal256(40, 2)),
        pa.array(numbers("9223372036854775808"), pa.decimal128(38, 0)),
    ],
    ids=lambda one: f"{one.type} {one[0]}",
)
def test_a_number_that_is_no_integer_of_64_bits_is_a_mistake(
    imports: Imports,
    values: pa.Array,
) -> None:
    with pytest.raises(DataError, match=r"units: not a whole number.*sales.parquet row 1: '"):
        imports.run(imports.parquet(units=values))


TEXTS = ["Łódź 3", "日本", "", None]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(TEXTS, pa.string_view()),
        pa.array(TEXTS, pa.large_string()),
        pa.array(TEXTS).dictionary_encode(),
        pa.array(TEXTS, pa.large_string()).dictionary_encode(),
        pa.array([text and text.encode() for text in TEXTS[:2]] + [b"", None], pa.binary()),
        pa.array([text and text.encode() for text in TEXTS[:2]] + [b"", None], pa.large_binary()),
    ],
    ids=lambda one: str(one.type),
)
def test_text_of_every_kind_is_read(imports: Imports, values: pa.Array) -> None:
    imports.run(imports.parquet(shop=values))
    assert [row["shop"] for row in imports.rows()] == TEXTS


def test_text_of_a_fixed_width_and_uuids(imports: Imports) -> None:
    imports.run(imports.parquet("a.parquet", shop=pa.array([b"abcd", None], pa.binary(4))))
    one = uuid.UUID(int=1)
    imports.run(imports.parquet("b.parquet", sale=["t"], shop=pa.array([one.bytes], pa.uuid())))
    assert [row["shop"] for row in imports.rows()] == ["abcd", None, str(one)]


def test_identifiers_may_be_numbers(imports: Imports) -> None:
    imports.run(imports.parquet("a.parquet", shop=pa.array([7, -8])))
    imports.run(imports.parquet("b.parquet", sale=["t", "u"], shop=pa.array([9.0, None])))
    exact = pa.array([2**64 - 1], pa.uint64())
    imports.run(imports.parquet("c.parquet", sale=["v"], shop=exact))
    shops = [row["shop"] for row in imports.rows()]
    assert shops == ["7", "-8", "9", None, "18446744073709551615"]


def test_bytes_that_are_no_text_are_a_mistake_of_their_row(
    imports: Imports,
) -> None:
    values = pa.array([b"ok", b"\xff\xfe", b"a\0b"], pa.binary())
    with pytest.raises(DataError) as raised:
        imports.run(imports.parquet(shop=values))
    assert "2 of 3 rows" in raised.value.what
    assert "row: column 'shop' has bytes that are not UTF-8 text; 1 row" in raised.value.got
    assert "shop: text with a NUL byte; 1 row, such as sales.parquet row 3" in raised.value.got


@pytest.mark.parametrize(
    "values",
    [
        pa.array([timedelta(1)], pa.duration("us")),
        pa.array([time(10)], pa.time64("us")),
        pa.array([[1.0]]),
        pa.array([{"a": 1.0}]),
        pa.array([[("a", 1.0)]], pa.map_(pa.string(), pa.float64())),
    ],
    ids=lambda one: str(one.type),
)
def test_a_type_that_cannot_be_held_is_refused_by_name(
    imports: Imports,
    values: pa.Array,
) -> None:
    with pytest.raises(DataError, match="'price' has a type that cannot be imported") as raised:
        imports.run(imports.parquet(price=values))
    assert raised.value.got.startswith(str(values.type).partition("<")[0])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Lisbon", "+05:30"])
def test_instants_of_every_unit_and_zone(imports: Imports, unit: Any, zone: str) -> None:
    size = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}[unit]
    known = pa.array([2_000_000_000 * size + size // 1_000_000], pa.timestamp(unit, zone))
    before = pa.array([-1 * size], pa.timestamp(unit, zone))
    imports.run(imports.parquet(sold_at=before, told_at=known))
    [row] = imports.rows()
    assert row["event_time"] == datetime(1969, 12, 31, 23, 59, 59)  # noqa: DTZ001
    extra = timedelta(microseconds=1 if unit in ("us", "ns") else 0)
    assert row["known_time"] == datetime(2033, 5, 18, 3, 33, 20) + extra  # noqa: DTZ001


def test_dates_and_times_without_a_zone_need_one(imports: Imports) -> None:
    file = imports.parquet(sold_at=pa.array([date(2026, 7, 1)]))
    with pytest.raises(DataError, match="sold_at: the time has no zone"):
        imports.run(file)
    with pytest.raises(DataError, match="known before it happened"):
        imports.run(file, zones={"": "Europe/Berlin"})
    naive = pa.array([datetime(2026, 7, 1, 10)], pa.timestamp("ns"))  # noqa: DTZ001
    file = imports.parquet(sold_at=naive, told_at=naive)
    imports.run(file, zones={"": "Europe/Berlin"})
    assert imports.rows()[0]["event_time"] == datetime(2026, 7, 1, 8)  # noqa: DTZ001


@pytest.mark.parametrize("epoch_s", [253_402_300_800, 568_971_820_800, -62_135_596_800])
@pytest.mark.parametrize("column", ["sold_at", "told_at"])
def test_an_instant_that_other_readers_cannot_hold_is_refused(
    imports: Imports,
    column: str,
    epoch_s: int,
) -> None:
    """The years 10000, 20000 and 1."""
    times = pa.array([epoch_s * 1000], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    with pytest.raises(DataError, match=f"{column}: the time is not in the years 1000 to 9999"):
        imports.run(imports.parquet(**dict[str, Any]({column: times})))


def test_int96_times_of_old_writers(imports: Imports) -> None:
    table = pq.read_table(imports.parquet(units=[1]))
    pq.write_table(table, imports.folder / "old.parquet", use_deprecated_int96_timestamps=True)
    imports.run(imports.folder / "old.parquet", zones={"": "UTC"})
    assert imports.rows()[0]["event_time"] == datetime(2026, 2, 1)  # noqa: DTZ001


def test_date_and_time_in_two_columns(imports: Imports) -> None:
    table = pq.read_table(imports.parquet(units=[1])).drop_columns(["sold_at"])
    table = table.append_column("day", pa.array([date(2026, 1, 31)]))
    table = table.append_column("clock", pa.array([time(10, 30)], pa.time32("s")))
    pq.write_table(table, imports.folder / "two.parquet")
    imports.run(imports.folder / "two.parquet", columns={"sold_at": "day+clock"}, zones={"": "UTC"})
    assert imports.rows()[0]["event_time"] == datetime(2026, 1, 31, 10, 30)  # noqa: DTZ001


def test_a_damaged_parquet_file(imports: Imports) -> None:
    whole = imports.parquet(units=[1]).read_bytes()
    with pytest.raises(DataError, match="a Parquet file cannot be read"):
        imports.run(imports.file(whole[:-40] + whole[-20:], "cut.parquet"))


def test_a_missing_number_is_missing_whatever_its_type(imports: Imports) -> None:
    values: dict[str, Any] = {
        "price": pa.array([-200.0, 1.0, None]),
        "units": pa.array([-200, 5, None]),
    }
    report = imports.run(imports.parquet(**values), missing={"": ("-200", "NA")})
    assert [(row["price"], row["units"]) for row in imports.rows()] == [
        (None, None),
        (1.0, 5),
        (None, None),
    ]
    assert report.notes == ("--missing NA concerns no value in any file",)


def test_a_type_hint_names_the_option_for_epoch_times(
    imports: Imports,
    tmp_path: Path,
) -> None:
    file = imports.parquet(sold_at=pa.array([1_740_823_200]))
    with pytest.raises(DataError, match=r"--time-format sold_at=epoch_s"):
        imports.run(file)
    imports.run(file, time_formats={"sold_at": "epoch_s"})
    assert imports.rows()[0]["event_time"].replace(tzinfo=UTC) == datetime(
        2025, 3, 1, 10, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (pa.array([20260131]), None),
        (pa.array([20260131.0]), None),
        (pa.array([Decimal(20260131)]), None),
        (pa.array([20260131.5]), "not a time as %Y%m%d"),
        (pa.array([20260231]), "not a time as %Y%m%d"),
    ],
    ids=str,
)
def test_dates_that_are_numbers(imports: Imports, values: pa.Array, problem: str | None) -> None:
    """With the format for every time, which the column of instants does not need."""
    file = imports.parquet(sold_at=values)
    reading: dict[str, Any] = {"time_formats": {"": "%Y%m%d"}, "zones": {"": "UTC"}}
    if problem:
        with pytest.raises(DataError, match=problem):
            imports.run(file, **reading)
        return
    imports.run(file, **reading)
    assert imports.rows()[0]["event_time"] == datetime(2026, 1, 31)  # noqa: DTZ001
