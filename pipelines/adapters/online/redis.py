"""An online store in Redis, for services on many machines.

Each view has a head with its state, the name of the hash with its rows, and for a short time the
name of a second hash with newer rows that override the first. A write fills an unreferenced hash in
small chunks, points the head at it in one compare-and-swap, and then moves its rows into the first
hash, again in small chunks, which changes no result. A read gets head and rows in one script. So
the server is never blocked for long, and no reader gets a mixture of old and new rows. If a writer
is killed, its unreferenced hash expires, and the next writer moves the rows that are left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import accumulate, chain, islice
from typing import Any
from urllib.parse import urlsplit

from pipelines.adapters.online.codec import (
    UNREADABLE,
    begins_anew,
    check_state,
    damaged_state,
    key_bytes,
    row_bytes,
    row_of,
    state_of,
    state_text,
)
from pipelines.core.errors import SpecError, Unavailable
from pipelines.core.patience import attempt_s
from pipelines.features.online.store import Key, OnlineRow, Reading, ViewState

_HEADS = "gauntlet:online"  # a hash: the head of each view, as JSON
_NUMBERS = "gauntlet:online:number"
_CHUNK = 500  # rows in one command: about one millisecond on the server
_UNKNOWN_FOR_S = 3600  # lifetime of rows that no head refers to, since their last change
_NO_ROW = b""

# Returns the head; the sizes of the rows in the order of the keys, -1 where there is none; and the
# rows in one string, because clients are slow at reading many replies. Newer rows take precedence.
_READ = """
local head = redis.call('HGET', KEYS[1], ARGV[1])
if not head or #ARGV == 1 then return {head} end
local at = cjson.decode(head)
local rows = redis.call('HMGET', at.rows, unpack(ARGV, 2))
if at.newer ~= '' then
  local newer = redis.call('HMGET', at.newer, unpack(ARGV, 2))
  for i, row in ipairs(newer) do
    if row then rows[i] = row ~= '' and row end
  end
end
local sizes, whole = {}, {}
for i, row in ipairs(rows) do
  sizes[i] = row and #row or -1
  whole[i] = row or ''
end
return {head, table.concat(sizes, ' '), table.concat(whole)}
"""
# Returns 1 if the head is now the wanted one, 0 if it was not the expected one, -1 if the staged
# rows are gone.
_SWAP = """
local view, expected, wanted, staged, rows = unpack(ARGV, 1, 5)
local head = redis.call('HGET', KEYS[1], view) or ''
if head == wanted then return 1 end
if head ~= expected then return 0 end
if redis.call('HLEN', staged) < tonumber(rows) then return -1 end
redis.call('PERSIST', staged)
redis.call('HSET', KEYS[1], view, wanted)
for i = 6, #ARGV do redis.call('UNLINK', ARGV[i]) end
return 1
"""
# Returns the next cursor, "0" at the end, or nothing when the head has changed.
_MOVE = """
local head = redis.call('HGET', KEYS[1], ARGV[1])
if head ~= ARGV[2] then return false end
local at = cjson.decode(head)
local found = redis.call('HSCAN', at.newer, ARGV[3], 'COUNT', ARGV[4])
local pairs_ = found[2]
for i = 1, #pairs_, 2 do
  if pairs_[i + 1] == '' then redis.call('HDEL', at.rows, pairs_[i])
  else redis.call('HSET', at.rows, pairs_[i], pairs_[i + 1]) end
