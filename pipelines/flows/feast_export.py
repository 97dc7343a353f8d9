"""Writes a Feast feature repository into a folder, and the views' values if they are wanted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SpecError
from pipelines.data.snapshot import take_snapshot
from pipelines.features.feast import (
    EVENT_TIME,
    MARK,
    README,
    WRITE_TIME,
    feast_repository,
    values_file,
)
from pipelines.flows.frames import streams
from pipelines.flows.run import Parts
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import FeatureView, definition_of, feature_views

if TYPE_CHECKING:
    import pyarrow as pa

_DAY_S = 86_400


def export_feast(
    folder: Path, specs: Sequence[ModelSpec], values: tuple[Parts, datetime] | None = None
) -> tuple[str, ...]:
    """Write the repository of some models, whole or not at all; replaces an older export.

    Arguments:
        folder: where it will be.
        specs: declared models.
        values: where to read events, and as of when to write each view's values as its Parquet
            file; none: definitions only, which is enough for ``feast apply``.

    Returns:
        the files, by name.

    Raises:
        SpecError: when the folder holds something else, or the names do not suit Feast.
        DataError: when events are missing or contradict their declaration.
    """
    files = feast_repository(specs)
    with _replaced(folder) as part:
        for name, text in files.items():
            (part / name).write_text(text, encoding="utf-8")
        written = (
            [name for spec in specs for name in _values(part, spec, *values)] if values else []
        )
    return (*files, *written)


def _values(part: Path, spec: ModelSpec, parts: Parts, as_of: datetime) -> Iterator[str]:
    import pyarrow.parquet as pq

    sources = parts.open_sources(spec)
    snapshot = take_snapshot(spec, as_of, sources, parts.cache, parts.progress)
    with streams(parts, spec, snapshot) as tables:
        for view in feature_views(spec):
            parts.progress(f"computing {view.name} of {spec.name}")
            path = part / values_file(view)
            path.parent.mkdir(exist_ok=True)
            pq.write_table(_table(spec, view, tables, as_of), path)
            yield values_file(view)


def _table(spec: ModelSpec, view: FeatureView, tables: Any, as_of: datetime) -> pa.Table:
    import ibis
    import pyarrow as pa

    from pipelines.features.views import view_rows

    rows = view_rows(spec, view, tables, as_of)
    columns = {name: rows[name] for name in view.entity}
    for feature in view.features:
        value = rows[definition_of(spec, feature)]
        if feature.aggregate == "time_since":  # stored as the instant that it is counted from
            now = ibis.literal(as_of.replace(tzinfo=None)).cast("timestamp(6)")
            value = (now.epoch_seconds() - value.epoch_seconds()) / _DAY_S
        columns[feature.name] = value
    found: pa.Table = rows.select(**columns).to_pyarrow()
    zoned = pa.timestamp("us", tz="UTC")
    for name in (EVENT_TIME, WRITE_TIME):
        found = found.append_column(name, pa.array([as_of] * len(found), zoned))
    return found


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """A path beside ``folder`` that takes its place once the block ends without an error."""
    readme = folder / README
    ours = readme.is_file() and MARK in readme.read_text(encoding="utf-8")
    if folder.exists() and not ours:
        raise SpecError(
            "the folder holds something that is no export",
            where=str(folder),
            wanted=f"a new name, or an export of before: its {README} says so",
            do="name another folder",
        )
    target = folder.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    part, old = (target.with_name(f".{target.name}.{os.getpid()}.{end}") for end in ("part", "old"))
    try:
        part.mkdir()
        yield part
        if ours:
            target.rename(old)
        part.rename(target)
    finally:
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)
