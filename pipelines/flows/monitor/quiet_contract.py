"""How often the champion's suites would have failed in the weeks that it was trained on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipelines.core.errors import DataError
from pipelines.core.time import Window
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.retrain.contract import (
    envelope_chunks,
    envelope_suites,
    fresh_rows,
    kept_facts,
)
from pipelines.monitoring.contract import CheckedWindow, QuietWindow, failed, place_of
from pipelines.packaging.version import SUITE, ModelVersion, SavedSuite, read_record
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Exclusion

if TYPE_CHECKING:
    import ibis

    from pipelines.gates.contract.findings import Source
    from pipelines.quality.suite import Suite, SuiteRunner

MOST = 26  # windows


def quiet_windows(
    champion: ModelVersion,
    spec: ModelSpec,
    newest: CheckedWindow,
    events: EventReader,
    snapshot: Snapshot,
    tables: Mapping[str, ibis.Table],
    runner: SuiteRunner,
) -> tuple[QuietWindow, ...]:
    """The checks that would have failed in windows of the champion's training.

    Each window is as long as the fresh one. It is checked by the hand-written suite, and by the
    envelope that the other windows give. Windows that are marked broken are not quiet.

    Arguments:
        champion: has the suite and the span of the envelope.
        spec: its declaration, with everything that is marked broken under ``split.exclude``.
        newest: only streams with a failed check in it are checked.
        events: reads the streams.
        snapshot: of them.
        tables: their canonical rows.
        runner: runs the suites.

    Returns:
        At most 26, newest first; empty while nothing fails, and where training is too short for an
        envelope.
    """
    from pipelines.gates.contract.findings import contract_findings

    names = {place_of(one.name)[0] for one in failed(newest.findings)} & set(spec.streams)
    if not names:
        return ()
    own = spec.model_copy(update={"streams": {name: spec.streams[name] for name in names}})
    with ExitStack() as opened:
        kept = kept_facts(events, own, snapshot, tables)
        fitted = champion.plan_of_fit
        span = Window(fitted.train.start, fitted.as_of)
        rows = {name: opened.enter_context(_known_in(tables[name], span).cache()) for name in names}
        chunks = envelope_chunks(own, snapshot, rows, span, kept)
        default = spec.points.stream
        written = _about(read_record(champion.folder, SUITE, SavedSuite).suite, names, default)
        found = []
        for window in _windows(own, snapshot, span):
            try:
                envelope = envelope_suites(_without(own, window), snapshot, chunks, span)
            except DataError:
                return ()  # the others are too few, or have too few rows
            suites: dict[Source, Suite] = {"suite": written, "envelope": envelope}
            findings = contract_findings(suites, fresh_rows(own, rows, window.end), runner, default)
            found.append(frozenset(one.name for one in failed(findings)))
    return tuple(found)


def _windows(spec: ModelSpec, snapshot: Snapshot, span: Window) -> Iterator[Window]:
    """The newest whole windows of the span in which all streams have begun, newest first."""
    length = spec.gates.contract.lookback
    began = [first for name in spec.streams if (first := snapshot.streams[name].first_event)]
    broken = spec.split.exclude
    for back in range(min(int(span.duration / length), MOST)):
        end = span.end - back * length
        start = end - length
        if start < max([span.start, *began]):
            return
        if not any(start < one.end and one.start < end for one in broken):
            yield Window(start, end)


def _without(spec: ModelSpec, window: Window) -> ModelSpec:
    """The declaration that leaves a window out as well."""
    left_out = Exclusion(start=window.start, end=window.end, reason="checked by the others")
    split = spec.split.model_copy(update={"exclude": (*spec.split.exclude, left_out)})
    return spec.model_copy(update={"split": split})


def _known_in(table: ibis.Table, span: Window) -> ibis.Table:
    """The rows of all chunks and windows of the span, and not the years before it."""
    start, end = (bound.replace(tzinfo=None) for bound in (span.start, span.end))
    return table.filter(table.known_time >= start, table.known_time <= end)


def _about(suite: Suite, streams: Collection[str], default: str) -> Suite:
    """The part of a suite that is about some streams."""
    from pipelines.quality.suite import streams_of

    parts = streams_of(suite, default)
    own = [one for name in streams if name in parts for one in parts[name]["expectations"]]
    return {**suite, "expectations": own}
