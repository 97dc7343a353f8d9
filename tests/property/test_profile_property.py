"""Profiles can be merged in any order and grouping, and their size has a bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.formats import StoredFormat
from pipelines.drift.profile import Profile, merge_profiles, profile_like, reference_profile

START = datetime(2024, 1, 1, tzinfo=UTC)
STORED = StoredFormat("a profile", Profile)
NUMBER = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
ROW = st.tuples(
    st.integers(0, 120 * 7 * 24).map(lambda hours: START + timedelta(hours=hours)),
    NUMBER,
    st.sampled_from([None, "a", "b", "ü"]),
)
ROWS = st.lists(ROW, max_size=40)


def frame(rows: list[tuple[datetime, float | None, str | None]]) -> pd.DataFrame:
    times, numbers, texts = zip(*rows, strict=True) if rows else ((), (), ())
    return pd.DataFrame(
        {
            "decision_time": pd.Series(times, dtype="datetime64[us, UTC]"),
            "number": pd.Series(numbers, dtype=float),
            "text": pd.Series(texts, dtype=object),
        }
    )


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS, ROWS)
def test_the_profile_of_all_rows_is_that_of_the_parts_merged_in_any_way(one, two, three):
    reference = reference_profile(frame([*one, *three]), ["number", "text"])
    a, b, c = (profile_like(reference, frame(rows)) for rows in (one, two, three))
    whole = profile_like(reference, frame([*one, *two, *three]))
    assert merge_profiles(merge_profiles(a, b), c) == whole
    assert merge_profiles(c, merge_profiles(b, a)) == whole


@settings(max_examples=40, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    columns = ["number", "text"]
    assert reference_profile(frame(shuffled), columns) == reference_profile(frame(rows), columns)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_a_profile_counts_every_row_once_and_is_stored_whole(rows):
    found = reference_profile(frame(rows), ["number", "text"])
    for column in found.columns.values():
        assert column.total.sum() == len(rows)
        assert column.bins.size <= 202
        assert len(column.weeks) == len(found.mondays) <= 53
    assert STORED.from_text(STORED.to_text(found), "here") == found
