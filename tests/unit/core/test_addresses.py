from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.addresses import sqlite_path, sqlite_url

NAMES = st.text(st.characters(exclude_characters="/\0\n", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_every_path_has_an_address_that_sqlalchemy_reads_as_this_path(names: list[str]) -> None:
    path = Path("/", *names)
    assert sa.make_url(sqlite_url(path)).database == str(path)
    assert sqlite_path(sqlite_url(path)) == path


def test_other_addresses_name_no_file() -> None:
    assert sqlite_path("postgresql://db/x") is None
    assert sqlite_path("sqlite:////home/a.db?timeout=3") == Path("/home/a.db")
