"""The online store: holds the features that a service reads at prediction time.

All rows of a view are as of one instant, the newest materialization. A reader gets one
materialization or the next, never a mixture; a writer that was overtaken changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

Key = tuple[str | int | float | bool | datetime, ...]  # the entity's values, in the view's order
Value = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class ViewState:
    """The stored state of a feature view.

    ``name`` is ``<model>.<view>``. ``definitions`` are the hashes of the features in its rows, in
    this order; any other feature was never materialized.
    """

    name: str
    as_of: datetime
    written_at: datetime
    definitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """One view's values for an entity; ``event_time`` is the materialization of the last change.

    Only entities with an event in a window have a row; for others counts are 0, the rest missing.
    """

    key: Key
    values: tuple[Value, ...]
    event_time: datetime
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of one view for the requested keys, in their order, from one materialization."""

    state: ViewState | None
    rows: tuple[OnlineRow | None, ...]


class OnlineReader(Protocol):
    """What a lookup of features reads from."""

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        """The rows of the given entities."""
        ...


class OnlineStore(Protocol):
    """Rows of feature views by entity. Every call raises Unavailable when the store does not
    answer, and IntegrityError when its content cannot be read."""

    def state(self, view: str) -> ViewState | None:
        """The state of a view; ``None`` when it was never materialized."""
        ...

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        """The rows of the given entities."""
        ...

    def write(
        self,
        state: ViewState,
        rows: Iterable[OnlineRow],
        gone: Iterable[Key] | None,
        *,
        replaces: ViewState | None,
    ) -> None:
        """Change rows and the state of a view atomically.

        Arguments:
            state: new state of the view.
            rows: new and changed rows; other rows stay unchanged.
            gone: entities without a row from now on. ``None``: ``rows`` are complete, and all
                stored rows are dropped; they are also dropped when ``replaces`` is ``None`` or has
                other definitions.
            replaces: the state that the change was computed from.

        Raises:
            StaleEvidenceError: when the stored state is not ``replaces``; nothing was changed.
        """
        ...

    def views(self) -> tuple[ViewState, ...]:
        """The states of all views, sorted by name."""
        ...
