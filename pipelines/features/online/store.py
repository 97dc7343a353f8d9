"""The online store: where a service finds the features of an entity at the moment of a prediction.

A view is kept whole: all its rows are as of one instant, the newest materialization. A reader sees
one materialization or the next, never a mixture, and a writer that lost a race changes nothing.
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
    """What is stored of a feature view.

    ``name`` is ``<model>.<view>``. ``definitions`` are the hashes of the features whose values
    stand in its rows, in this order: a feature that is not among them was never materialized.
    """

    name: str
    as_of: datetime
    written_at: datetime
    definitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """An entity's values of one view; ``event_time`` is the materialization that last changed them.

    Only entities that a window sees have a row: for the others counts are 0 and the rest missing.
    """

    key: Key
    values: tuple[Value, ...]
    event_time: datetime
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """One view's rows for the keys that were asked, in their order, all of one materialization."""

    state: ViewState | None
    rows: tuple[OnlineRow | None, ...]


class OnlineStore(Protocol):
    """Rows of feature views by entity. Every call raises Unavailable when the store is away, and
    IntegrityError when what it holds cannot be read."""

    def state(self, view: str) -> ViewState | None:
        """What is stored of a view; none when it was never materialized."""
        ...

    def read(self, view: str, keys: Sequence[Key]) -> Reading:
        """The rows of some entities."""
        ...

    def write(
        self,
        state: ViewState,
        rows: Iterable[OnlineRow],
        gone: Iterable[Key] | None,
        *,
        replaces: ViewState | None,
    ) -> None:
        """Change some rows and the state of a view, all at once.

        Arguments:
            state: what the view is from now on.
            rows: new and changed ones; the others stay as they are.
            gone: entities that have no row any more; none: ``rows`` are all there are, and what was
                stored is dropped, as it is when ``replaces`` is none or has other definitions.
            replaces: the state that the change was worked out from.

        Raises:
            StaleEvidenceError: when the stored state is another one by now; nothing was changed.
        """
        ...

    def views(self) -> tuple[ViewState, ...]:
        """All that is stored, by name."""
        ...
