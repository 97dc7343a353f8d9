"""The Mondays whose fresh data the hand-written suite refuses, as it would have on each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.backtest.reasons import Reason, against
from pipelines.core.records import Instant, Record
from pipelines.data.events import Progress
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.retrain.contract import fresh_rows
from pipelines.gates.contract.findings import contract_findings, empty_suite
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    from pipelines.quality.suite import SuiteRunner


class RefusedWeeks(Record):
    """The Mondays on which the contract stops a retraining, with the findings against the data."""

    weeks: dict[Instant, tuple[Reason, ...]]


def refused_weeks(
    events: EventReader,
    spec: ModelSpec,
    snapshot: Snapshot,
    suite: Mapping[str, Any],
    runner: SuiteRunner,
    mondays: Iterable[datetime],
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
        progress: called with a short message for each Monday.
    """
    found, missing, ordered = {}, empty_suite(suite), sorted(mondays)
    with events.tables(snapshot, spec.streams) as stored, ExitStack() as open_tables:
        first = (ordered[0] - spec.gates.contract.lookback).replace(tzinfo=None)
        tables = {  # read once for all Mondays
            name: open_tables.enter_context(one.filter(one.known_time > first).cache())
            for name, one in stored.items()
        }
        for at in ordered:
            progress(f"contract as of {at.date()}")
            fresh = fresh_rows(spec, tables, at)
            default = spec.points.stream
            checked = contract_findings(suite, fresh, runner, "suite", default)
            if reasons := against((*missing, *checked)):
                found[at] = reasons
    return RefusedWeeks(weeks=found)
