"""An online store in memory, for tests and backtests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock

from pipelines.adapters.online.codec import begins_anew, check_state, key_bytes, row_bytes, row_of
from pipelines.features.online.store import Key, OnlineRow, Reading, ViewState

_NOTHING: tuple[ViewState | None, Mapping[bytes, bytes]] = (None, {})


class MemoryOnline:
    """``pipelines.features.online.store.OnlineStore`` in a dictionary. It is thread-safe."""

    def __init__(self) -> None:
        self._views: dict[str, tuple[ViewState | None, Mapping[bytes, bytes]]] = {}
        self._writing = Lock()

    def state(self, view: str) -> ViewState | None:
        """The stored state of a view; see the port."""
        return self._views.get(view, _NOTHING)[0]

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        """The rows of some entities; see the port."""
        state, stored = self._views.get(view, _NOTHING)
        found = ((key, stored.get(key_bytes(key))) for key in keys)
        return Reading(
            state, tuple(None if row is None else row_of(key, row, view) for key, row in found)
        )

    def write(
        self,
        state: ViewState,
        rows: Iterable[OnlineRow],
        gone: Iterable[Key] | None,
        *,
        replaces: ViewState | None,
    ) -> None:
        """Replace rows and state; see the port."""
        width = len(state.definitions)
        change = {key_bytes(row.key): row_bytes(row, width) for row in rows}
        left = {key_bytes(key) for key in gone or ()}
        with self._writing:
            before, stored = self._views.get(state.name, _NOTHING)
            check_state(before, replaces, f"{state.name} in memory")
            kept = {} if begins_anew(state, gone, replaces) else stored
            after = {key: row for key, row in kept.items() if key not in left} | change
            self._views[state.name] = (state, after)

    def views(self) -> tuple[ViewState, ...]:
        """The states of all stored views, sorted by name."""
        found = (state for state, _rows in list(self._views.values()) if state is not None)
        return tuple(sorted(found, key=lambda state: state.name))
