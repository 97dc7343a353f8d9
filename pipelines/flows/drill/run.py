"""A drill from a request to its matrix: every fault in every size, and past data without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pipelines.core.errors import DataError, SpecError
from pipelines.core.files import draft_in, write_bytes
from pipelines.core.names import Name
from pipelines.core.records import Instant, Record, digest_of
from pipelines.core.time import Window, instant_text, refuse_future, time_left
from pipelines.faults.catalogue import FAULTS, MISSING_ONLINE
from pipelines.faults.fault import Fault
from pipelines.faults.matrix import MATRIX, Cell, CleanStretch, FaultRow, Matrix
from pipelines.flows.drill.cells import DrillCells, Planter
from pipelines.flows.drill.context import DrillContext
from pipelines.flows.drill.event_copies import EventCopies
from pipelines.flows.drill.fresh import clean_stretches
from pipelines.flows.fill_report import fill_section
from pipelines.flows.retrain.contract import envelope_chunks, envelope_suites
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.flows.workspace import Workspace
from pipelines.packaging.version import ModelVersion
from pipelines.release.ledger import LIVE
from pipelines.release.lock import OtherLock
from pipelines.reporting.drill.matrix_section import with_drill
from pipelines.reporting.retraining.later_sections import LaterSection, drill_section
from pipelines.training.split import split_plan

STRETCHES, QUICK_STRETCHES = 12, 4
_KEPT = 2  # raised when equal inputs give other cells


class DrillRequest(Record):
    """What is drilled."""

    model: Name
    as_of: Instant | None = Field(default=None, description="null: as of the champion's training")
    faults: tuple[str, ...] = Field(default=(), description="names; empty: all")
    quick: bool = Field(default=False, description="the contract only; nothing is trained")


@dataclass(frozen=True)
class DrillCollaborators:
    """What a drill works with. Only the champion's page and report are written.

    Arguments:
        folder: below which results are kept.
        retraining: the collaborators of a retraining.
    """

    folder: Path
    retraining: RetrainCollaborators


class KeptCell(Record):
    """A cell that was computed before."""

    cell: Cell | None = None
    not_applicable: str = ""


class KeptStretches(Record):
    """Past stretches that were checked before."""

    stretches: tuple[CleanStretch, ...]


def drill(request: DrillRequest, collaborators: DrillCollaborators) -> Matrix:
    """Plant every fault in every size, and record which check catches which.

    Cells are kept by the hashes of their inputs, so a drill that was stopped goes on where it was.
    A whole drill is written to ``<folder>/<model>/<version>.json``, and the version's review page
    gets a section about it.

    Raises:
        SpecError: there is no champion, or no fault of this name.
        DataError: the data without a fault cannot be used.
        TimeError: as-of is in the future.
        LockedError: another drill of this model is at work, or another process has been changing
            the version's report for minutes.
        Unavailable: events, registry or MLflow do not answer; running again is safe.
    """
    chosen, using = chosen_faults(request.faults), collaborators.retraining
    with using.lock(request.model, OtherLock.DRILL), opened(request, collaborators) as context:
        champion, spec = context.champion, context.spec
        folder = collaborators.folder / request.model
        kept = Workspace.open_locked(folder / "cells")
        found = Matrix(
            model=request.model,
            version=champion.number,
            as_of=context.as_of,
            drilled_at=using.clock.now(),
            metric=spec.metric.name.value,
            minimum_effect=spec.metric.minimum_effect,
            quick=request.quick,
            rows=tuple(_rows(DrillCells(context, request.quick), chosen, kept)),
            lookback=context.lookback,
            stretches=_stretches(context, QUICK_STRETCHES if request.quick else STRETCHES, kept),
        )
        if not (request.faults or request.quick):
            text = MATRIX.to_text(found) + "\n"
            write_bytes(folder / f"{champion.number}.json", text.encode())
            registry = using.versions.registry
            page = registry.described(request.model, champion.number)
            registry.describe(request.model, champion.number, with_drill(page, found))
            section, body = LaterSection.DRILL, drill_section(found)
            fill_section(request.model, champion.number, section, body, using.pages, using.lock)
        return found


def chosen_faults(names: tuple[str, ...]) -> tuple[Fault, ...]:
    """The faults of these names; all without names.

    Raises:
        SpecError: there is no fault of one of these names.
    """
    known = {fault.name: fault for fault in FAULTS}
    if unknown := [name for name in names if name not in known]:
        raise SpecError(
            "there is no such fault",
            where="--faults",
            got=", ".join(unknown),
            wanted=f"some of {', '.join(known)}",
        )
    return tuple(known[name] for name in dict.fromkeys(names)) if names else FAULTS


@contextmanager
def opened(request: DrillRequest, collaborators: DrillCollaborators) -> Iterator[DrillContext]:
    """Read champion and events, and link the events into a scratch folder that is removed.

    Arguments:
        request: what is drilled.
        collaborators: what the drill works with.

    Raises:
        As ``drill``.
    """
    using = collaborators.retraining
    champion = _champion(request.model, using)
    as_of = request.as_of or champion.plan.as_of
    spec = champion.spec
    refuse_future(as_of, using.clock.now(), f"model {request.model}")
    if as_of < champion.plan.as_of:
        raise DataError(
            "a drill is older than the champion's training",
            where=f"model {request.model}",
            got=instant_text(as_of),
            wanted=f"{instant_text(champion.plan.as_of)} or later",
        )
    using.progress("reading events")
    live = using.open_events(spec)
    snapshot = live.snapshot(spec.streams, as_of)
    with draft_in(collaborators.folder / request.model) as scratch:
        copies = EventCopies(live, spec.streams, snapshot, scratch / "cache")
        copies.link()
        plan, lookback = split_plan(spec, as_of), spec.gates.contract.lookback
        window = Window(plan.train.start - lookback, as_of - lookback)
        with copies.reader().tables(snapshot, spec.streams) as tables:
            chunks = envelope_chunks(spec, snapshot, tables, window)
            envelope = envelope_suites(spec, snapshot, chunks, window)
        yield DrillContext(
            champion=champion,
            as_of=as_of,
            plan=plan,
            suite=using.load_suite(spec),
            envelope=envelope,
            copies=copies,
            folder=scratch,
            collaborators=using,
        )


def _champion(model: str, using: RetrainCollaborators) -> ModelVersion:
    using.load_spec(model)
    number = using.ledger.champion(model, LIVE)
    if number is None:
        raise SpecError(
            "there is no champion whose data could be drilled",
            where=f"model {model}",
            hint=f"run `gauntlet retrain {model}` first",
        )
    return using.versions.load(model, number)


def _rows(planted: DrillCells, faults: tuple[Fault, ...], kept: Workspace) -> Iterator[FaultRow]:
    using, done = planted.context.collaborators, 0
    started, total = using.clock.now(), sum(len(fault.sizes) for fault in faults)
    for fault in faults:
        left = time_left(using.clock.now() - started, done, total)
        using.progress(f"{fault.name}, {done} of {total} planted{left}")
        yield fault_row(planted, fault, kept)
        done += len(fault.sizes)


def _stretches(context: DrillContext, many: int, kept: Workspace) -> tuple[CleanStretch, ...]:
    return kept.once(
        f"stretches-{_key(context, str(many))}",
        KeptStretches,
        lambda: KeptStretches(stretches=tuple(clean_stretches(context, many))),
    ).stretches


def fault_row(planted: DrillCells, fault: Fault, kept: Workspace) -> FaultRow:
    """One fault in the sizes that change anything."""
    planter = planted.planter(fault)
    why, cells = planter.why_not, list[Cell]()
    for size in () if why else fault.sizes:
        found = _cell(planted, fault, size, planter, kept)
        if isinstance(found, Cell):
            cells.append(found)
        else:
            why = found
    return FaultRow(
        fault=fault.name,
        description=fault.description,
        sizes=tuple(fault.size_text(cell.size) for cell in cells),
        place=planter.place,
        cells=tuple(cells),
        not_applicable="" if cells else why,
    )


def _cell(
    planted: DrillCells, fault: Fault, size: float, planter: Planter, kept: Workspace
) -> Cell | str:
    if fault is MISSING_ONLINE:  # the store is no part of the key, and goes on
        return planter.cell(size)
    key = _key(planted.context, fault.name, f"{size}", f"{planted.quick}")
    found = kept.once(key, KeptCell, lambda: _kept(planter.cell(size)))
    return found.not_applicable if found.cell is None else found.cell


def _kept(found: Cell | str) -> KeptCell:
    if isinstance(found, str):
        return KeptCell(not_applicable=found)
    return KeptCell(cell=found)


def _key(context: DrillContext, *more: str) -> str:
    """A hash over everything that a kept cell is computed from."""
    return digest_of(
        {
            "format": _KEPT,
            "snapshot": context.copies.snapshot.id,
            "spec": context.spec.digest,
            "champion": context.champion.number,
            "suite": digest_of(dict(context.suite)),
            "more": list(more),
        }
    )[:32]
