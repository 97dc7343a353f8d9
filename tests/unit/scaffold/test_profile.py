"""Names, types, gaps and values of the columns of a file."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError, GauntletError
from pipelines.data.ingest.reading import ReadOptions
from pipelines.scaffold.examine import examined
from pipelines.spec.fields import ColumnType

HEADER = "id,sold_at,shop,units,price,paid"
ROWS = [f"{n},2026-01-{n:02}T10:00:00Z,s{n % 3},{n % 5},{n / 4},{n % 2 == 0}" for n in range(1, 29)]


def test_each_column_has_the_narrowest_type_that_reads_it(examine: Callable[..., Any]) -> None:
    with examine(HEADER, ROWS) as file:
        kinds = {one.name: one.kind for one in file.profile.columns}
    assert kinds == {
        "id": ColumnType.INTEGER,
        "sold_at": ColumnType.TIMESTAMP,
        "shop": ColumnType.STRING,
        "units": ColumnType.INTEGER,
        "price": ColumnType.FLOAT,
        "paid": ColumnType.BOOLEAN,
    }


def test_counts_of_values_and_gaps(examine: Callable[..., Any]) -> None:
    with examine(HEADER, [*ROWS, "29,2026-01-29T10:00:00Z,,7,1.5,true"]) as file:
        shop, units = file.profile.column("shop"), file.profile.column("units")
    assert (shop.distinct, shop.values) == (3, ("s0", "s1", "s2"))
    assert shop.missing == pytest.approx(1 / 29)
    assert (units.smallest, units.largest) == ("0", "7")


@pytest.mark.parametrize(
    ("text", "pattern", "zoned"),
    [
        ("2026-01-{:02}T10:00:00+01:00", None, True),
        ("2026-01-{:02} 10:00", None, False),
        ("{:02}/01/2026 10:00", "%d/%m/%Y %H:%M", False),
        ("01/{:02}/2026 10:00:00", "%m/%d/%Y %H:%M:%S", False),
        ("202601{:02}", "%Y%m%d", False),
        ("17674{:02}000", "epoch_s", True),
        ("17674{:02}000000", "epoch_ms", True),
    ],
)
def test_formats_of_times(
    examine: Callable[..., Any], text: str, pattern: str | None, zoned: bool
) -> None:
    with examine("sold_at,units", [f"{text.format(day)},{day}" for day in range(10, 29)]) as file:
        column = file.profile.column("sold_at")
    assert (column.kind, column.reading.time_format) == (ColumnType.TIMESTAMP, pattern)
    assert column.zoned is zoned


def test_a_date_and_a_clock_are_one_time(examine: Callable[..., Any]) -> None:
    rows = [f"{day:02}/03/2026,18.{day}.00,{day}" for day in range(10, 29)]
    with examine("Date,Time,units", rows) as file:
        joined = file.profile.columns[0]
    assert joined.reading.source == "Date+Time"
    assert joined.smallest == "2026-03-10 18:10"


def test_a_column_with_a_plus_in_its_name(examine: Callable[..., Any]) -> None:
    rows = [f"2026-01-{day:02}T10:00:00Z,{day / 4},{day}" for day in range(10, 29)]
    with examine("sold_at,a+b,units", rows) as file:
        column = file.profile.column("a+b")
    assert (column.kind, column.smallest, column.largest) == (ColumnType.FLOAT, "2.5", "7.0")


@pytest.mark.parametrize("header", ["Date+1,Time,units", "Date,Time,Date+Time"])
def test_two_columns_that_import_cannot_join_are_not_joined(
    examine: Callable[..., Any], header: str
) -> None:
    rows = [f"{day:02}/03/2026,18.{day}.00,{day}" for day in range(10, 29)]
    with examine(header, rows) as file:
        assert [one.reading.source for one in file.profile.columns] == header.split(",")


def test_a_day_and_a_month_that_could_be_swapped_are_listed(examine: Callable[..., Any]) -> None:
    with examine("day,units", [f"0{n}/0{m}/2026,1" for n in range(1, 7) for m in (1, 2)]) as file:
        assert file.profile.column("day").formats == ("%d/%m/%Y", "%m/%d/%Y")


def test_usual_words_for_a_missing_value(examine: Callable[..., Any]) -> None:
    rows = [f"2026-01-{n:02}T10:00:00Z,{'NA' if n % 7 == 0 else n}" for n in range(1, 29)]
    with examine("sold_at,units", rows) as file:
        units = file.profile.column("units")
    assert (units.kind, units.reading.missing) == (ColumnType.INTEGER, ("NA",))
    assert units.missing == pytest.approx(4 / 28)


def test_a_value_of_another_type_among_many_is_counted(examine: Callable[..., Any]) -> None:
    rows = [f"2026-01-{1 + n % 28:02}T10:00:00Z,{n if n else 'broken'}" for n in range(300)]
    with examine("sold_at,units", rows) as file:
        units = file.profile.column("units")
    assert units.kind is ColumnType.INTEGER
    assert units.unreadable == pytest.approx(1 / 300)


@pytest.mark.parametrize("rows", [[], ["", ""]])
def test_a_file_without_rows(examine: Callable[..., Any], rows: list[str]) -> None:
    with pytest.raises(DataError, match="no row"), examine("sold_at,units", rows):
        pass


def test_a_column_without_a_value_is_no_time_of_day(examine: Callable[..., Any]) -> None:
    rows = [f"2026-01-{n:02} 00:00:00+00,{n},," for n in range(1, 29)]
    with examine("sold_at,units,note,other", rows) as file:
        columns = file.profile.columns
    assert [one.name for one in columns] == ["sold_at", "units", "note", "other"]
    assert columns[0].zoned


def test_a_time_and_another_clock_are_not_joined(examine: Callable[..., Any]) -> None:
    rows = [f"2026-01-{n:02} 10:{n}:00,11:{n},{n}" for n in range(10, 29)]
    with examine("sold_at,closes,units", rows) as file:
        assert file.profile.columns[0].reading.source == "sold_at"


def test_rows_that_an_import_would_refuse_are_counted(examine: Callable[..., Any]) -> None:
    rows = [f"2026-01-{1 + n % 28:02}T10:00:00Z,{n or 'broken'}" for n in range(300)]
    with examine("sold_at,units", [*rows, "2026-01-01T10:00:00Z", "a,b,c"]) as file:
        profile = file.profile
    assert (profile.rows, profile.broken, profile.mistaken) == (300, 2, 1)
    assert profile.refused_share == pytest.approx(3 / 302)


def test_a_sample_does_not_depend_on_the_numbers_of_lines(examine: Callable[..., Any]) -> None:
    rows = [f'2026-01-{1 + n % 28:02}T10:00:00Z,"two\nlines",{n}' for n in range(40_000)]
    with examine("sold_at,note,units", rows) as file:
        assert file.profile.column("sold_at").kind is ColumnType.TIMESTAMP


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zones": {"": "Nowhere/X"}}, "no such time zone"),
        ({"delimiter": "ab"}, "a delimiter cannot be used"),
        ({"encoding": "xx"}, "no such encoding"),
    ],
)
def test_an_impossible_option(
    examine: Callable[..., Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(GauntletError, match=message), examine(HEADER, ROWS, **options):
        pass


def parquet(file: Path, **columns: Any) -> Path:
    """A file of 28 days with more columns."""
    days = pa.array([datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(28)])
    content: dict[str, Any] = {"sold_at": days, "units": [1.0, 2.0] * 14, **columns}
    pq.write_table(pa.table(content), file)
    return file


def test_bytes_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    """Such as keys and geometries: as text no row could be read. Bytes can be text, too."""
    key, text, odd = b"\x00\xff", b"shop", b"\xfe"
    file = parquet(
        tmp_path / "a.parquet", key=[key] * 28, shop=[text] * 27 + [odd], none=[None] * 28
    )
    with examined(file, ReadOptions()) as found:
        profile = found.profile
    assert [one.name for one in profile.columns] == ["sold_at", "units", "shop", "none"]
    assert (profile.rows, profile.broken) == (27, 1)


@pytest.mark.parametrize(
    "bytes_type",
    [
        pa.large_binary(),
        pa.binary(4),
        pa.binary_view(),
        pa.dictionary(pa.int8(), pa.binary()),
    ],
    ids=str,
)
def test_bytes_of_every_type_are_text_or_left_out(tmp_path: Path, bytes_type: Any) -> None:
    def column(value: bytes) -> Any:
        if not pa.types.is_dictionary(bytes_type):
            return pa.array([None, *[value] * 27], bytes_type)
        words = pa.array([value], bytes_type.value_type)
        return pa.DictionaryArray.from_arrays(pa.array([None, *[0] * 27], pa.int8()), words)

    file = parquet(tmp_path / "a.parquet", shop=column(b"shop"), key=column(b"\x00\xff\x00\xff"))
    with examined(file, ReadOptions()) as found:
        assert [one.name for one in found.profile.columns] == ["sold_at", "units", "shop"]


def test_a_file_whose_bytes_are_damaged_cannot_be_read(tmp_path: Path) -> None:
    """Its footer is whole."""
    file = parquet(tmp_path / "a.parquet", shop=[b"shop of the first street"] * 28)
    content = file.read_bytes()
    at = content.index(b"first street")
    file.write_bytes(content[: at - 40] + b"\xff" * 60 + content[at + 20 :])
    with (
        pytest.raises(DataError, match="a Parquet file cannot be read"),
        examined(file, ReadOptions()),
    ):
        pass


def test_a_file_without_a_readable_row_is_reported(tmp_path: Path) -> None:
    odd = [b"shop", b"\xfe"]  # in every row one of the two columns is no text
    file = parquet(tmp_path / "a.parquet", one=odd * 14, two=odd[::-1] * 14)
    with (
        pytest.raises(DataError, match="no row that can be read") as caught,
        examined(file, ReadOptions()),
    ):
        pass
    assert caught.value.got == "28 rows that an import refuses"
