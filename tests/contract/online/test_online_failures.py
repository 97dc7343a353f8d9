"""Errors of an online store that is away, damaged, full or misnamed."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from pipelines.adapters.online.codec import state_of, state_text
from pipelines.core.errors import (
    FormatError,
    GauntletError,
    IntegrityError,
    SpecError,
    StaleEvidenceError,
    Unavailable,
)
from pipelines.features.online.store import OnlineRow, OnlineStore, ViewState
from pipelines.settings import Settings
from pipelines.stores import open_online

T = datetime(2026, 1, 5, tzinfo=UTC)
VIEW = "demand.stock_by_shop"


def store_at(url: str) -> OnlineStore:
    return open_online(Settings(online_url=url))


def state_at(hour: int) -> ViewState:
    return ViewState(VIEW, T + timedelta(hours=hour), T, ("a1",))


def row(number: int, value: Any = 1) -> OnlineRow:
    return OnlineRow((number,), (value,), T, T)


CALLS: list[Callable[[OnlineStore], object]] = [
    lambda store: store.state(VIEW),
    lambda store: store.read(VIEW, [("s1",)]),
    lambda store: store.views(),
    lambda store: store.write(state_at(0), [row(1)], (), replaces=None),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "url", ["redis://:hush-hush@127.0.0.1:1/3", "redis://127.0.0.1:1/3?password=hush-hush"]
)
def test_no_server_is_reported_with_its_address_and_without_its_password(
    call: Callable[[OnlineStore], object], url: str
) -> None:
    with pytest.raises(Unavailable) as raised:
        call(store_at(url))
    assert raised.value.where == "redis://127.0.0.1:1/3"
    assert "hush" not in str(raised.value)
    assert raised.value.hint.startswith("start it")


@pytest.mark.parametrize("call", CALLS)
def test_a_file_that_cannot_be_made_is_reported_with_its_path(
    call: Callable[[OnlineStore], object], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Unavailable) as raised:
        call(store_at(f"sqlite:///{tmp_path / 'file' / 'online.db'}"))
    assert raised.value.where == str(tmp_path / "file" / "online.db")


@pytest.mark.parametrize("call", CALLS)
def test_a_file_that_is_no_database_is_damaged(
    call: Callable[[OnlineStore], object], tmp_path: Path
) -> None:
    (tmp_path / "online.db").write_text("not what you think " * 100)
    with pytest.raises(IntegrityError, match="cannot be read") as raised:
        call(store_at(f"sqlite:///{tmp_path / 'online.db'}"))
    assert "materialize again" in raised.value.hint


def spoil_sqlite(url: str, column: str, content: bytes) -> None:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        table = {"state": "online_view", "row": "online_row"}[column]
        database.execute(f"UPDATE {table} SET {column} = ?", (content,))


def spoil_redis(url: str, column: str, content: bytes) -> None:
    server = redis.Redis.from_url(url)
    name = {"state": "gauntlet:online", "row": f"gauntlet:online:{VIEW}:1"}[column]
    server.hset(name, mapping=dict.fromkeys(server.hgetall(name), content))


@pytest.mark.parametrize("content", [b"{half a", b'{"other": "program"}', b"[1]", b"\xff", b"5"])
def test_a_state_that_is_none_of_ours_is_damaged(shared_url: str, content: bytes) -> None:
    store_at(shared_url).write(state_at(0), [row(1)], (), replaces=None)
    spoil = spoil_sqlite if shared_url.startswith("sqlite") else spoil_redis
    spoil(shared_url, "state", content)
    for call in (CALLS[0], CALLS[2], CALLS[3]):
        with pytest.raises(IntegrityError, match="state of a stored view") as raised:
            call(store_at(shared_url))
        assert VIEW in raised.value.where
        assert "materialize again" in raised.value.hint


@pytest.mark.parametrize(
    "content",
    [
        b"short",
        b"\x01" + b"0" * 16 + b"[1",
        b"\x01" + b"0" * 16 + b"7",
        b"\x01" + b"\x7f" * 30,
        b"\x00" * 30,
    ],
)
def test_a_row_that_is_none_of_ours_is_damaged_and_written_anew(
    shared_url: str, content: bytes
) -> None:
    store = store_at(shared_url)
    store.write(state_at(0), [row(1)], (), replaces=None)
    spoil = spoil_sqlite if shared_url.startswith("sqlite") else spoil_redis
    spoil(shared_url, "row", content)
    with pytest.raises(IntegrityError, match="a stored row") as raised:
        store.read(VIEW, [(1,)])
    assert VIEW in raised.value.where
    assert "(1,)" in raised.value.where
    assert "--force" in raised.value.hint
    store.write(state_at(1), [row(1)], None, replaces=state_at(0))
    assert store.read(VIEW, [(1,)]).rows == (row(1),)


def test_a_row_or_state_of_a_newer_release_is_refused_by_name(shared_url: str) -> None:
    store = store_at(shared_url)
    store.write(state_at(0), [row(1)], (), replaces=None)
    spoil = spoil_sqlite if shared_url.startswith("sqlite") else spoil_redis
    spoil(shared_url, "row", b"\x02" + b"0" * 16 + b"[1]")
    with pytest.raises(FormatError, match="a stored row was written by a newer release") as raised:
        store.read(VIEW, [(1,)])
    assert VIEW in raised.value.where
    assert "(1,)" in raised.value.where
    assert (raised.value.got, raised.value.wanted) == ("schema 2", "schema 1 or older")
    with pytest.raises(FormatError, match="the state of a stored view"):
        state_of(state_text(state_at(0)).replace('"schema": 1', '"schema": 2'), VIEW)


@pytest.mark.parametrize("url", ["postgresql://host/db", "online.db", "sqlite://", "memory://"])
def test_a_store_of_an_unknown_kind_is_refused(url: str) -> None:
    with pytest.raises(SpecError, match="GAUNTLET_ONLINE_URL"):
        store_at(url)


@pytest.mark.parametrize("url", ["redis://host:many/0", "redis://[::1/0"])
def test_an_address_that_cannot_be_read_is_refused_when_the_store_is_used(url: str) -> None:
    with pytest.raises(SpecError, match="GAUNTLET_ONLINE_URL"):
        store_at(url).views()
    with pytest.raises(SpecError, match="GAUNTLET_ONLINE_URL"):
        store_at(url).state("view")


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    store_at(f"sqlite:///{tmp_path / 'deep' / 'online.db'}")
    store_at("redis://127.0.0.1:1/0")
    assert not list(tmp_path.iterdir())


def test_the_default_is_a_file_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAUNTLET_ONLINE_URL", raising=False)
    settings = Settings(home=tmp_path, _env_file=None)
    open_online(settings).write(state_at(0), (), (), replaces=None)
    assert (tmp_path / "online.db").is_file()


def test_rows_that_the_server_lost_on_the_way_are_noticed(redis_url: str) -> None:
    store, server = store_at(redis_url), redis.Redis.from_url(redis_url)
    store.write(state_at(0), [row(i, 0) for i in range(2000)], (), replaces=None)

    def rows() -> Iterator[OnlineRow]:
        for number in range(2000):
            if number == 1500:
                server.delete(f"gauntlet:online:{VIEW}:2")
            yield row(number)

    with pytest.raises(Unavailable, match="lost rows"):
        store.write(state_at(1), rows(), (), replaces=state_at(0))
    reading = store.read(VIEW, [(0,), (1999,)])
    assert reading.state == state_at(0)
    assert [found and found.values for found in reading.rows] == [(0,), (0,)]


def test_a_server_without_memory_refuses_and_keeps_what_it_has(redis_url: str) -> None:
    store, server = store_at(redis_url), redis.Redis.from_url(redis_url)
    store.write(state_at(0), [row(1, 0)], (), replaces=None)
    try:
        server.config_set("maxmemory", "1mb")
        server.config_set("maxmemory-policy", "noeviction")
        rows = (row(number, "x" * 1000) for number in range(20_000))
        with pytest.raises(Unavailable, match="memory"):
            store.write(state_at(1), rows, (), replaces=state_at(0))
        assert store.read(VIEW, [(1,)]).state == state_at(0)
    finally:
        server.config_set("maxmemory", "0")


def test_a_large_write_never_holds_the_server_up(redis_url: str) -> None:
    """However many rows there are, a command takes 500 of them at most."""
    store, server = store_at(redis_url), redis.Redis.from_url(redis_url)
    names = ("slowlog-log-slower-than", "slowlog-max-len")
    before = {name: server.config_get(name)[name] for name in names}
    try:
        for name, value in zip(names, (0, 100_000), strict=True):  # every command is logged
            server.config_set(name, value)
        server.slowlog_reset()
        store.write(state_at(0), (row(i, "a" * 30) for i in range(60_000)), (), replaces=None)
        store.write(
            state_at(1), (row(i, "b" * 30) for i in range(60_000)), (), replaces=state_at(0)
        )
        store.read(VIEW, [(i,) for i in range(60_000)])
        commands = [entry["command"] for entry in server.slowlog_get(100_000)]
    finally:
        for name, earlier in before.items():
            server.config_set(name, earlier)
    more = re.compile(rb"\((\d+) more arguments\)$")  # the log cuts a command off at 32 arguments
    sizes = [31 + int(found[1]) for one in commands if (found := more.search(one))]
    assert len(sizes) >= 3 * 60_000 / 500, "two writes and a read, in parts"
    assert max(sizes) <= 2 * 500 + 10, "a command has more rows than 500"
    moves = [one for one in commands if one.startswith(b"EVALSHA") and one.endswith(b" 500")]
    assert len(moves) >= 60_000 / 1000, "rows of the second write are laid over the first in parts"
    assert not [one for one in commands if one.startswith(b"DEL ")], "UNLINK frees aside"


def test_redis_keeps_a_head_a_counter_and_one_hash_for_each_view(redis_url: str) -> None:
    store, server = store_at(redis_url), redis.Redis.from_url(redis_url)
    store.write(state_at(0), [row(1), row(2)], (), replaces=None)
    store.write(state_at(1), [row(3)], [(1,)], replaces=state_at(0))
    other = ViewState(VIEW, T, T, ("b2",))
    store.write(other, [row(5)], (), replaces=state_at(1))
    with pytest.raises(StaleEvidenceError):
        store.write(state_at(2), [row(6)], (), replaces=state_at(1))
    names = {name.decode() for name in server.scan_iter()}
    assert names == {"gauntlet:online", "gauntlet:online:number", f"gauntlet:online:{VIEW}:3"}
    assert all(server.ttl(name) == -1 for name in names), "what is known would expire"


def test_a_writer_that_was_slow_does_not_move_old_rows_over_new_ones(redis_url: str) -> None:
    """A move checks with each chunk whether the head is still the one whose rows it moves."""
    store = store_at(redis_url)
    store.write(state_at(0), [row(1, "old")], (), replaces=None)
    stale = redis.Redis.from_url(redis_url).hget("gauntlet:online", VIEW)
    store.write(state_at(1), [row(1, "new")], (), replaces=state_at(0))
    move = store._scripts["move"]  # type: ignore[attr-defined]
    assert move(keys=["gauntlet:online"], args=[VIEW, stale, "0", 500]) is None
    [found] = store.read(VIEW, [(1,)]).rows
    assert found is not None
    assert found.values == ("new",)


def test_every_failure_is_of_the_family(redis_url: str) -> None:
    """A key of another program under our name is no crash."""
    redis.Redis.from_url(redis_url).set("gauntlet:online", "taken")
    with pytest.raises(GauntletError, match="WRONGTYPE"):
        store_at(redis_url).views()
