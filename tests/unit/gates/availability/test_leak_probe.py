"""Which rows are copied for a probe: those that any set of keys reads, and no older ones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.gates.availability.leak_probe import _longest_spans

WEEK = timedelta(days=7)
MEDICINE, PAIR, SHOP = frozenset({"medicine"}), frozenset({"medicine", "shop"}), frozenset({"shop"})
EVERY = frozenset[str]()


@pytest.mark.parametrize(
    ("read", "copied"),
    [
        ({MEDICINE: 4, PAIR: 1}, {MEDICINE: 4}),
        ({MEDICINE: 4, PAIR: 4}, {MEDICINE: 4}),
        ({MEDICINE: 4, PAIR: 9}, {MEDICINE: 4, PAIR: 9}),
        ({MEDICINE: 4, SHOP: 1, PAIR: 2}, {MEDICINE: 4, SHOP: 1}),
        ({EVERY: 1, MEDICINE: 1, PAIR: 2}, {EVERY: 1, PAIR: 2}),
    ],
)
def test_a_set_of_keys_is_left_out_only_where_another_reads_its_rows_as_far_back(
    read: dict[frozenset[str], int], copied: dict[frozenset[str], int]
) -> None:
    spans = {keys: weeks * WEEK for keys, weeks in read.items()}
    assert _longest_spans(spans) == {keys: weeks * WEEK for keys, weeks in copied.items()}
