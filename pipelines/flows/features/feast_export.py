"""Writes a Feast feature repository into a folder, optionally with the views' values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SpecError, Unavailable
from pipelines.core.files import atomic_folder
from pipelines.core.time import Clock, refuse_future
from pipelines.data.reader import EventReader
from pipelines.features.feast import (
    EVENT_TIME,
    MARK,
    README,
    WRITE_TIME,
    feast_repository,
    values_file,
)
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView, definition_of, feature_views

if TYPE_CHECKING:
    import pyarrow as pa

_DAY_S = 86_400


@dataclass(frozen=True)
class ViewValues:
    """The source of the views' values.

    Arguments:
        open_events: opens the event streams of a model.
        as_of: zoned, not in the future.
        clock: the present instant.
    """

    open_events: Callable[[ModelSpec], EventReader]
    as_of: datetime
    clock: Clock


def export_feast(
    folder: Path, specs: Sequence[ModelSpec], values: ViewValues | None = None
) -> tuple[str, ...]:
    """Write the repository of some models atomically; replaces an older export.

    Arguments:
        folder: the folder to write.
        specs: declared models.
        values: source of each view's Parquet file; None: definitions only, which is enough for
            ``feast apply``.

    Returns:
        The files, by name.

    Raises:
        SpecError: the folder holds something else, or Feast does not accept the names.
        TimeError: the as-of of the values is in the future.
        DataError: events are missing or contradict their declaration.
        Unavailable: the folder cannot be written.
    """
    files = feast_repository(specs)
    if values is not None:
        refuse_future(values.as_of, values.clock.now(), "the values to export")
    with _replaced(folder) as part:
        for name, text in files.items():
            (part / name).write_text(text, encoding="utf-8")
        written = [name for spec in specs for name in _values(part, spec, values)] if values else []
    return (*files, *written)


def _values(part: Path, spec: ModelSpec, values: ViewValues) -> Iterator[str]:
    import pyarrow.parquet as pq

    events, as_of = values.open_events(spec), values.as_of
    snapshot = events.snapshot(spec.streams, as_of)
    with events.tables(snapshot, spec.streams) as tables:
        for view in feature_views(spec):
            events.progress(f"computing {view.name} of {spec.name}")
            path = part / values_file(view)
            path.parent.mkdir(exist_ok=True)
            pq.write_table(_table(spec, view, tables, as_of), path)
            yield values_file(view)


def _table(spec: ModelSpec, view: FeatureView, tables: Any, as_of: datetime) -> pa.Table:
    import ibis
    import pyarrow as pa

    from pipelines.features.online.views import view_rows

    rows = view_rows(spec, view, tables, as_of)
    columns = {name: rows[name] for name in view.entity}
    for feature in view.features:
        value = rows[definition_of(spec, feature)]
        if feature.aggregate == "time_since":  # stored as the instant that it is counted from
            now: Any = ibis.literal(as_of.replace(tzinfo=None)).cast("timestamp(6)")
            value = (now.epoch_seconds() - value.epoch_seconds()) / _DAY_S
        columns[feature.name] = value
    found: pa.Table = rows.select(
        *(column.name(name) for name, column in columns.items())
    ).to_pyarrow()
    zoned = pa.timestamp("us", tz="UTC")
    for name in (EVENT_TIME, WRITE_TIME):
        found = found.append_column(name, pa.array([as_of] * len(found), zoned))
    return found


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """A path next to ``folder`` that replaces it if the block ends without an error."""
    target = folder.resolve()
    try:
        if target.exists() and not _may_go(target):
            raise SpecError(
                "what is there is no export",
                where=str(folder),
                wanted=f"a new name, an empty folder, or an export of before: its {README} says so",
                hint="name another folder",
            )
        with atomic_folder(target, replace=True) as draft:
            draft.mkdir()
            yield draft
    except OSError as cause:
        raise Unavailable(
            "the repository cannot be written",
            where=str(folder),
            got=str(cause),
            wanted="a folder that this account may write, with room for it",
            hint="mend it or name another folder; what was there before is untouched",
        ) from cause


def _may_go(target: Path) -> bool:
    """Whether the folder holds only an earlier export, so that it may be replaced."""
    readme = target / README
    ours = readme.is_file() and MARK.encode() in readme.read_bytes()
    return ours or (target.is_dir() and not any(target.iterdir()))
