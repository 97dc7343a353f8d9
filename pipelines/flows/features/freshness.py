"""Measures the value of fresh features on one snapshot. Registers and decides nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipelines.core.errors import SpecError
from pipelines.core.records import Instant, Record
from pipelines.data.reader import EventReader
from pipelines.flows.frames import read_rows, read_training_rows, write_points
from pipelines.gates.availability.staleness_cost import (
    FeatureSource,
    FreshnessComparison,
    compare_freshness,
)
from pipelines.spec.frame import FrameSpec
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan

if TYPE_CHECKING:
    import pandas as pd


class FreshnessReport(Record):
    """The comparison, and the data that it is based on."""

    model: str
    as_of: Instant
    snapshot: str
    comparison: FreshnessComparison


def freshness(
    spec: ModelSpec, as_of: datetime, events: EventReader, scratch: Path
) -> FreshnessReport:
    """Compare the declared recipe with fresh features, as served, and trained fresh but served.

    The champion is not involved, so this is not a try of the year's error budget.

    Arguments:
        spec: the declaration.
        as_of: zoned, not in the future.
        events: reads its streams.
        scratch: folder for temporary files.

    Raises:
        SpecError: the model declares no serving.
        DataError: there are too few rows to train or to evaluate.
    """
    if spec.serving is None:
        raise SpecError(
            "the model does not say when its features are materialized",
            where=f"{spec.name}: serving",
            wanted="`every`, and how long after its instant the values can be read",
            hint="add `serving: {every: 1h, delay: 15m}` to see what that would cost",
        )
    plan = split_plan(spec, as_of)
    snapshot = events.snapshot(spec.streams, as_of)
    fresh = replace(spec.frame, serving=None)
    sources: dict[FeatureSource, FrameSpec] = {"fresh": fresh, "served": spec.frame}
    train: dict[FeatureSource, pd.DataFrame] = {}
    recent: dict[FeatureSource, pd.DataFrame] = {}
    with TemporaryDirectory(dir=scratch) as folder:
        with events.tables(snapshot, spec.streams) as tables:
            for source, declared in sources.items():
                events.progress(f"decision points with {source} features")
                path = Path(folder) / f"{source}.parquet"
                write_points(events, declared, snapshot, tables, plan.train.start, path)
        for source in sources:
            path = Path(folder) / f"{source}.parquet"
            train[source] = read_training_rows(spec, path, plan.train).rows
            recent[source] = read_rows(spec, path, plan.recent)
    events.progress("training twice, judging three times")
    return FreshnessReport(
        model=spec.name,
        as_of=as_of,
        snapshot=snapshot.id,
        comparison=compare_freshness(spec, train, recent),
    )
