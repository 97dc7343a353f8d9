"""Checks fresh data against the hand-written suite and the champion's envelope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.names import internal
from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.data.engines.tables import database_of
from pipelines.data.snapshot import Snapshot
from pipelines.flows.retrain.run import Run
from pipelines.packaging.version import SavedSuite
from pipelines.release.ledger import Entry
from pipelines.release.lineages import verified_history
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis

    from pipelines.data.reader import EventReader
    from pipelines.gates.contract.findings import Source
    from pipelines.quality.envelope.chunks import StreamChunks
    from pipelines.quality.envelope.facts import KeptFacts
    from pipelines.quality.suite import Suite

AS_OF, _SINCE = internal("as_of"), internal("since")


class ContractResult(Record):
    """The findings of both suites on fresh data."""

    findings: tuple[Finding, ...]


def check_contract(run: Run, snapshot: Snapshot) -> ContractResult:
    """Check fresh data against both suites; the record is ``contract.json``.

    Fresh rows are those that became known within ``gates.contract.lookback`` before as-of. For an
    update they are those of ``run.increment``; only what both suites expect of single rows is then
    checked, of the streams that have any.
    """
    return run.workspace.once(
        "contract",
        ContractResult,
        lambda: ContractResult(
            findings=(*check_fresh(run, snapshot).findings, *refused_stretches(run))
        ),
    )


def check_fresh(run: Run, snapshot: Snapshot) -> ContractResult:
    """As ``check_contract``, without the stretches that earlier decisions refused.

    The record is ``fresh-<champion>.json``: it depends on no other decision.
    """
    name = f"fresh-{run.identity.champion or 'none'}"
    return run.workspace.once(name, ContractResult, lambda: _check(run, snapshot))


def _check(run: Run, snapshot: Snapshot) -> ContractResult:
    from pipelines.gates.contract.findings import contract_findings, empty_suite
    from pipelines.gates.contract.identity import identity_findings
    from pipelines.gates.contract.late_rows import late_row_findings
    from pipelines.quality.row_expectations import row_expectations

    default, runner = run.spec.points.stream, run.collaborators.suite_runner
    with run.events.tables(snapshot, run.common.streams) as tables:
        fresh = rows_known_in(tables, run.fresh)
        suites: dict[Source, Suite] = {"suite": run.suite}
        if run.champion is not None:
            suites["envelope"] = run.champion.envelope
        found = empty_suite(run.suite)
        if run.request.update:
            many = {name: int(table.count().execute()) for name, table in fresh.items()}
            suites = {
                source: row_expectations(suite, default, many) for source, suite in suites.items()
            }
        found += contract_findings(suites, fresh, runner, default, tables)
    since = run.fresh.start
    copies = run.events.copies(snapshot, run.spec.streams, since)
    found += identity_findings(copies, run.spec.gates.contract.max_contradicting_share)
    found += late_row_findings(snapshot, run.spec.streams, since)
    return ContractResult(findings=tuple(found))


def refused_stretches(run: Run) -> Iterator[Finding]:
    """Stretches that failed the contract when they were fresh, and now lie in the training window.

    Each has a finding ``contract.previously_rejected.<day>``, for a stretch that an update refused
    with the time of day: there may be several on one day. It passes if the declaration excludes
    the stretch. There is none if a decision in the lineage's history has waived it, with a reason.
    """
    from pipelines.gates.contract.findings import previously_rejected

    request, lookback = run.request, run.spec.gates.contract.lookback
    entries = verified_history(request.model, run.collaborators.ledger, request.lineage)
    accepted = {
        name for e in entries if e.facts and e.facts.reason.strip() for name in e.facts.waived
    }
    start = run.plan.train.start
    refused = {entry.as_of: entry for entry in entries if refuses(entry)}
    for at, entry in sorted(refused.items()):
        stretch = entry.increment or Window(at - lookback, at)
        named = f"{at:%Y-%m-%dT%H%M%SZ}" if entry.increment else f"{at:%Y-%m-%d}"
        name = f"contract.previously_rejected.{named}"
        if name in accepted or stretch.end <= start or at >= request.as_of:
            continue
        excluded = any(
            e.start <= stretch.start and stretch.end <= e.end for e in run.spec.split.exclude
        )
        failed = [f.name for f in entry.findings if f.verdict is Verdict.FAIL and f.blocking]
        yield previously_rejected(name, stretch, failed[0], excluded=excluded)


def refuses(entry: Entry) -> bool:
    """Whether fresh data failed the contract in a decision; waived findings do not count."""
    waived = entry.facts.waived if entry.facts else ()
    return any(
        finding.gate is Gate.CONTRACT
        and finding.verdict is Verdict.FAIL
        and finding.blocking
        and finding.name not in waived
        and not finding.name.startswith("contract.previously_rejected.")
        for finding in entry.findings
    )


def envelope_of(run: Run, snapshot: Snapshot) -> dict[str, Any]:
    """One suite for all declared streams, generated from their rows from training until as-of.

    The record is ``envelope.json``.
    """
    return run.workspace.once(
        "envelope", SavedSuite, lambda: SavedSuite(suite=_envelope_of(run, snapshot))
    ).suite


def _envelope_of(run: Run, snapshot: Snapshot) -> dict[str, Any]:
    window = Window(run.plan.train.start, run.plan.as_of)
    with run.events.tables(snapshot, run.spec.streams) as tables:
        kept = kept_facts(run.events, run.spec, snapshot, tables)
        chunks = envelope_chunks(run.spec, snapshot, tables, window, kept)
        return envelope_suites(run.spec, snapshot, chunks, window)


def kept_facts(
    events: EventReader, spec: ModelSpec, snapshot: Snapshot, tables: Mapping[str, ibis.Table]
) -> dict[str, KeptFacts]:
    """The facts of chunks of a snapshot's streams that earlier envelopes were made of.

    Arguments:
        events: reads the streams.
        spec: the declaration.
        snapshot: of the events.
        tables: the snapshot's rows of every stream as they are.
    """
    from pipelines.quality.envelope.facts import KeptFacts

    connection = next(iter(tables.values())).get_backend()
    sums = events.sums_of_weeks(snapshot, spec.streams, connection)
    engine = database_of(connection).version
    return {
        name: KeptFacts(events.chunks, sums[name], engine, events.progress) for name in spec.streams
    }


def envelope_chunks(
    spec: ModelSpec,
    snapshot: Snapshot,
    tables: Mapping[str, ibis.Table],
    span: Window,
    kept: Mapping[str, KeptFacts] = {},
) -> dict[str, StreamChunks]:
    """What the envelopes of one or many windows are made of, by stream.

    Arguments:
        spec: the declaration.
        snapshot: of the events.
        tables: the rows of every stream; only those in the span are used.
        span: holds the windows; its end differs from theirs by whole lookbacks of the contract.
        kept: from ``kept_facts``, of the same rows; chunks of other streams are measured.
    """
    from pipelines.quality.envelope.suite import stream_chunks

    gate = spec.gates.contract
    return {
        name: stream_chunks(
            tables[name],
            declaration,
            _history(snapshot, name, span),
            gate.lookback,
            gate.mostly,
            kept.get(name),
        )
        for name, declaration in spec.streams.items()
    }


def envelope_suites(
    spec: ModelSpec, snapshot: Snapshot, chunks: Mapping[str, StreamChunks], window: Window
) -> dict[str, Any]:
    """The envelope of one window: one suite for all declared streams.

    Excluded windows are left out: they would make the bounds too wide to find the same fault again.

    Arguments:
        spec: the declaration.
        snapshot: of the events.
        chunks: of every stream.
        window: from the start of training until as-of.

    Raises:
        DataError: a stream has too few rows for an envelope.
    """
    from pipelines.quality.envelope.suite import envelope_suite
    from pipelines.quality.suite import merge_suites

    suites: list[Mapping[str, Any]] = [
        envelope_suite(
            chunks[name],
            stream=name,
            window=_history(snapshot, name, window),
            mostly=spec.gates.contract.mostly,
            left_out=[Window(one.start, one.end) for one in spec.split.exclude],
        )
        for name in spec.streams
    ]
    meta = {"model": spec.name, "as_of": str(window.end), "snapshot": snapshot.id}
    return merge_suites(f"{spec.name}.envelope", suites, meta)


def _history(snapshot: Snapshot, stream: str, window: Window) -> Window:
    """The span from the start of training, or from the stream's later start, until as-of."""
    first = snapshot.streams[stream].first_event
    return Window(max(window.start, first) if first else window.start, window.end)