end
return found[1]
"""


class RedisOnline:
    """``pipelines.features.online.store.OnlineStore`` in Redis 6 or newer.

    It connects on first use.

    Arguments:
        url: ``redis://[[user]:password@]host:port/database``, ``rediss://`` or ``unix://``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def state(self, view: str) -> ViewState | None:
        """The stored state of a view; see the port."""
        with self._failures():
            return _state(self._head(view), self._where(view))

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        """The rows of some entities; see the port. Many keys are read in several parts."""
        requested, where = [key_bytes(key) for key in keys], self._where(view)
        with self._failures():
            while True:
                parts = [self._part(view, requested[i : i + _CHUNK]) for i in _starts(requested)]
                states = {_state(head, where) for head, _rows in parts}
                if len(states) == 1:  # otherwise, a write happened between two parts
                    break
        found = zip(keys, chain.from_iterable(rows for _head, rows in parts), strict=True)
        rows = (None if row is None else row_of(key, row, where) for key, row in found)
        return Reading(states.pop(), tuple(rows))

    def write(
        self,
        state: ViewState,
        rows: Iterable[OnlineRow],
        gone: Iterable[Key] | None,
        *,
        replaces: ViewState | None,
    ) -> None:
        """Stage rows, publish them in one step, and merge them into the others; see the port."""
        where = self._where(state.name)
        anew, width = begins_anew(state, gone, replaces), len(state.definitions)
        changes = chain(
            ((key_bytes(key), _NO_ROW) for key in (() if anew or gone is None else gone)),
            ((key_bytes(row.key), row_bytes(row, width)) for row in rows),
        )
        with self._failures():
            check_state(self.state(state.name), replaces, where)  # before the work is done
            staged = f"{_HEADS}:{state.name}:{self._client.incr(_NUMBERS)}"
            with self._dropped_if_it_fails(staged):
                number = self._stage(staged, changes)
            done = False
            while not done:  # a failed swap means that another writer swapped first
                with self._dropped_if_it_fails(staged):
                    before = self._settled(state.name)
                    check_state(_state(before, where), replaces, where)
                done = self._turn(before, state, staged, number, anew)
            self._settled(state.name)

    def views(self) -> tuple[ViewState, ...]:
        """The states of all stored views, sorted by name."""
        with self._failures():
            heads = self._client.hgetall(_HEADS)
        found = (_state(head, self._where(name.decode())) for name, head in heads.items())
        return tuple(sorted((one for one in found if one), key=lambda state: state.name))

    def _where(self, view: str) -> str:
        return f"{view} at {self.address}"

    @cached_property
    def address(self) -> str:
        """The server's address without password or query, which can contain the password too."""
        try:
            parts = urlsplit(self._url)
        except ValueError:
            return "an address that cannot be read"  # the client refuses it on first use
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()

    def _head(self, view: str) -> bytes | None:
        head: bytes | None = self._client.hget(_HEADS, view)
        return head

    def _part(self, view: str, keys: Sequence[bytes]) -> tuple[bytes | None, list[bytes | None]]:
        """The head of a view, and the stored rows of some keys."""
        head, *answer = self._scripts["read"](keys=[_HEADS], args=[view, *keys])
        if not answer:
            return head, [None] * len(keys)
        sizes = [int(size) for size in answer[0].split()]
        ends = accumulate(max(size, 0) for size in sizes)
        found = zip(ends, sizes, strict=True)
        return head, [None if size < 0 else answer[1][end - size : end] for end, size in found]

    def _stage(self, staged: str, changes: Iterable[tuple[bytes, bytes]]) -> int:
        """Write changes to an unreferenced hash; returns the number of rows added."""
        number, left = 0, iter(changes)
        while chunk := dict(islice(left, _CHUNK)):
            pipe = self._client.pipeline(transaction=False)
            pipe.hset(staged, mapping=chunk)
            pipe.expire(staged, _UNKNOWN_FOR_S)
            number += pipe.execute()[0]
        return number

    @contextmanager
    def _dropped_if_it_fails(self, staged: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with suppress(self._library.RedisError):  # if this fails, the hash expires
                self._client.unlink(staged)
            raise

    def _turn(
        self, before: bytes | None, state: ViewState, staged: str, number: int, anew: bool
    ) -> bool:
        """Point the head at the staged rows; False when the head has changed meanwhile."""
        there = json.loads(before) if before else {"rows": ""}
        rows = {"rows": staged, "newer": ""} if anew else {"rows": there["rows"], "newer": staged}
        head = json.dumps({"state": state_text(state), **rows})
        left = [there["rows"]] if anew and before else []
        return self._swap(state.name, before, head, staged, number, *left)

    def _settled(self, view: str) -> bytes | None:
        """Move the newer rows of a view, if any, into the others, and return its head."""
        while (head := self._head(view)) is not None:
            there = json.loads(head)
            if not there["newer"]:
                break
            cursor: bytes | None = b"0"
            while cursor is not None:
                cursor = self._scripts["move"](keys=[_HEADS], args=[view, head, cursor, _CHUNK])
                if cursor == b"0":
                    moved = json.dumps({**there, "newer": ""})
                    self._swap(view, head, moved, there["rows"], 0, there["newer"])
                    break
        return head

    def _swap(
        self, view: str, expected: bytes | None, head: str, rows: str, number: int, *left: str
    ) -> bool:
        """Compare and swap a head: ``rows`` must hold ``number`` rows; ``left`` are deleted."""
        arguments = [view, expected or b"", head, rows, number, *left]
        done = self._scripts["swap"](keys=[_HEADS], args=arguments)
        if done < 0:
            raise Unavailable(
                "the Redis server lost rows that were being written",
                where=self._where(view),
                got="they are no longer there: the server restarted, evicts, or the write was "
                f"at rest for more than {_UNKNOWN_FOR_S} s",
                hint="set maxmemory-policy to noeviction, then materialize again",
            )
        return bool(done)

    @cached_property
    def _library(self) -> Any:
        import redis

        return redis

    @cached_property
    def _client(self) -> Any:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        try:
            return self._library.Redis.from_url(
                self._url,
                socket_timeout=attempt_s(3),  # a connection, and two answers
                socket_connect_timeout=attempt_s(3),
                retry=Retry(NoBackoff(), 1),  # a server that restarted has closed the connection
            )
        except ValueError as cause:
            raise SpecError(
                "cannot read the address of the online store",
                where="GAUNTLET_ONLINE_URL",
                got=f"{self.address}: {cause}",
                wanted="redis://:password@host:port/database",
            ) from cause

    @cached_property
    def _scripts(self) -> dict[str, Any]:
        texts = {"read": _READ, "swap": _SWAP, "move": _MOVE}
        return {name: self._client.register_script(text) for name, text in texts.items()}

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except self._library.RedisError as cause:
            raise Unavailable(
                "the online store did not answer",
                where=self.address,
                got=str(cause),
                wanted="a Redis server, version 6 or newer, that takes this address's password",
                hint="start it, give it memory or mend GAUNTLET_ONLINE_URL, then run again: "
                "nothing half-written can be seen",
            ) from cause


def _state(head: bytes | None, where: str) -> ViewState | None:
    if head is None:
        return None
    try:
        text = json.loads(head)["state"]
    except UNREADABLE as cause:
        raise damaged_state(where, head) from cause
    return state_of(text, where)


def _starts(keys: Sequence[bytes]) -> range:
    """Start indices of the parts of a read; a read without keys has one part."""
    return range(0, max(len(keys), 1), _CHUNK)
