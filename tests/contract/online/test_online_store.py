"""One suite for every online store: in memory, a SQLite file, a real Redis server."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.errors import DataError, StaleEvidenceError, TimeError
from pipelines.features.online.store import Key, OnlineRow, OnlineStore, Value, ViewState

T = datetime(2026, 1, 5, tzinfo=UTC)
VIEW = "demand.stock_by_shop"
HOUR = timedelta(hours=1)
_numbers = itertools.count()

Opens = Callable[[], OnlineStore]


def state_at(hours: int = 0, definitions: tuple[str, ...] = ("a1",), view: str = VIEW) -> ViewState:
    return ViewState(view, T + hours * HOUR, T + hours * HOUR + timedelta(minutes=5), definitions)


def row(key: Key, *values: Value, hours: int = 0) -> OnlineRow:
    return OnlineRow(key, values, T + hours * HOUR, T + hours * HOUR + timedelta(minutes=5))


def values(store: OnlineStore, *keys: Key, view: str = VIEW) -> list[tuple[Value, ...] | None]:
    return [None if row is None else row.values for row in store.read(view, keys).rows]


def test_a_view_that_was_never_written_has_no_state_and_no_rows(store: OnlineStore) -> None:
    reading = store.read(VIEW, [("s1",), ("s2",)])
    assert (store.state(VIEW), reading.state, reading.rows) == (None, None, (None, None))
    assert store.views() == ()


def test_what_was_written_is_read_by_everybody(opens: Opens) -> None:
    state = state_at(0, ("a1", "b2"))
    written = row(("s1",), 3, None)
    opens().write(state, iter([written]), (), replaces=None)
    for store in (opens(), opens()):
        assert store.state(VIEW) == state
        assert store.views() == (state,)
        assert store.read(VIEW, [("s1",)]).rows == (written,)


def test_rows_come_in_the_order_of_the_keys_and_as_often(store: OnlineStore) -> None:
    store.write(state_at(), [row((f"s{i}",), i) for i in range(9)], (), replaces=None)
    keys: list[Key] = [("s7",), ("none",), ("s0",), ("s7",), ("none",), ("s8",)]
    reading = store.read(VIEW, keys)
    assert [None if found is None else found.values[0] for found in reading.rows] == [
        7, None, 0, 7, None, 8,
    ]  # fmt: skip
    assert [found.key for found in reading.rows if found] == [("s7",), ("s0",), ("s7",), ("s8",)]


def test_no_keys_give_the_state_alone(store: OnlineStore) -> None:
    store.write(state_at(), [row(("s1",), 1)], (), replaces=None)
    assert store.read(VIEW, []).state == state_at()
    assert store.read(VIEW, []).rows == ()


def test_a_view_may_have_no_rows(store: OnlineStore) -> None:
    store.write(state_at(), (), (), replaces=None)
    assert store.read(VIEW, [("s1",)]).state == state_at()
    store.write(state_at(1), (), (), replaces=state_at())
    assert store.state(VIEW) == state_at(1)


def test_thousands_of_keys_are_one_question(store: OnlineStore) -> None:
    store.write(state_at(), [row((i,), i) for i in range(0, 5000, 2)], (), replaces=None)
    found = values(store, *((i,) for i in range(5000)))
    assert found == [(i,) if i % 2 == 0 else None for i in range(5000)]


def test_a_change_leaves_the_other_rows_as_they_are(store: OnlineStore) -> None:
    first = [row((f"s{i}",), i) for i in range(4)]
    store.write(state_at(), first, (), replaces=None)
    changed = [row(("s1",), 10, hours=1), row(("s9",), 90, hours=1)]
    store.write(state_at(1), changed, [("s2",), ("never",)], replaces=state_at())
    reading = store.read(VIEW, [(f"s{i}",) for i in (0, 1, 2, 3, 9)])
    assert reading.state == state_at(1)
    assert reading.rows == (first[0], changed[0], None, first[3], changed[1])


def test_an_entity_that_is_gone_may_come_back(store: OnlineStore) -> None:
    store.write(state_at(), [row(("s1",), 1)], (), replaces=None)
    store.write(state_at(1), (), [("s1",)], replaces=state_at())
    assert values(store, ("s1",)) == [None]
    store.write(state_at(2), [row(("s1",), 3)], (), replaces=state_at(1))
    assert values(store, ("s1",)) == [(3,)]
    store.write(state_at(3), [row(("s1",), 4)], [("s1",)], replaces=state_at(2))
    assert values(store, ("s1",)) == [(4,)], "a row that is written counts, gone or not"


def test_of_two_rows_of_one_entity_the_later_counts(store: OnlineStore) -> None:
    store.write(state_at(), [row(("s1",), 1), row(("s1",), 2)], (), replaces=None)
    assert values(store, ("s1",)) == [(2,)]


def test_other_definitions_drop_what_was_stored(store: OnlineStore) -> None:
    store.write(state_at(), [row(("s1",), 1), row(("s2",), 2)], (), replaces=None)
    other = state_at(1, ("b2", "a1"))
    store.write(other, [row(("s2",), 5, 2)], [("s2",)], replaces=state_at())
    assert values(store, ("s1",), ("s2",)) == [None, (5, 2)]
    assert store.state(VIEW) == other


def test_an_entity_missing_from_a_whole_write_is_dropped(opens: Opens) -> None:
    store = opens()
    first = [row((f"s{i}",), i) for i in range(1200)]
    store.write(state_at(), first, (), replaces=None)
    store.write(state_at(1), [row(("s2",), 20, hours=1)], None, replaces=state_at())
    assert values(opens(), *(("s1",), ("s2",), ("s1199",))) == [None, (20,), None], (
        "of the same definitions, an entity that was not written again is still there"
    )
    assert store.state(VIEW) == state_at(1)
    store.write(state_at(2), [row(("s1",), 11, hours=2)], (), replaces=state_at(1))
    assert values(opens(), ("s1",), ("s2",)) == [(11,), (20,)]
    with pytest.raises(StaleEvidenceError):
        store.write(state_at(3), (), None, replaces=state_at(1))
    assert values(opens(), ("s1",), ("s2",)) == [(11,), (20,)]


def test_views_do_not_touch_each_other(store: OnlineStore) -> None:
    names = [VIEW, f"{VIEW}:1", "demand", "visits.stock_by_shop"]
    for number, name in enumerate(names):
        store.write(state_at(view=name), [row(("s1",), number)], (), replaces=None)
    store.write(state_at(1, ("b2",), view="demand"), (), (), replaces=state_at(view="demand"))
    assert [values(store, ("s1",), view=name) for name in names] == [[(0,)], [(1,)], [None], [(3,)]]
    assert [state.name for state in store.views()] == sorted(names)


@pytest.mark.parametrize("replaces", [None, state_at(5), state_at(0, ("b2",))])
def test_a_change_of_another_state_is_refused(
    store: OnlineStore, replaces: ViewState | None
) -> None:
    store.write(state_at(), [row(("s1",), 1)], (), replaces=None)
    with pytest.raises(StaleEvidenceError, match="as of 2026-01-05T00:00:00Z") as refused:
        store.write(state_at(6), [row(("s1",), 9)], [("s1",)], replaces=replaces)
    assert VIEW in refused.value.where
    assert store.read(VIEW, [("s1",)]) == store.read(VIEW, [("s1",)])
    assert (store.state(VIEW), values(store, ("s1",))) == (state_at(), [(1,)])


def test_a_change_of_what_is_not_there_is_refused(store: OnlineStore) -> None:
    with pytest.raises(StaleEvidenceError, match="nothing stored"):
        store.write(state_at(1), [row(("s1",), 9)], (), replaces=state_at())
    assert store.views() == ()


def test_a_writer_that_was_overtaken_while_it_wrote_changes_nothing(opens: Opens) -> None:
    slow, quick = opens(), opens()
    slow.write(state_at(), [row(("s1",), 0), row(("s2",), 0)], (), replaces=None)

    def rows() -> Iterator[OnlineRow]:
        yield row(("s1",), 1)
        quick.write(state_at(2), [row(("s2",), 2)], (), replaces=state_at())
        yield row(("s2",), 1)

    with pytest.raises(StaleEvidenceError):
        slow.write(state_at(1), rows(), (), replaces=state_at())
    assert values(opens(), ("s1",), ("s2",)) == [(0,), (2,)]
    assert opens().state(VIEW) == state_at(2)


def test_rows_that_fail_on_the_way_change_nothing(opens: Opens) -> None:
    store = opens()
    store.write(state_at(), [row(("s1",), 0)], (), replaces=None)

    def rows() -> Iterator[OnlineRow]:
        for i in range(3000):
            yield row((f"s{i}",), 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write(state_at(1), rows(), [("s1",)], replaces=state_at())
    assert values(store, ("s1",), ("s2",)) == [(0,), None]
    store.write(state_at(1), [row(("s2",), 1)], (), replaces=state_at())
    assert values(opens(), ("s1",), ("s2",), ("s3",)) == [(0,), (1,), None]


def test_one_of_many_threads_wins(opens: Opens) -> None:
    opens().write(state_at(), [row(("all",), -1)], (), replaces=None)
    outcomes: list[int | str] = []
    together = threading.Barrier(6)

    def race(number: int) -> None:
        store = opens()
        mine = [row((f"{number}-{i}",), number) for i in range(1500)]
        together.wait()
        try:
            store.write(
                state_at(1 + number), [row(("all",), number), *mine], (), replaces=state_at()
            )
            outcomes.append(number)
        except StaleEvidenceError:
            outcomes.append("superseded")

    threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [outcome for outcome in outcomes if outcome != "superseded"]
    assert len(outcomes) == 6, "a writer ended in another way than as winner or superseded"
    assert len(winners) == 1
    store, winner = opens(), int(winners[0])
    assert store.state(VIEW) == state_at(1 + winner)
    found = values(store, ("all",), *((f"{number}-0",) for number in range(6)))
    assert found == [(winner,)] + [(winner,) if i == winner else None for i in range(6)]


def test_a_reader_never_sees_two_materializations_at_once(opens: Opens) -> None:
    """Write g changes the rows of g's parity to g: what each row has follows from the state."""
    keys: list[Key] = [(f"s{i}",) for i in range(700)]
    opens().write(state_at(), [row(key, 0) for key in keys], (), replaces=None)
    observed: list[int] = []
    wrong: list[Any] = []
    over = threading.Event()

    def look() -> None:
        store = opens()
        while not over.is_set():
            reading = store.read(VIEW, keys)
            assert reading.state is not None
            now = (reading.state.as_of - T) // HOUR
            of_parity = {now % 2: now, 1 - now % 2: max(now - 1, 0)}
            wrong.extend(
                (now, i, found)
                for i, found in enumerate(reading.rows)
                if found is None or found.values != (of_parity[i % 2],)
            )
            observed.append(now)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    writer = opens()
    for now in range(1, 25):
        rows = [row(key, now) for i, key in enumerate(keys) if i % 2 == now % 2]
        writer.write(state_at(now), rows, (), replaces=state_at(now - 1))
    over.set()
    for reader in readers:
        reader.join()
    assert len(set(observed)) > 1, "the readers saw one state only: nothing was tried"
    assert not wrong, f"{len(wrong)} rows of another materialization than the state, {wrong[:3]}"


zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-9 * HOUR)])
NAIVE = T.replace(tzinfo=None)
moments = st.datetimes(NAIVE.replace(year=1900), NAIVE.replace(year=2200), timezones=zones)
integers = st.integers() | st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1, 0])
texts = st.text() | st.sampled_from(
    ["", "NaN", "null", "1", "a|b", 'a","b', "\x00", "a\nb", "\ud800", "медведь", "🐻", ":", "{}"]
)
floats = st.floats(allow_nan=False) | st.sampled_from([-0.0, 5e-324, 1e308, math.inf, 0.1])
parts = st.one_of(texts, integers, floats, st.booleans(), moments)


def same(one: Value, other: Value) -> bool:
    """Equal, of one type, to the last bit and sign."""
    return type(one) is type(other) and one == other and (
        not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other)  # type: ignore[arg-type]
    )  # fmt: skip


quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(st.lists(st.none() | parts, min_size=1, max_size=6), moments)
def test_values_come_back_as_they_were(
    store: OnlineStore, stored: list[Value], at: datetime
) -> None:
    state = ViewState(f"v{next(_numbers)}", at, at, tuple(f"d{i}" for i in range(len(stored))))
    store.write(state, [OnlineRow(("k",), tuple(stored), at, at)], (), replaces=None)
    (found,) = store.read(state.name, [("k",)]).rows
    assert found is not None
    assert all(same(was, now) for was, now in zip(stored, found.values, strict=True)), found
    assert (found.event_time, found.written_at, store.state(state.name)) == (at, at, state)


