"""The contract on fresh rows with a fault, and on past fresh rows without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipelines.core.errors import DataError
from pipelines.core.findings import Finding
from pipelines.core.time import Window
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.faults.matrix import CleanStretch
from pipelines.flows.drill.context import DrillContext, run_checks, verdicts
from pipelines.flows.retrain.contract import envelope_chunks, envelope_suites, fresh_rows

if TYPE_CHECKING:
    from pipelines.gates.contract.findings import Source
    from pipelines.quality.suite import Suite


def contract_of(
    context: DrillContext, events: EventReader, snapshot: Snapshot
) -> tuple[Finding, ...]:
    """The contract's findings, as the step of a retraining makes them.

    Arguments:
        context: the drill.
        events: reads the events, with or without a fault.
        snapshot: of these events.
    """
    from pipelines.gates.contract.findings import contract_findings
    from pipelines.gates.contract.identity import identity_findings

    spec, runner = context.spec, context.collaborators.suite_runner
    default = spec.points.stream
    with events.tables(snapshot, spec.streams) as tables:
        fresh = fresh_rows(spec, tables, context.as_of)
        since = context.as_of - context.lookback
        return run_checks(
            context.checks,
            {
                "suite": lambda: contract_findings(
                    {"suite": context.suite}, fresh, runner, default, tables
                ),
                "envelope": lambda: contract_findings(
                    {"envelope": context.envelope}, fresh, runner, default, tables
                ),
                "identity": lambda: identity_findings(
                    events.copies(snapshot, spec.streams, since),
                    spec.gates.contract.max_contradicting_share,
                ),
            },
        )


def clean_stretches(context: DrillContext, many: int) -> Iterator[CleanStretch]:
    """Suite and envelope on past stretches as they are.

    A stretch is as long as the contract's lookback. Its envelope is the one of a version of one
    lookback earlier; where the data are too thin for one, the stretch is left out.

    Arguments:
        context: the drill.
        many: how many stretches, counted back from as-of.
    """
    from pipelines.core.findings import Verdict
    from pipelines.gates.contract.findings import contract_findings

    spec, runner = context.spec, context.collaborators.suite_runner
    snapshot, default = context.copies.snapshot, spec.points.stream
    began = [one.first_event for one in snapshot.streams.values() if one.first_event]
    with ExitStack() as opened:
        stored = opened.enter_context(context.copies.reader().tables(snapshot, spec.streams))
        tables = {name: opened.enter_context(one.cache()) for name, one in stored.items()}
        longest = context.plan.train.start - many * context.lookback
        span = Window(longest, context.as_of - context.lookback)
        chunks = envelope_chunks(spec, snapshot, tables, span)
        for back in range(many):
            at = context.as_of - back * context.lookback
            if at - context.lookback <= max(began):
                return  # before all streams began
            context.collaborators.progress(f"a stretch without a fault, as of {at:%Y-%m-%d}")
            try:
                window = Window(
                    context.plan.train.start - (back + 1) * context.lookback,
                    at - context.lookback,
                )
                envelope = envelope_suites(spec, snapshot, chunks, window)
            except DataError:
                continue
            fresh = fresh_rows(spec, tables, at)
            suites: dict[Source, Suite] = {"suite": context.suite, "envelope": envelope}
            found = contract_findings(suites, fresh, runner, default, tables)
            stopped = verdicts(one for one in found if one.verdict is not Verdict.PASS)
            yield CleanStretch(as_of=at, fired=tuple(stopped))
