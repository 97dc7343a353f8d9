"""Rows with mistakes: all of them are reported, and the sound rows may be imported without them."""

import csv

import pytest

from pipelines.core.errors import DataError, SpecError
from pipelines.data.ingest.reading import Rejects
from tests.support.imports import Imports

HEAD = "sale,shop,units,price,sold_at,told_at\n"
TIMES = "2026-01-05T10:00:00Z,2026-01-05T11:00:00Z"
BAD = [
    f"b1,a,few,1_000,{TIMES}",
    f"b2,a,1.5,0x10,{TIMES}",
    "b3,a,1,1,Total,",
    "b4,a,1,1",
]
SOUND = [f"s{at},a,{at},1,{TIMES}" for at in range(96)]


def test_every_mistake_of_every_column_is_in_one_error(imports: Imports) -> None:
    files = [
        imports.file(HEAD + "\n".join(BAD[:2]), "one.csv"),
        imports.file(HEAD + "\n".join(BAD[2:] + SOUND), "two.csv"),
    ]
    with pytest.raises(DataError) as raised:
        imports.run(*files)
    assert raised.value.what == "4 of 100 rows cannot be imported; nothing was written"
    for line in (
        "units: not a whole number of 64 bits; 2 rows, such as one.csv line 2: 'few'; one.csv",
        "one.csv line 2: '1_000'; one.csv line 3: '0x10'",
        "such as two.csv line 2: 'Total'",
        "told_at: the time is missing; 1 row, such as two.csv line 2",
        "row: the row has 4 fields, the header 6; 1 row, such as two.csv line 3",
    ):
        assert line in raised.value.got
    assert list(imports.store.list("")) == []


def test_rejected_rows_go_to_a_file_and_the_others_are_imported(
    imports: Imports,
) -> None:
    file, rejected = imports.file(HEAD + "\n".join(BAD + SOUND)), imports.folder / "rejected.csv"
    with pytest.raises(DataError, match="raise --tolerate"):
        imports.run(file, rejects=Rejects(rejected))
    assert rejected.exists()
    assert list(imports.store.list("")) == []
    report = imports.run(file, rejects=Rejects(rejected, tolerated_share=0.04))
    assert (report.rows, report.rejected, report.written) == (100, 4, 96)
    assert sum(one.rows for one in report.mistakes) == 7
    with rejected.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["row"], row["column"], row["value"]) for row in rows] == [
        ("2", "price", "1_000"),
        ("2", "units", "few"),
        ("3", "price", "0x10"),
        ("3", "units", "1.5"),
        ("4", "sold_at", "Total"),
        ("4", "told_at", ""),
        ("5", "", ""),
    ]
    assert {row["file"] for row in rows} == {str(file)}
    again = imports.run(file, rejects=Rejects(rejected, tolerated_share=0.04))
    assert (again.rejected, again.already_there, again.written) == (4, 96, 0)


def test_a_file_of_rejected_rows_is_no_imported_file(imports: Imports) -> None:
    file = imports.file(HEAD + SOUND[0])
    before = file.read_bytes()
    with pytest.raises(DataError, match="one of the imported files"):
        imports.run(file, rejects=Rejects(file))
    assert file.read_bytes() == before
    with pytest.raises(SpecError, match="tolerated share"):
        imports.run(file, rejects=Rejects(imports.folder / "r.csv", tolerated_share=5))
