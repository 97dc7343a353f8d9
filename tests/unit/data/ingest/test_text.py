"""CSV files as they are: encodings, delimiters, ends of lines, quotes, and rows of odd lengths."""

from typing import Any

import pytest

from pipelines.core.errors import DataError
from tests.support.imports import Imports

HEAD = "sale,shop,units,price,sold_at,told_at"
TIMES = "2026-01-05T10:00:00Z,2026-01-05T11:00:00Z"
ROWS = [f"s{at},Łódź {at},{at},{at}.5,{TIMES}" for at in range(1, 4)]
TEXT = "\n".join([HEAD, *ROWS]) + "\n"


def shops(imports: Imports, content: str | bytes, **reading: Any) -> list[str | None]:
    imports.run(imports.file(content), **reading)
    return [row["shop"] for row in imports.rows()]


EXPECTED = ["Łódź 1", "Łódź 2", "Łódź 3"]


@pytest.mark.parametrize(
    ("content", "reading"),
    [
        (TEXT.replace("\n", "\r"), {}),
        (TEXT.replace("\n", "\r\n"), {}),
        (TEXT.rstrip("\n"), {}),
        ("\n\n" + TEXT.replace("\n", "\n\n"), {}),
        (TEXT.encode("utf-8-sig"), {}),
        (TEXT.encode("utf-16"), {}),
        (TEXT.encode("utf-32"), {}),
        (TEXT.encode("utf-16-le"), {"encoding": "utf-16-le"}),
        (TEXT.encode("iso-8859-2"), {"encoding": "iso-8859-2"}),
        ("sep=;\n" + TEXT.replace(",", ";"), {}),
        ("sep=;\r\n" + TEXT.replace(",", ";").replace("\n", "\r\n"), {}),
        (TEXT.replace(",", "\t"), {}),
        (TEXT.replace(",", "|"), {}),
        (TEXT.replace(",", "#"), {"delimiter": "#"}),
        (TEXT.replace("\n", ",\n"), {}),
        (TEXT.replace("\n", ",,\n").replace("told_at,,", "told_at"), {}),
        ('"a;b;c;d;e;f;g",' + TEXT.replace("\n", "\nx,").removesuffix("x,"), {}),
        (TEXT.replace("told_at", "told_at,,x,x").replace("11:00:00Z", "11:00:00Z,,1,2"), {}),
    ],
    ids=range(18),
)
def test_a_csv_file_is_understood(
    imports: Imports,
    content: str | bytes,
    reading: dict[str, Any],
) -> None:
    assert shops(imports, content, **reading) == EXPECTED


def test_a_line_break_in_a_name_and_in_a_value(imports: Imports) -> None:
    text = TEXT.replace("shop", '"shop\nname"').replace("Łódź 2", '"Łódź\r\n""2"", a"')
    found = shops(imports, text, columns={"shop": "shop\nname"})
    assert found == ["Łódź 1", 'Łódź\r\n"2", a', "Łódź 3"]


def test_numbers_of_lines_count_every_line(imports: Imports) -> None:
    text = TEXT.replace("Łódź 1", '"a\nb"').replace("s3", "\n\ns3").replace("3.5", "x")
    with pytest.raises(DataError, match=r"sales\.csv line 7: 'x'"):
        imports.run(imports.file(text))


def test_a_decimal_comma(imports: Imports) -> None:
    text = TEXT.replace(",", ";").replace(".5", ",5")
    with pytest.raises(DataError, match=r"price: not a finite number with the decimal separator"):
        imports.run(imports.file(text))
    imports.run(imports.file(text), decimal=",")
    assert [row["price"] for row in imports.rows()] == [1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("text", "thousands", "decimal", "value"),
    [
        ("1.234,5", ".", ",", 1234.5),
        ("-12.345.678", ".", ",", -12345678.0),
        ("1234,5", ".", ",", 1234.5),
        ("1.23,4", ".", ",", None),
        ("1,234.5", ",", ".", 1234.5),
        ("1e3", ",", ".", 1000.0),
        ("1,23", ",", ".", None),
        ("1\u202f234\u00a0567.5", " ", ".", 1234567.5),
        ("1'234.50", "'", ".", 1234.5),
    ],
)
def test_separators_of_thousands(
    imports: Imports, text: str, thousands: Any, decimal: Any, value: float | None
) -> None:
    file = imports.file(f"{HEAD}\ns1,a,1,{{}},{TIMES}\n".replace(",", "\t").format(text))
    if value is None:
        with pytest.raises(DataError, match="--decimal and --thousands name others"):
            imports.run(file, thousands=thousands, decimal=decimal)
        return
    imports.run(file, thousands=thousands, decimal=decimal)
    assert imports.rows()[0]["price"] == value


def test_short_rows(imports: Imports) -> None:
    order = "sale,told_at,sold_at,shop,units,price\n"
    text = order + f"s1,{TIMES.split(',')[1]},{TIMES.split(',', maxsplit=1)[0]},north\n"
    with pytest.raises(DataError, match="row: the row has 4 fields, the header 6"):
        imports.run(imports.file(text))
    imports.run(imports.file(text), fill_short_rows=True)
    assert imports.rows()[0]["price"] is None


def test_broken_bytes_and_quotes_are_mistakes_of_their_rows(
    imports: Imports,
) -> None:
    lines = [HEAD, ROWS[0], "s7,caf\xe9,1,1," + TIMES, 's8,"a" b,1,1,' + TIMES, ROWS[1]]
    content = b"\n".join(line.encode("latin-1" if "\xe9" in line else "utf-8") for line in lines)
    with pytest.raises(DataError) as raised:
        imports.run(imports.file(content))
    assert "2 of 4 rows" in raised.value.what
    assert "bytes that are not UTF-8" in raised.value.got
    assert "sales.csv line 3" in raised.value.got
    assert "quotes cannot be read" in raised.value.got
    assert "sales.csv line 4" in raised.value.got


@pytest.mark.parametrize(
    ("content", "reading", "message"),
    [
        (TEXT.encode("utf-16-le"), {}, "NUL byte"),
        (TEXT.encode("latin-1", "replace") + b"\xff", {"encoding": "ascii"}, "--encoding latin-1"),
        (TEXT.replace("Łódź 1", '"Łódź 1'), {}, "line 2"),
        ("sale,shop,units,units,price,sold_at,told_at\n", {}, "more than once: units"),
        ("Sale,shop,units,price,sold_at,told_at\n", {}, "is it --column sale=Sale"),
        ("a report of sales\n", {}, "the first line of a CSV file has to be its header"),
        ('{"sale": "s1"}\n', {}, "got:    JSON"),
        ('{\n  "sale": "s1"\n}\n', {}, "got:    JSON"),
        ('[\r\n {"sale": "s1"}]\n', {}, "got:    JSON"),
        ('[ {"sale": "s1"}]\n', {}, "got:    JSON"),
        (b"\x89PNG\r\n\x1a\n", {}, "the header is not UTF-8 text"),
    ],
)
def test_a_csv_file_that_cannot_be_read(
    imports: Imports,
    content: str | bytes,
    reading: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(DataError) as raised:
        imports.run(imports.file(content), **reading)
    assert message in str(raised.value)
