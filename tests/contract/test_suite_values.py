"""Values that pandas or RE2 would change: both suite runners answer as Great Expectations does."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import ibis
import pyarrow as pa
import pytest

from pipelines.adapters.expectations.great_expectations import GreatExpectationsRunner
from pipelines.quality.sql.runner import SqlRunner
from pipelines.quality.suite import ExpectationResult

END_OF_TIME = datetime(9999, 12, 31)  # noqa: DTZ001 (tables hold UTC without a zone)
BIG = 2**53 + 1


def table_of(**columns: pa.Array) -> ibis.Table:
    return ibis.duckdb.connect().create_table("rows", pa.table(columns))


def answers(table: ibis.Table, kind: str, **kwargs: Any) -> ExpectationResult:
    """The result of both runners; they must agree."""
    suite = {"name": "s", "expectations": [{"type": kind, "kwargs": kwargs}]}
    plain = GreatExpectationsRunner()
    (theirs,), (ours,) = plain.run(table, suite), SqlRunner(plain).run(table, suite)
    assert ours == theirs
    return ours


@pytest.mark.parametrize(
    "instant",
    [END_OF_TIME, datetime(1, 1, 1), datetime(2262, 4, 12)],  # noqa: DTZ001
    ids=["9999", "1", "2262"],
)
def test_a_time_outside_of_nanoseconds_breaks_no_expectation(instant: datetime) -> None:
    table = table_of(
        until=pa.array([instant, datetime(2025, 1, 1), None], pa.timestamp("us")),  # noqa: DTZ001
        text=pa.array(["a", "bb", "c"]),
    )
    lengths = answers(
        table, "expect_column_value_lengths_to_be_between", column="text", max_value=2
    )
    assert lengths.success
    parsed = answers(table, "expect_column_values_to_be_increasing", column="until")
    assert parsed.broken is None
    assert parsed.element_count == 3
    held = answers(
        table,
        "expect_column_values_to_be_between",
        column="until",
        min_value="2025-01-01T00:00:00Z",
        max_value="9999-12-31T00:00:00Z",
        mostly=0.5,
    )
    assert held.success, held


def test_an_integer_is_no_float_because_another_row_is_blank() -> None:
    table = table_of(code=pa.array([12345] * 9 + [None], pa.int64()))
    found = answers(table, "expect_column_values_to_match_regex", column="code", regex="^[0-9]{5}$")
    assert (found.share, found.missing_count) == (1.0, 1)
    assert answers(
        table, "expect_column_values_to_be_of_type", column="code", type_="int64"
    ).success


def test_an_integer_beyond_the_precision_of_floats_keeps_its_digits() -> None:
    table = table_of(code=pa.array([BIG, BIG - 1, None], pa.int64()))
    text = f"^({BIG}|{BIG - 1})$"
    assert answers(table, "expect_column_values_to_match_regex", column="code", regex=text).success
    assert answers(table, "expect_column_values_to_be_unique", column="code").success


def test_a_boolean_stays_one_when_a_row_is_blank() -> None:
    table = table_of(flag=pa.array([True, False, None]))
    kind = "expect_column_values_to_match_regex"
    assert answers(table, kind, column="flag", regex="^(True|False)$").success
    assert answers(
        table, "expect_column_values_to_be_in_set", column="flag", value_set=[True, False]
    ).success


def test_a_column_named_only_in_a_row_condition_has_its_values() -> None:
    table = table_of(units=pa.array([1, 2, None]), text=pa.array(["a", "bb", "ccc"]))
    found = GreatExpectationsRunner().run(
        table,
        {
            "expectations": [
                {
                    "type": "expect_column_value_lengths_to_be_between",
                    "kwargs": {
                        "column": "text",
                        "max_value": 2,
                        "row_condition": "units > 0",
                        "condition_parser": "pandas",
                    },
                }
            ]
        },
    )[0]
    assert found.success, found
    assert found.element_count == 2


TEXTS = [
    "Müller",
    "Łódź 3",
    "日本",
    "a",
    "a\n",
    "a\n\n",
    "",
    "١٢",
    "12",
    "\x0b",
    "\u00a0",
    "ß",
    "K",
    "-a-",
]
PATTERNS = [
    r"^[\w ]+$",  # the letters of all languages
    r"^\d+$",  # the digits of all languages
    r"^\s*$",  # \v and the no-break space
    r"^a$",  # before a last line break
    r"^a\Z",
    r"\ba\b",
    r"(?i)k",  # the Kelvin sign
    r"(?=a)\w",
    r"(.)\1",
    r"^(a|\n)*+$",
    r"[[:alpha:]]",  # a class in RE2, a set of characters in Python
    r"^[^\W\d]+$",
    r"l{,2}er",
]


@pytest.mark.filterwarnings("ignore:Possible nested set")
def test_a_pattern_means_what_it_means_in_python() -> None:
    table = table_of(text=pa.array([*TEXTS, None]))
    suite = {
        "expectations": [
            {"type": kind, "kwargs": {"column": "text", "regex": pattern}}
            for pattern in PATTERNS
            for kind in (
                "expect_column_values_to_match_regex",
                "expect_column_values_to_not_match_regex",
            )
        ]
    }
    plain = GreatExpectationsRunner()
    theirs, ours = plain.run(table, suite), SqlRunner(plain).run(table, suite)
    assert ours == theirs
    for pattern, matched in zip(PATTERNS, ours[::2], strict=True):
        wanted = [text for text in TEXTS if not re.search(pattern, text)]
        assert matched.unexpected_count == len(wanted), pattern


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_colum_to_exist", {"column": "text"}),
        ("expect_column_values_to_not_be_null", {}),
        ("expect_column_values_to_not_be_null", {"column": "text", "mostly": "most"}),
        ("expect_column_values_to_not_be_null", {"column": "text", "mostly": 90}),
        ("expect_column_values_to_not_be_null", {"column": "text", "moslty": 0.9}),
        ("expect_column_values_to_match_regex", {"column": "text", "regex": "("}),
    ],
    ids=["type", "no column", "text as a share", "percent", "unknown argument", "pattern"],
)
def test_a_mistake_in_an_expectation_breaks_it_and_no_other(
    kind: str, kwargs: dict[str, Any]
) -> None:
    table = table_of(text=pa.array(["a"]))
    sound = {
        "type": "expect_column_value_lengths_to_equal",
        "kwargs": {"column": "text", "value": 1},
    }
    suite = {"expectations": [{"type": kind, "kwargs": kwargs}, sound]}
    mistaken, other = SqlRunner(GreatExpectationsRunner()).run(table, suite)
    assert mistaken.broken is not None
    assert not mistaken.success
    assert other.success