def fresh_rows(
    spec: ModelSpec, tables: Mapping[str, ibis.Table], as_of: datetime
) -> dict[str, ibis.Table]:
    """Every stream's rows that became known within ``gates.contract.lookback`` before ``as_of``."""
    return rows_known_in(tables, Window(as_of - spec.gates.contract.lookback, as_of))


def rows_known_in(tables: Mapping[str, ibis.Table], known: Window) -> dict[str, ibis.Table]:
    """Every stream's rows that became known after the window's start, until its end."""
    start, end = (bound.replace(tzinfo=None) for bound in (known.start, known.end))
    return {
        name: table.filter(table.known_time > start, table.known_time <= end)
        for name, table in tables.items()
    }


def fresh_rows_each(
    spec: ModelSpec, tables: Mapping[str, ibis.Table], as_ofs: Iterable[datetime]
) -> dict[str, ibis.Table]:
    """``fresh_rows`` of many instants, each row with its instant in the column ``AS_OF``.

    A row is there once for each instant that it is fresh at: use few instants at a time.

    Arguments:
        spec: the declaration.
        tables: the rows of every stream.
        as_ofs: at least one, zoned.
    """
    import ibis

    ends = [as_of.replace(tzinfo=None) for as_of in as_ofs]
    starts = [end - spec.gates.contract.lookback for end in ends]
    windows = ibis.memtable({AS_OF: ends, _SINCE: starts})

    def fresh(table: ibis.Table) -> ibis.Table:
        near = table.filter(table.known_time > min(starts), table.known_time <= max(ends))
        within = [near.known_time > windows[_SINCE], near.known_time <= windows[AS_OF]]
        return near.join(windows, within).drop(_SINCE)

    return {name: fresh(table) for name, table in tables.items()}
