"""Names: what is accepted, what is refused and why, and names that differ by case only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SpecError
from pipelines.core.names import (
    COLUMN,
    LINEAGE,
    NAME,
    VIEW,
    NameRule,
    checked_name,
    clashes,
    folded,
    internal,
    unused,
)

RULES = {"name": NAME, "view": VIEW, "column": COLUMN, "lineage": LINEAGE}
HOSTILE = [
    "", ".", "..", "../x", "a/b", "a\\b", "/etc", ".hidden", "a\0", "a\n", "a b", "[/bold]",
    "[red]x[/]", "x" * 300, "a%2Fb", "a'b", 'a"b', "a;b", "é", "\uff41", "\ud800", "a:b",
    "{x}", "$x",
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_that_could_leave_its_place_is_refused(rule: NameRule, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked_name(text, rule, "--option")
    assert caught.value.where == "--option"
    assert len(str(caught.value)) < 400
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("rule", "text"),
    [(NAME, "demand"), (NAME, "x" * 60), (COLUMN, "_Day"), (LINEAGE, "backtest-2025_q1")],
)
def test_a_plain_name_is_accepted(rule: NameRule, text: str) -> None:
    assert checked_name(text, rule, "here") == text


@given(st.text(max_size=140))
def test_whatever_is_accepted_fits_paths_urls_and_markup(text: str) -> None:
    for rule in RULES.values():
        try:
            name = rule.check(text)
        except ValueError:
            continue
        assert name.isascii()
        assert name.replace("_", "a").replace("-", "a").isalnum()
        assert len(f"{name}.lock".encode()) <= 255


def test_names_are_compared_as_duckdb_does() -> None:
    import duckdb

    for a, b in [("Units", "units"), ("É", "é"), ("ß", "SS"), ("İ", "i"), ("K", "k")]:
        try:
            duckdb.sql(f'SELECT t."{a}" FROM (SELECT 1 AS "{b}") AS t')
            same = True
        except duckdb.BinderException:
            same = False
        assert same == (folded(a) == folded(b)), (a, b)


def test_two_names_that_differ_by_case_only_are_found() -> None:
    assert list(clashes(["Dest", "shop", "dest", "DEST"])) == [("Dest", "dest"), ("Dest", "DEST")]
    assert list(clashes(["shop", "shop"])) == [("shop", "shop")]
    assert list(clashes(["shop", "units"])) == []


def test_no_declared_name_is_an_internal_one() -> None:
    with pytest.raises(SpecError):
        checked_name(internal("day"), COLUMN, "columns")


def test_an_unused_name_is_valid_however_long_the_wanted_one_is() -> None:
    long = "champion_" + "x" * 60
    first = unused(long, [])
    second = unused(long, [first.upper()])
    assert NAME.check(first) != NAME.check(second)
