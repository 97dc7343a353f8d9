"""Options that concern columns: names, missing texts, constants."""

import re
from typing import Any

import pytest

from pipelines.core.errors import DataError, SpecError
from tests.support.imports import Imports

HEAD = "sale,shop,units,price,sold_at,told_at\n"
TIMES = "2026-01-05T10:00:00Z,2026-01-05T11:00:00Z\n"


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"columns": {"unit": "Qty"}}, "is it 'units'"),
        ({"columns": {"Shop": "shop"}}, "is it 'shop'"),
        ({"constants": {"shops": "a"}}, "is it 'shop'"),
        ({"missing": {"pric": ("0",)}}, "is it 'price'"),
        ({"zones": {"sold": "UTC"}}, "is it 'sold_at'"),
        ({"time_formats": {"told": "%Y"}}, "is it 'told_at'"),
        ({"constants": {"units": "many"}}, "a constant is not a value of its column's type"),
        ({"columns": {"shop": "a"}, "constants": {"shop": "a"}}, "and a constant value"),
        ({"encoding": "klingon"}, "no such encoding"),
        ({"encoding": "base64"}, "no such encoding"),
        ({"encoding": "undefined"}, "no such encoding"),
        ({"ambiguous": "earliest"}, "need --zone"),
        ({"thousands": ",", "decimal": ","}, "the same separator"),
        ({"delimiter": "||"}, "delimiter cannot be used"),
        ({"missing": {"": ("\udcff",)}}, "not valid text"),
    ],
)
def test_an_option_that_matches_nothing_is_refused(
    imports: Imports,
    reading: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(SpecError) as raised:
        imports.run(imports.file(HEAD + "s1,a,1,1," + TIMES), **reading)
    assert message in str(raised.value)
    assert list(imports.store.list("")) == []


def test_a_missing_number_may_be_written_in_many_ways(imports: Imports) -> None:
    texts = ["-200", "-200.0", " -200", "-2e2", "-200.5", "-0200"]
    lines = [
        f"s{at},-200,{'' if '.5' in text or 'e' in text else text},{text}," + TIMES
        for at, text in enumerate(texts)
    ]
    imports.run(imports.file(HEAD + "".join(lines)), missing={"": ("-200",)})
    rows = imports.rows()
    assert [row["price"] for row in rows] == [None, None, None, None, -200.5, None]
    assert {row["units"] for row in rows} == {None}
    assert {row["shop"] for row in rows} == {None}


def test_a_missing_text_may_concern_one_column(imports: Imports) -> None:
    text = HEAD + "NA,NULL,NA,1," + TIMES
    imports.run(imports.file(text), missing={"units": ("NA",)})
    [row] = imports.rows()
    assert (row["sale"], row["shop"], row["units"]) == ("NA", "NULL", None)


def test_a_constant_is_a_column_that_the_files_do_not_have(imports: Imports) -> None:
    text = "sale,price,sold_at,told_at\ns1,1," + TIMES
    imports.run(imports.file(text), constants={"shop": "main's", "units": "7"})
    [row] = imports.rows()
    assert (row["shop"], row["units"]) == ("main's", 7)


def test_a_constant_replaces_no_column_of_the_file(imports: Imports) -> None:
    file = imports.file(HEAD + "s1,a,1,1," + TIMES)
    with pytest.raises(DataError, match="a constant is declared for a column that the file has"):
        imports.run(file, constants={"shop": "main"})
    imports.run(file, constants={"sale": "s9"}, columns={"shop": "sale"})
    assert imports.rows()[0]["shop"] == "s1"


def test_options_that_concern_no_value_are_reported(imports: Imports) -> None:
    """Those of times, numbers and CSV files, when every value has a type of its own."""
    reading: dict[str, Any] = {"time_formats": {"": "epoch_s"}, "zones": {"": "UTC"}}
    reading |= {"decimal": ",", "thousands": ".", "delimiter": ";", "encoding": "latin-1"}
    reading |= {"fill_short_rows": True}
    found = imports.run(imports.parquet(shop=["a"]), **reading)
    options = [re.split(": | concerns", note)[0] for note in found.notes]
    assert options == [
        "--decimal ,", "--thousands .", "--time-format epoch_s", "--zone UTC",
        "--delimiter", "--encoding", "--fill-short-rows",
    ]  # fmt: skip
    text = (HEAD + "s2,a,1,1.234,5,").replace(",", ";").replace("4;5", "4,5") + "0;0\n"
    assert imports.run(imports.file(text), **reading | {"zones": {}}).notes == ()
    assert imports.rows()[1]["price"] == 1234.5


def test_date_and_time_in_two_columns(imports: Imports) -> None:
    text = "sale,shop,units,price,day,clock,told_at\n"
    text += "s1,a,1,1,2026-01-05,10:30,2026-01-05T11:00:00Z\n"
    imports.run(imports.file(text), columns={"sold_at": "day+clock"}, zones={"": "UTC"})
    assert str(imports.rows()[0]["event_time"]) == "2026-01-05 10:30:00"
