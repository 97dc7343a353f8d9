"""What an audit reads: the rows of two recipes from the same events, with both recipes' features.

Frames carry further columns that can describe groups of rows: for event points the other columns of
their row, for points on a grid the columns of the entity's latest event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING

from pipelines.core.errors import DataError, SpecError
from pipelines.core.files import working_folder
from pipelines.core.time import Window
from pipelines.spec.combine import combined_spec, other_names
from pipelines.spec.features import AttributeFeature, Feature, WindowFeature
from pipelines.spec.fields import ColumnType
from pipelines.spec.frame import FrameSpec
from pipelines.spec.frame_checks import frame_problems
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import EventPoints, OwnRowLabel
from pipelines.training.split import split_plan

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from pipelines.core.arrays import Integers
    from pipelines.features.frame_rows import FrameRows
    from pipelines.training.row_sets import AuditData, Side

DESCRIBES = "describes_"


def build_audit_data(
    old: ModelSpec, new: ModelSpec, tables: Mapping[str, ibis.Table], as_of: datetime
) -> AuditData:
    """The rows of both recipes as of an instant.

    Arguments:
        old: the champion's declaration.
        new: the candidate's.
        tables: canonical table of each stream that either declares.
        as_of: rows known later are not in the tables.

    Raises:
        SpecError: when the two cannot stand in one frame.
        DataError: when their recent windows have nothing in common, or no row.
    """
    import numpy as np

    from pipelines.training.row_sets import LABEL, SIDES, AuditData, RecipeView
    from pipelines.training.sample import sampled_points

    both = combined_spec(new, old)
    window = _recent(old, new, as_of)
    plans = {"champion": split_plan(old, as_of), "candidate": split_plan(new, as_of)}
    specs: dict[Side, ModelSpec] = {"champion": old, "candidate": new}
    extra = tuple(_describing(old, new))
    start = min(plan.train.start for plan in plans.values())
    point_sides, label_sides = _sides(_points_differ(old, new)), _sides(_labels_differ(old, new))

    recent: dict[tuple[Side, Side], pd.DataFrame] = {}
    training: dict[Side, pd.DataFrame] = {}
    spans: dict[Side, pd.DataFrame] = {}
    own = {"champion": ("champion", "champion"), "candidate": (point_sides[-1], label_sides[-1])}
    for place in product(point_sides, label_sides):
        points_side, label_side = place
        spec = _audited(both, specs[points_side], specs[label_side], extra)
        with _rows(spec, tables, as_of, Window(start, window.end)) as rows:
            recent[place] = _within(rows, window)
            for side in SIDES:
                if own[side] == place:
                    span = _positions(rows, plans[side].train)
                    points = rows.points.iloc[span].reset_index(drop=True)
                    chosen = np.flatnonzero(sampled_points(specs[side], points))
                    training[side] = rows.read(span[chosen]).set_index(chosen)
                    if len(chosen) < len(span):
                        spans[side] = points
    if not len(recent["champion", "champion"]):
        raise DataError(
            "production has no decision point in the recent window",
            where=f"{new.name}: {window}",
            got="no decision point of the champion's recipe",
        )
    return AuditData(
        champion=RecipeView(old, other_names(new, old)),
        candidate=RecipeView(new),
        training=training,
        recent=recent,
        spans=spans,
        descriptive_columns={
            **{feature.name: feature.name.removeprefix(DESCRIBES) for feature in extra},
            LABEL: new.label.column if isinstance(new.label, OwnRowLabel) else LABEL,
        },
    )


def _sides(differ: bool) -> tuple[Side, ...]:
    return ("champion", "candidate") if differ else ("champion",)


def _points_differ(old: ModelSpec, new: ModelSpec) -> bool:
    return (old.points, old.point_stream.source) != (new.points, new.point_stream.source)


def _labels_differ(old: ModelSpec, new: ModelSpec) -> bool:
    if isinstance(old.label, OwnRowLabel) or isinstance(new.label, OwnRowLabel):
        return old.label != new.label or old.points.stream != new.points.stream
    before, after = old.streams[old.label.stream], new.streams[new.label.stream]
    return (old.label, before.source) != (new.label, after.source)


def _recent(old: ModelSpec, new: ModelSpec, as_of: datetime) -> Window:
    """Points that have matured for both, after both trainings."""
    first, second = split_plan(old, as_of).recent, split_plan(new, as_of).recent
    if not first.overlaps(second):
        raise DataError(
            "two recipes have no recent window in common",
            where=new.name,
            got=f"{first} and {second}",
            wanted="label horizons that differ by less than the recent window",
            hint="lengthen split.recent for the audit, or audit the change of label by itself",
        )
    return Window(max(first.start, second.start), min(first.end, second.end))


def _audited(
    both: ModelSpec, points: ModelSpec, label: ModelSpec, extra: tuple[Feature, ...]
) -> FrameSpec:
    """Features of both recipes at one's points with one's labels."""
    frame = FrameSpec(
        streams=both.streams,
        points=points.points,
        label=label.label,
        features=(*both.features, *extra),
        serving=both.serving,
    )
    problems = list(frame_problems(frame))
    if problems:
        raise SpecError(
            "a recipe cannot be applied to the other's decision points",
            where=f"{both.name}: points of stream {points.points.stream}",
            got="; ".join(problems),
            wanted="features and labels that exist at the decision points of today",
        )
    return frame


def _describing(old: ModelSpec, new: ModelSpec) -> Iterator[Feature]:
    """Columns of both recipes' point streams that say what kind of row it is."""
    points = new.points
    here, there = old.point_stream, new.point_stream
    labels = {
        name
        for label in (old.label, new.label)
        if isinstance(label, OwnRowLabel)
        for name in (label.column, label.known_at)
    }
    for column, kind in there.columns.items():
        if column in (*points.keys, *there.id, *labels) or here.columns.get(column) is not kind:
            continue
        name = DESCRIBES + column
        if isinstance(points, EventPoints):
            if kind is not ColumnType.TIMESTAMP:
                yield AttributeFeature(kind="attribute", name=name, column=column)
        elif kind is ColumnType.STRING:
            yield WindowFeature(
                kind="window",
                name=name,
                stream=points.stream,
                by=points.keys,
                aggregate="last",
                column=column,
                window=points.active_for,
            )


@contextmanager
def _rows(
    spec: FrameSpec, tables: Mapping[str, ibis.Table], as_of: datetime, window: Window
) -> Iterator[FrameRows]:
    """A frame's rows in a fixed order, as a file that is removed at the end of the block."""
    from pipelines.data.engines.tables import write_parquet
    from pipelines.features.frame import build_frame
    from pipelines.features.frame_rows import FrameRows

    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    frame = build_frame(spec, {name: tables[name] for name in spec.streams}, as_of)
    wanted = frame.filter((frame.decision_time >= start) & (frame.decision_time < end))
    with working_folder("gauntlet-audit-") as folder:
        path = folder / "frame.parquet"
        write_parquet(wanted.order_by(["decision_time", *spec.points.keys]), path)
        yield FrameRows(path, window, spec.points.keys, spec.feature_names)


def _positions(rows: FrameRows, window: Window) -> Integers:
    """The positions of rows with their decision time in a window."""
    import numpy as np

    from pipelines.training.split import inside

    return np.flatnonzero(inside(rows.points, window))


def _within(rows: FrameRows, window: Window) -> pd.DataFrame:
    return rows.read(_positions(rows, window)).reset_index(drop=True)
