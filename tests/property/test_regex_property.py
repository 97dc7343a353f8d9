"""A pattern that is compiled to SQL finds in every text what Python's ``re`` finds."""

from __future__ import annotations

import re
import warnings

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pipelines.quality.sql.regex import re2_pattern

TEXT = st.text(
    st.sampled_from("aAbkK-_. 0٣\n\t\x0b\x1c\x85\u00a0éß\u017f\u212ałЖ日😀\x00[]:")
    | st.characters(codec="utf-8"),
    max_size=6,
)
ATOM = st.sampled_from(
    [
        *"abk-_0. éßK日",
        *(r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", r"\A", r"\Z", "^", "$"),
        *(r"\.", r"\n", r"\x41", r"\101", r"\u00e9", r"\0"),
        *(
            "[a-c]",
            "[^a]",
            r"[\w-]",
            r"[^\W\d_]",
            r"[^\s]",
            "[[:alpha:]]",
            "[]a]",
            "[^]]",
            r"[\]\\^]",
        ),
        *("(?i:a)", "(?=a)", "(?!a)", "(?<=a)", r"(a)\1"),
    ]
)
REPEAT = st.sampled_from(["", "", "*", "+", "?", "*?", "+?", "{2}", "{,2}", "{1,}", "*+", "{"])
PATTERN = st.recursive(
    st.builds("".join, st.lists(st.builds(str.__add__, ATOM, REPEAT), max_size=4)),
    lambda inner: st.one_of(
        st.builds("({}){}".format, inner, REPEAT),
        st.builds("(?:{}){}".format, inner, REPEAT),
        st.builds("(?P<name>{})".format, inner),
        st.builds("(?>{})".format, inner),
        st.builds("{}|{}".format, inner, inner),
        st.builds("^{}$".format, inner),
        st.builds("(?{}){}".format, st.sampled_from("imsxa"), inner),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@settings(
    max_examples=300,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@example(pattern="a$", texts=["a\n", "a", "a\n\n", "\na"])
@example(pattern="a$\n", texts=["a\n"])
@example(pattern="(?:a|b$)+", texts=["b\n", "ab", "\n"])
@given(pattern=PATTERN, texts=st.lists(TEXT, min_size=1, max_size=8))
def test_a_compiled_pattern_finds_what_python_finds(
    database: duckdb.DuckDBPyConnection, pattern: str, texts: list[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "possible nested set"
        written = re2_pattern(pattern)
        if written is None:
            return
        wanted = [re.search(pattern, text) is not None for text in texts]
    found = database.execute(
        "SELECT regexp_matches(unnest(?::VARCHAR[]), ?)", [texts, written]
    ).fetchall()
    assert [row for (row,) in found] == wanted, (pattern, written)


@pytest.mark.parametrize(
    "pattern", [r"^[\w ]+$", r"^\d{5}$", r"^[A-Z]{2}-\d+$", r"^\S+@\S+$", "^(a|b)?$", ".", r"\Aa\Z"]
)
def test_common_patterns_run_in_sql(pattern: str) -> None:
    assert re2_pattern(pattern) is not None


@pytest.mark.parametrize(
    "pattern", [r"\ba", "(?i)a", "(?=a)", r"(a)\1", "a*+", "a$b", "a{2000}", "("]
)
def test_patterns_without_an_equal_in_re2_do_not(pattern: str) -> None:
    assert re2_pattern(pattern) is None
