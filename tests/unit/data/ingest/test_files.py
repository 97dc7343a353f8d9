"""Bringing foreign files in: what is understood, what is refused, and what happens twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.counts import counted
from pipelines.core.errors import DataError, TimeError
from pipelines.data.objects import StoredObject
from pipelines.spec.model import ModelSpec
from tests.support.imports import COLUMNS, Imports

HEAD = "sale,shop,units,price,sold_at,told_at\n"
GOOD = (
    HEAD + "s1,north,3,1.5,2026-01-05T10:00:00Z,2026-01-05T11:00:00Z\n"
    "s2,south,,2,2026-01-05T12:00:00+02:00,2026-01-06T00:00:00.25Z\n"
    "s3,south,4.0,,2026-01-06 09:00 +00:00,2026-01-06 09:30Z\n"
)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_csv_file_becomes_rows_of_a_stream(imports: Imports) -> None:
    reported: list[str] = []
    report = imports.run(imports.file(GOOD), reported=reported)
    assert (report.rows, report.written, report.already_there) == (3, 3, 0)
    assert report.known_time == "column told_at"
    assert [one.key[:20] for one in report.objects] == [
        "sales/dt=2026-01-05/",
        "sales/dt=2026-01-06/",
    ]
    first, second, third = imports.rows()
    assert first == {
        "event_time": _at("2026-01-05T10:00"),
        "known_time": _at("2026-01-05T11:00"),
        "sale": "s1",
        "shop": "north",
        "units": 3,
        "price": 1.5,
    }
    assert (second["event_time"], second["known_time"]) == (
        _at("2026-01-05T10:00"),
        _at("2026-01-06T00:00:00.250"),
    )
    assert second["units"] is None
    assert (third["units"], third["price"]) == (4, None)
    assert third["known_time"] == _at("2026-01-06T09:30")
    assert any("1 of 1 files" in line for line in reported)
    assert any("2 of 2 days" in line for line in reported)


def test_a_file_from_a_spreadsheet(imports: Imports) -> None:
    """A byte order mark, semicolons, carriage returns, quoted text with a delimiter in it."""
    text = GOOD.replace(",", ";").replace("north", '"no;""rth"').replace("\n", "\r\n")
    assert imports.run(imports.file(b"\xef\xbb\xbf" + text.encode())).written == 3
    assert imports.rows()[0]["shop"] == 'no;"rth'


def test_importing_again_writes_nothing(imports: Imports) -> None:
    file = imports.file(GOOD)
    imports.run(file)
    before = list(imports.store.list(""))
    report = imports.run(file)
    assert (report.written, report.already_there) == (0, 3)
    assert list(imports.store.list("")) == before


def test_a_negative_zero_is_a_zero(imports: Imports) -> None:
    """Parquet writers may store one for the other, so that equal rows would be two."""
    assert imports.run(imports.parquet(price=[0.0, -0.0])).written == 2
    assert imports.run(imports.parquet(price=[-0.0, 0.0])).already_there == 2


def test_a_file_that_has_grown_adds_only_its_new_rows(imports: Imports) -> None:
    imports.run(imports.file(GOOD))
    grown = GOOD + "s4,north,1,1,2026-01-06T01:00:00Z,2026-01-06T02:00:00Z\n"
    report = imports.run(imports.file(grown))
    assert (report.written, report.already_there) == (1, 3)
    assert [row["sale"] for row in imports.rows()] == ["s1", "s2", "s3", "s4"]


def test_a_row_that_is_twice_in_a_file_stays_twice(
    tmp_path: Path, sales_model: Callable[..., ModelSpec]
) -> None:
    """In a stream without an id."""
    imports = Imports(tmp_path, sales_model(columns=COLUMNS, id=[]))
    line = "s1,north,3,1.5,2026-01-05T10:00:00Z,2026-01-05T11:00:00Z\n"
    file = imports.file(HEAD + line + line)
    imports.run(file)
    imports.run(file)
    assert len(imports.rows()) == 2


def test_an_interrupted_import_is_finished_by_the_next(imports: Imports) -> None:
    class Interrupted(Exception):
        pass

    class Failing(LocalStore):
        """Dies at the second object, like a process that is killed."""

        writes = 0

        def write(self, key: str, content: Path | bytes, *, if_absent: bool = True) -> StoredObject:
            self.writes += 1
            if self.writes == 2:
                raise Interrupted
            return super().write(key, content, if_absent=if_absent)

    file, whole = imports.file(GOOD), imports.store
    imports.store = Failing(whole.folder)
    with pytest.raises(Interrupted):
        imports.run(file)
    imports.store = whole
    assert len(list(whole.list(""))) == 1
    report = imports.run(file)
    assert (report.written, report.already_there) == (2, 1)
    assert len(imports.rows()) == 3


def test_known_time_by_rule_is_reported_and_computed_on_reading(
    tmp_path: Path, sales_model: Callable[..., ModelSpec]
) -> None:
    rule = sales_model(columns=COLUMNS, known_time={"event_time_plus": "1d12h"})
    imports = Imports(tmp_path, rule)
    report = imports.run(imports.file(GOOD))
    assert report.known_time == "sold_at plus 1d12h"
    assert [one.key[:19] for one in report.objects] == [
        "sales/dt=2026-01-06",
        "sales/dt=2026-01-07",
    ]
    stored = pq.read_schema(imports.store.folder / report.objects[0].key)
    assert "told_at" not in stored.names
    for row in imports.rows():
        assert row["known_time"] - row["event_time"] == timedelta(days=1, hours=12)


def test_times_of_a_named_zone(imports: Imports) -> None:
    text = HEAD + "s1,a,1,1,2026-03-29 01:30:00,2026-10-25 02:30:00\n"
    imports.run(imports.file(text), zones={"": "Europe/Berlin"})
    [row] = imports.rows()
    assert row["event_time"] == _at("2026-03-29T00:30")  # winter: one hour behind
    assert row["known_time"] == _at("2026-10-25T01:30")  # shown twice: counts as standard time


def test_times_of_another_format_and_texts_for_nothing(imports: Imports) -> None:
    text = HEAD + "s1,NA,NA,NA,05/01/2026 10.00,06/01/2026 23.30\n"
    imports.run(
        imports.file(text),
        zones={"": "UTC"},
        time_formats={"": "%d/%m/%Y %H.%M"},
        missing={"": ("NA",)},
    )
    [row] = imports.rows()
    assert row["known_time"] == _at("2026-01-06T23:30")
    assert (row["shop"], row["units"], row["price"]) == (None, None, None)


GOOD_TIMES = "2026-01-05T10:00:00Z,2026-01-05T11:00:00Z\n"


@pytest.mark.parametrize(
    ("text", "reading", "message", "got"),
    [
        ("", {}, "no file has a row", "sales.csv"),
        (HEAD, {}, "no file has a row", "sales.csv"),
        (HEAD.replace(",price", "") + "s1,a,1," + GOOD_TIMES, {}, "missing: price", "'units'"),
        (
            HEAD.replace("units", "unit") + "s1,a,1,1," + GOOD_TIMES,
            {},
            "is it --column units=unit[?]",
            "",
        ),
        (
            HEAD + "s1,a,few,1," + GOOD_TIMES,
            {},
            "1 of 1 rows cannot",
            "units: not a whole number of 64 bits; 1 row, such as sales.csv line 2: 'few'",
        ),
        (
            HEAD + "s1,a,1.5,1," + GOOD_TIMES,
            {},
            "1 of 1 rows cannot",
            "units: not a whole number of 64 bits; 1 row, such as sales.csv line 2: '1.5'",
        ),
        (
            HEAD + "s1,a,1,1e999," + GOOD_TIMES,
            {},
            "1 of 1 rows cannot",
            "price: not a finite number",
        ),
        (HEAD + "s1,a,1,inf," + GOOD_TIMES, {}, "1 of 1 rows cannot", "'inf'"),
        (
            HEAD + "s1,a,1,1,2026-02-30T10:00:00Z,2026-03-05T11:00:00Z\n",
            {},
            "1 of 1 rows cannot",
            "not an ISO 8601 time that exists, in the years 1000 to 9999",
        ),
        (
            HEAD + "s1,a,1,1,2026-03-29 02:30:00,2026-03-30 00:00:00\n",
            {"zones": {"": "Europe/Berlin"}},
            "1 of 1 rows cannot",
            "skips this hour; --nonexistent forward reads it; "  # noqa: ISC004
            "for data in standard time all year, --zone Etc/GMT-1",
        ),
        (
            HEAD + "s1,a,1,1,2026-01-05 10:00:00,2026-01-05T11:00:00Z\n",
            {},
            "1 of 1 rows cannot",
            "sold_at: the time has no zone",
        ),
        (
            HEAD + "s1,a,1,1,2026-01-05,2026-01-06T11:00:00Z\n",
            {},
            "1 of 1 rows cannot",
            "sales.csv line 2: '2026-01-05'",
        ),
        (
            HEAD + "s1,a,1,1,," + GOOD_TIMES[21:],
            {},
            "1 of 1 rows cannot",
            "sold_at: the time is missing; 1 row",
        ),
        (
            HEAD + "s1,a,1,1,2026-01-05T10:00:00Z,2026-01-05T09:59:59Z\n" * 2,
            {},
            "2 of 2 rows cannot",
            "the event was known before it happened; 2 rows, such as "  # noqa: ISC004
            "sales.csv line 2: '2026-01-05 10:00:00 > 2026-01-05 09:59:59'",
        ),
        (
            HEAD + "s1,a,1,1,1026-01-05T10:00:00Z,2026-01-05T09:59:59Z\n",
            {},
            "1 of 1 rows cannot",
            "the event time is before 1900",
        ),
        (HEAD + 's1,"a,1,1,' + GOOD_TIMES, {}, "opened and never closed", ""),
        (
            HEAD + "s1,a,1,1," + GOOD_TIMES + "s2,a,1\n",
            {},
            "1 of 2 rows cannot",
            "row: the row has 3 fields, the header 6; 1 row, such as sales.csv line 3",
        ),
        (
            HEAD.replace(",", ";") + "s1;a;few;1;" + GOOD_TIMES.replace(",", ";"),
            {},
            "1 of 1 rows cannot",
            "'few'",
        ),
    ],
)
def test_what_cannot_be_imported_gives_a_reason_and_writes_nothing(
    imports: Imports, text: str, reading: dict[str, Any], message: str, got: str
) -> None:
    with pytest.raises(DataError, match=message.replace("(", r"\(")) as raised:
        imports.run(imports.file(text), **reading)
    assert got in raised.value.got
    assert "sales" in raised.value.where
    assert list(imports.store.list("")) == []


def test_one_bad_file_of_two_keeps_both_out(imports: Imports) -> None:
    good = imports.file(GOOD, "good.csv")
    bad = imports.file(HEAD + "s1,a,few,1," + GOOD_TIMES, "bad.csv")
    with pytest.raises(DataError, match="few"):
        imports.run(good, bad)
    assert list(imports.store.list("")) == []


def test_files_that_are_not_there(imports: Imports, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file to import"):
        imports.run()
    with pytest.raises(DataError, match="no such file"):
        imports.run(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="this is a folder"):
        imports.run(tmp_path)
    with pytest.raises(DataError, match="JSON"):
        imports.run(imports.file('{"sale": "s1"}\n', "sales.json"))
    with pytest.raises(DataError, match="compressed file is damaged"):
        imports.run(imports.file(b"\x1f\x8b\x08\x00broken", "c.csv.gz"))
    with pytest.raises(TimeError, match="no such time zone"):
        imports.run(imports.file(GOOD), zones={"": "Europe/Atlantis"})


def test_parquet_of_another_type_is_refused(imports: Imports, tmp_path: Path) -> None:
    times = pa.array([datetime(2026, 2, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    columns: dict[str, Any] = {"sale": ["a"], "shop": ["b"], "price": [1.0]}
    columns |= {"sold_at": times, "told_at": times}
    pq.write_table(pa.table(columns | {"units": [1.5]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="not a whole number"):
        imports.run(tmp_path / "a.parquet")
    pq.write_table(pa.table(columns | {"units": [True]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="'units' is of another type") as raised:
        imports.run(tmp_path / "b.parquet")
    assert (raised.value.got, raised.value.wanted) == ("bool", "integer")


@pytest.mark.parametrize("name", ["sales[12].csv", "sales?.csv", "sale*.csv", "a'b.csv", "{1}.csv"])
def test_the_file_that_was_named_is_read_and_no_other(imports: Imports, name: str) -> None:
    imports.file(GOOD.replace("s1", "wrong"), "sales1.csv")
    imports.run(imports.file(GOOD, name))
    assert [row["sale"] for row in imports.rows()] == ["s1", "s2", "s3"]


@pytest.mark.parametrize("name", ["sales[12].parquet", "sale*.parquet"])
def test_the_parquet_file_that_was_named_is_read(imports: Imports, name: str) -> None:
    imports.parquet("sales1.parquet", sale=["wrong"])
    imports.run(imports.parquet(name, sale=["right"]))
    assert [row["sale"] for row in imports.rows()] == ["right"]


def test_names_differ_by_case(imports: Imports) -> None:
    columns: dict[str, Any] = {"Units": pa.array([100, 200]), "units": pa.array([1, 2])}
    imports.run(imports.parquet(**columns))
    text = HEAD.replace("units", "UNITS,units") + "t,a,100,3,1," + GOOD_TIMES
    imports.run(imports.file(text))
    assert [row["units"] for row in imports.rows()] == [1, 2, 3]


def test_a_name_that_is_there_twice_is_refused(imports: Imports) -> None:
    table = pq.read_table(imports.parquet(units=[1]))
    twice = table.append_column("units", pa.array([2])).append_column("other", pa.array([2]))
    pq.write_table(twice, imports.folder / "twice.parquet")
    with pytest.raises(DataError, match="more than once: units"):
        imports.run(imports.folder / "twice.parquet")
    others = table.append_column("other", pa.array([2])).append_column("other", pa.array([3]))
    pq.write_table(others, imports.folder / "others.parquet")
    assert imports.run(imports.folder / "others.parquet").written == 1


LINE = "s1,a,1,1," + GOOD_TIMES


@pytest.mark.parametrize("counts", [(1, 1), (1, 2), (3, 1), (2, 2)])
def test_equal_rows_of_two_files_count_the_same_in_every_order(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], counts: tuple[int, int]
) -> None:
    found = []
    for order in ("together", "first", "second"):
        folder = tmp_path / order
        folder.mkdir()
        imports = Imports(folder, sales_model(columns=COLUMNS, id=[]))
        files = [
            imports.file(HEAD + LINE * count + f"t{number},a,1,1," + GOOD_TIMES, f"{number}.csv")
            for number, count in enumerate(counts)
        ]
        if order == "together":
            report = imports.run(*files)
            assert report.repeated == min(counts)
            assert (
                f"{counted(min(counts), 'row')} in more than one of these files" in report.notes[0]
            )
        else:
            for file in files if order == "first" else reversed(files):
                imports.run(file)
        found.append(imports.rows())
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == max(counts) + 2


def test_files_without_rows_are_reported_and_the_others_imported(imports: Imports) -> None:
    none = imports.parquet("none.parquet", units=pa.array([], pa.int64()))
    files = [imports.file(HEAD, "head.csv"), imports.file("", "zero.csv"), none]
    report = imports.run(imports.file(GOOD), *files, imports.parquet(sale=["t"]))
    assert report.written == 4
    assert report.notes[0].startswith("3 files without rows: ")
    assert all(str(file) in report.notes[0] for file in files)


@pytest.mark.parametrize(
    "column", ["h", "_bad", "_day", "day", "file", "row", "v0", "used", "_object"]
)
def test_a_column_may_have_a_name_that_the_code_uses(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], column: str
) -> None:
    imports = Imports(tmp_path, sales_model(columns=COLUMNS | {column: "string"}))
    imports.run(imports.file(HEAD.replace("sale,", f"{column},sale,") + f"value,{LINE}"))
    assert imports.rows()[0][column] == "value"
