"""Declared names for the columns of a file."""

import re

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.names import COLUMN, folded
from pipelines.scaffold.names import declared_names


def test_names_that_are_allowed_stay_as_they_are() -> None:
    assert declared_names(["shop", "Units"]) == {"shop": "shop", "Units": "Units"}


def test_names_that_streams_have_inside_are_changed() -> None:
    assert declared_names(["event_time"]) == {"event_time": "event_time_2"}


@given(st.lists(st.text(max_size=200), unique=True))
def test_every_name_can_be_declared_and_differs_from_the_others(in_file: list[str]) -> None:
    names = declared_names(in_file)
    assert list(names) == in_file
    assert len({folded(name) for name in names.values()}) == len(in_file)
    for name in names.values():
        assert re.fullmatch(COLUMN.pattern, name)
        assert len(name) <= COLUMN.longest
