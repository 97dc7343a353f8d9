"""The Mondays whose fresh data the hand-written suite refuses, as it would have on each of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.backtest.reasons import Reason, against
from pipelines.core.records import Instant, Record
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.retrain.contract import AS_OF, fresh_rows_each
from pipelines.gates.contract.answers import answers_each
from pipelines.gates.contract.findings import empty_suite, findings_of
from pipelines.quality.suite import streams_of
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    from pipelines.quality.suite import GroupedSuiteRunner

AT_ONCE = 13  # Mondays whose rows are checked by the same queries


class RefusedWeeks(Record):
    """The Mondays on which the contract stops a retraining, with the findings against the data."""

    weeks: dict[Instant, tuple[Reason, ...]]


def refused_weeks(
    events: EventReader,
    spec: ModelSpec,
    snapshot: Snapshot,
    suite: Mapping[str, Any],
    runner: GroupedSuiteRunner,
    mondays: Collection[datetime],
    progress: Progress,
) -> RefusedWeeks:
    """Check the rows that became known in ``gates.contract.lookback`` before each Monday.

    Arguments:
        events: reads the streams.
        spec: the declaration.
        snapshot: the events of the whole span.
        suite: the hand-written suite.
        runner: answers its expectations.
        mondays: the instants of the retrainings.
        progress: called with a short message.
    """
    progress(f"contract of {len(mondays)} weeks")
    parts, missing = streams_of(suite, spec.points.stream), empty_suite(suite)
    found: dict[datetime, tuple[Reason, ...]] = {}
    ordered = sorted(mondays)
    with events.tables(snapshot, spec.streams) as stored:
        for first in range(0, len(ordered), AT_ONCE):
            some = ordered[first : first + AT_ONCE]
            with ExitStack() as open_tables:
                fresh = {
                    name: open_tables.enter_context(one.cache())
                    for name, one in fresh_rows_each(spec, stored, some).items()
                }
                answered = answers_each(parts, fresh, AS_OF, runner)
            for at in some:
                if reasons := against((*missing, *findings_of(parts, answered(at), "suite", {}))):
                    found[at] = reasons
    return RefusedWeeks(weeks=found)
