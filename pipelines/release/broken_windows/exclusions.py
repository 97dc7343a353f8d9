"""Windows that were marked as broken join the exclusions of a declaration."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipelines.release.broken_windows.window import BrokenWindow
from pipelines.release.champion_periods import entries_as_of
from pipelines.release.ledger import Entry
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Exclusion


def broken_windows(
    entries: Iterable[Entry], as_of: datetime
) -> tuple[tuple[BrokenWindow, str], ...]:
    """The windows that were marked as broken by an instant and not as mended, each with its reason.

    Arguments:
        entries: of the lineage ``live``, oldest first.
        as_of: the instant; later marks do not count, so that it gives the same result for ever.
    """
    marked: dict[tuple[object, ...], tuple[BrokenWindow, str]] = {}
    for entry in entries_as_of(tuple(entries), as_of):
        if entry.broken is not None:
            marked.pop(entry.broken.place, None)
            if not entry.broken.mended:
                marked[entry.broken.place] = (entry.broken, entry.reasons[0])
    return tuple(marked.values())


def with_exclusions(spec: ModelSpec, entries: Iterable[Entry], as_of: datetime) -> ModelSpec:
    """The declaration, with the broken windows of what the model reads as further exclusions.

    Arguments:
        spec: the declaration.
        entries: of the lineage ``live``, oldest first.
        as_of: the instant of the run.
    """
    found = tuple(
        Exclusion(start=window.start, end=window.end, reason=reason)
        for window, reason in broken_windows(entries, as_of)
        if _reads(spec, window)
    )
    if not found:
        return spec
    split = spec.split.model_copy(update={"exclude": (*spec.split.exclude, *found)})
    return spec.model_copy(update={"split": split})


def _reads(spec: ModelSpec, window: BrokenWindow) -> bool:
    """Whether the model reads what is broken."""
    if not window.stream:
        return True
    columns = spec.frame.columns_read().get(window.stream, frozenset())
    return window.column in columns if window.column else bool(columns)
