"""One materialization of a feature view: from tables of events into an online store."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines.core.records import Record
from pipelines.features.online.store import OnlineRow, OnlineStore, ViewState
from pipelines.features.online.views import changed_rows, view_rows
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView

if TYPE_CHECKING:
    from typing import Any

    import ibis

BATCH_ROWS = 50_000


class Filled(Record):
    """The number of entities that were written and removed.

    ``gone`` is ``None`` when the whole view was written: removed entities are then not counted.
    """

    rows: int
    gone: int | None


def fill(
    store: OnlineStore,
    spec: ModelSpec,
    view: FeatureView,
    streams: Mapping[str, ibis.Table],
    state: ViewState,
    *,
    replaces: ViewState | None,
    whole: bool,
) -> Filled:
    """Write a view as of ``state.as_of``, whole or only the changes, in one transaction.

    Arguments:
        store: online store to write to.
        spec: the declaration.
        view: one of its views.
        streams: canonical tables that hold all events known by ``state.as_of``.
        state: new state; its definitions are those of ``view_definitions``.
        replaces: current state.
        whole: write every entity; otherwise only those whose values may have changed since
            ``replaces``, which must have the same definitions and must not be later.

    Raises:
        StaleEvidenceError: when the stored state is no longer ``replaces``; nothing was changed.
    """
    keys, written, taken = len(view.entity), itertools.count(), itertools.count()
    with ExitStack() as stack:
        gone: ibis.Table | None = None
        if replaces is None or whole or not view.entity:  # without an entity there is one row
            rows = view_rows(spec, view, streams, state.as_of)
        else:
            changes = stack.enter_context(
                changed_rows(spec, view, streams, replaces.as_of, state.as_of)
            )
            rows, gone = changes.rows, changes.gone
        store.write(
            state,
            (
                OnlineRow(row[:keys], row[keys:], state.as_of, state.written_at)
                for row in _counted(_tuples(rows), written)
            ),
            None if gone is None else _counted(_tuples(gone), taken),
            replaces=replaces,
        )
    return Filled(rows=next(written), gone=None if gone is None else next(taken))


def _counted(items: Iterable[tuple[Any, ...]], counter: Iterator[int]) -> Iterator[tuple[Any, ...]]:
    # The counter comes second, so that it does not advance after the last item.
    return (item for item, _number in zip(items, counter, strict=False))


def _tuples(table: ibis.Table) -> Iterator[tuple[Any, ...]]:
    """The rows of a table, read in batches; instants in UTC."""
    for batch in table.to_pyarrow_batches(chunk_size=BATCH_ROWS):
        yield from zip(*(_zoned(column).to_pylist() for column in batch.columns), strict=True)


def _zoned(column: pa.Array[Any]) -> pa.Array[Any]:
    return column.cast(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(column.type) else column
