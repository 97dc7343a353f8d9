"""Fresh data against the hand-written suite and the champion's own envelope."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.core.verdict import Finding
from pipelines.data.snapshot import Snapshot
from pipelines.flows.frames import streams
from pipelines.flows.incumbent import Incumbent
from pipelines.flows.run import Run
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    import ibis


class Contract(Record):
    """What fresh data made of both suites."""

    findings: tuple[Finding, ...]


def hold_contract(
    run: Run, spec: ModelSpec, snapshot: Snapshot, incumbent: Incumbent | None
) -> Contract:
    """The findings of both suites on what became known in ``gates.contract.fresh`` before as-of."""
    from pipelines.quality.findings import contract_findings

    default, runner = run.spec.points.stream, run.parts.suite_runner
    with streams(run.parts, spec, snapshot) as tables:
        fresh = fresh_rows(run.spec, tables, run.request.as_of)
        found = contract_findings(run.suite, fresh, runner, "suite", default)
        if incumbent is not None:
            found += contract_findings(incumbent.envelope, fresh, runner, "envelope", default)
    return Contract(findings=tuple(found))


def envelope_of(run: Run, snapshot: Snapshot, plan: SplitPlan) -> dict[str, Any]:
    """One suite for all declared streams: what they looked like from training until as-of."""
    from pipelines.quality.envelope import envelope_suite
    from pipelines.quality.suite import merge_suites

    gate = run.spec.gates.contract
    with streams(run.parts, run.spec, snapshot) as tables:
        suites: list[Mapping[str, Any]] = [
            envelope_suite(
                tables[name],
                name=f"{run.spec.name}.{name}",
                stream=name,
                declaration=declaration,
                window=_history(snapshot, name, plan),
                fresh=gate.fresh,
                mostly=gate.mostly,
            )
            for name, declaration in run.spec.streams.items()
        ]
    meta = {"model": run.spec.name, "as_of": str(plan.as_of), "snapshot": snapshot.id}
    return merge_suites(f"{run.spec.name}.envelope", suites, meta)


def _history(snapshot: Snapshot, stream: str, plan: SplitPlan) -> Window:
    """From the start of training until as-of; a stream that began later has no history before."""
    first = snapshot.streams[stream].first_event
    return Window(max(plan.train.start, first) if first else plan.train.start, plan.as_of)


def fresh_rows(
    spec: ModelSpec, tables: Mapping[str, ibis.Table], as_of: datetime
) -> dict[str, ibis.Table]:
    """Every stream's rows that became known in ``gates.contract.fresh`` before ``as_of``."""
    start = (as_of - spec.gates.contract.fresh).replace(tzinfo=None)
    return {name: table.filter(table.known_time > start) for name, table in tables.items()}