@quick
@given(st.lists(st.lists(parts, min_size=1, max_size=3).map(tuple), min_size=1, max_size=12))
def test_every_key_finds_its_own_row(store: OnlineStore, keys: list[Key]) -> None:
    """Keys differ by type as well: 1, 1.0, True and "1" are four entities."""
    name = f"v{next(_numbers)}"

    def reported(key: Key) -> tuple[Any, ...]:
        return tuple((type(part), part) for part in key)

    wanted = {reported(key): i for i, key in enumerate(keys)}
    rows = [row(key, i) for i, key in enumerate(keys)]
    store.write(state_at(view=name), rows, (), replaces=None)
    assert values(store, *keys, view=name) == [(wanted[reported(key)],) for key in keys]


def test_an_instant_is_one_key_in_every_zone_and_zero_has_no_sign(store: OnlineStore) -> None:
    store.write(state_at(), [row((T, -0.0), 1)], (), replaces=None)
    elsewhere = T.astimezone(timezone(timedelta(hours=-7)))
    assert values(store, (elsewhere, 0.0)) == [(1,)]


@pytest.mark.parametrize("bad", [math.nan, b"x", T.date(), object(), 1j])
def test_what_cannot_be_stored_is_refused_and_nothing_is_written(
    store: OnlineStore, bad: Any
) -> None:
    for rows in ([row(("s1",), 1), row(("s2",), bad)], [row((bad,), 1)]):
        with pytest.raises(DataError, match="cannot be stored online"):
            store.write(state_at(), rows, (), replaces=None)
        assert store.views() == ()


def test_an_instant_without_a_zone_is_refused(store: OnlineStore) -> None:
    with pytest.raises(TimeError, match="no time zone"):
        store.write(state_at(), [row(("s1",), NAIVE)], (), replaces=None)


def test_a_key_with_a_missing_part_is_refused(store: OnlineStore) -> None:
    with pytest.raises(DataError, match="cannot be stored online"):
        store.read(VIEW, [("s1", None)])


def test_a_row_has_a_value_for_each_definition(store: OnlineStore) -> None:
    with pytest.raises(DataError, match="does not fit its view"):
        store.write(state_at(0, ("a1", "b2")), [row(("s1",), 1)], (), replaces=None)
    assert store.views() == ()
