"""One fault in one size: planted in a copy, given to the checks in their order, and its cost."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.errors import DataError
from pipelines.core.findings import Verdict
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.faults.catalogue import (
    BROKEN_SPLIT,
    LEAKED_COLUMN,
    MISSING_ONLINE,
    SKEWED_FEATURE,
    SWAPPED_ARTIFACT,
)
from pipelines.faults.fault import EventFault, Fault, Target
from pipelines.faults.matrix import Cell
from pipelines.faults.serving import multiply_served
from pipelines.faults.targets import find_target
from pipelines.flows.drill import serving
from pipelines.flows.drill.context import (
    INGESTION,
    TRAINING,
    DrillContext,
    Verdicts,
    turned,
    verdicts,
)
from pipelines.flows.drill.fresh import contract_of
from pipelines.flows.drill.serving import cell_of
from pipelines.flows.drill.training import TrainedTwin, cost, frame_of, train
from pipelines.flows.frames import FRAME, Frame
from pipelines.flows.workspace import Workspace
from pipelines.spec.features import WindowFeature

if TYPE_CHECKING:
    import pandas as pd

_SEED = 20260101
NO_CHANGE = "it changes no row of the fresh stretch"


@dataclass(frozen=True)
class Planter:
    """How one fault is planted in a model.

    Arguments:
        cell: returns the result of a size; a text where it cannot be planted after all.
        place: what it is planted in: stream and column, or a feature.
        why_not: why it cannot be planted; empty if it can.
    """

    cell: Callable[[float], Cell | str]
    place: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class DrillCells:
    """The cells of one drill. What holds without a fault is computed once, when it is needed.

    Arguments:
        context: the opened drill.
        quick: train nothing.
    """

    context: DrillContext
    quick: bool

    def planter(self, fault: Fault) -> Planter:
        """How a fault is planted in this model."""
        if not isinstance(fault, EventFault):
            return self._planters[fault.name]
        target = find_target(self.context.spec, fault.part, self.context.as_of.replace(tzinfo=None))
        if target is None:
            return Planter(_impossible, why_not=f"the model has no {fault.part}")
        place = ".".join(filter(None, (target.stream, target.column)))
        return Planter(lambda size: self._event_cell(fault, target, size), place)

    @cached_property
    def _planters(self) -> Mapping[str, Planter]:
        """Of the faults that are not in the events."""
        context, spec = self.context, self.context.spec
        quick = "a quick drill builds no features" if self.quick else ""
        windows = [one for one in spec.features if isinstance(one, WindowFeature)]
        numbers = [one.name for one in windows if not one.keeps_type]
        number = numbers[0] if numbers else ""
        no_number = quick or ("" if number else "the model has no window feature with a number")
        return {
            LEAKED_COLUMN.name: Planter(
                lambda size: self._leak_cell(number, size), number, no_number
            ),
            SKEWED_FEATURE.name: Planter(
                lambda size: self._skewed_cell(number, size), number, no_number
            ),
            MISSING_ONLINE.name: Planter(
                lambda size: serving.missing_online(context, size, self._clean_frame[0]),
                why_not=quick
                or ("" if spec.serving and windows else "the model keeps no feature online"),
            ),
            BROKEN_SPLIT.name: Planter(
                lambda size: serving.broken_split(context, size, self._clean_twin.recent),
                why_not=quick or ("" if spec.rollout else "the model declares no rollout"),
            ),
            SWAPPED_ARTIFACT.name: Planter(lambda size: serving.swapped_artifact(context, size)),
        }

    def _event_cell(self, fault: EventFault, target: Target, size: float) -> Cell | str:
        """The contract judges a fault of the newest stretch; what it passes has lasted longer."""
        context = self.context
        planted = self._plant(fault, target, size, context.as_of - context.lookback)
        if planted is None:
            return NO_CHANGE
        without_fault = self._clean_contract
        try:
            snapshot = self._snapshot(planted)
            if snapshot.id == context.copies.snapshot.id:
                return NO_CHANGE
            against = turned(contract_of(context, planted, snapshot), without_fault)
        except DataError as problem:
            return Cell(size=size, caught_by=(INGESTION,), reason=problem.what)
        if against or self.quick:
            return cell_of(size, against)
        return self._lasting_cell(fault, target, size)

    def _lasting_cell(self, fault: EventFault, target: Target, size: float) -> Cell:
        """A fault since as many days before the twin's last label as the recent window has.

        A fault of single days is planted in the last days of the recent window.
        """
        context, plan = self.context, self.context.plan
        target = replace(target, end=plan.recent.end.replace(tzinfo=None))
        planted = self._plant(fault, target, size, plan.trained_until - context.spec.split.recent)
        if planted is None:
            return Cell(size=size)
        folder, clean = context.folder / "faulty", self._clean_twin
        shutil.rmtree(folder, ignore_errors=True)
        try:
            workspace, frame = frame_of(context, planted, self._snapshot(planted), folder)
            faulty = train(context, workspace.path(FRAME), frame.findings)
        except DataError as problem:
            return Cell(size=size, caught_by=(TRAINING,), reason=problem.what)
        return self._judged(size, clean, faulty, faulty.recent)

    def _leak_cell(self, feature: str, size: float) -> Cell:
        """The label in a feature of past points; production serves the true feature."""
        import pandas as pd

        from pipelines.data.engines.tables import read_parquet
        from pipelines.flows.frames import PROBE_SEED, PROBED_POINTS
        from pipelines.gates.availability.leak_probe import probe_leaks

        context, spec, clean = self.context, self.context.spec, self._clean_twin
        folder = context.folder / "faulty"
        shutil.rmtree(folder, ignore_errors=True)
        workspace = Workspace.open_locked(folder)
        path = workspace.write(
            FRAME,
            lambda draft: with_leak(
                pd.read_parquet(self._clean_frame[0].path(FRAME)), spec.classes, feature, size
            ).to_parquet(draft),
        )
        snapshot = context.copies.snapshot
        with context.copies.reader().tables(snapshot, spec.streams) as tables:
            backend = next(iter(tables.values())).get_backend()
            frame = read_parquet(backend, path)
            probed = probe_leaks(
                spec.frame, tables, frame, context.as_of, sample=PROBED_POINTS, seed=PROBE_SEED
            )
        faulty = train(context, path, tuple(probed))
        return self._judged(size, clean, faulty, clean.recent)

    def _skewed_cell(self, feature: str, size: float) -> Cell:
        """A log of requests about the recent window, some served another value of a feature."""
        clean = self._clean_twin
        wrong = np.random.default_rng(_SEED).random(len(clean.recent)) < size
        served = multiply_served(clean.recent, feature, wrong)
        against = serving.parity_of(self.context, clean.recent, served)
        return self._judged(size, clean, replace(clean, findings=against), served)

    def _judged(
        self, size: float, clean: TrainedTwin, faulty: TrainedTwin, served: pd.DataFrame
    ) -> Cell:
        against = turned(faulty.findings, verdicts(clean.findings))
        if against:
            return cell_of(size, against)
        return Cell(size=size, cost=cost(self.context, clean, faulty, served))

    def _plant(
        self, fault: EventFault, target: Target, size: float, since: datetime
    ) -> EventReader | None:
        return self.context.copies.with_fault(
            target.stream,
            since,
            lambda rows: fault.plant(rows, target, size, np.random.default_rng(_SEED)),
        )

    def _snapshot(self, events: EventReader) -> Snapshot:
        return events.snapshot(self.context.spec.streams, self.context.as_of, keep=False)

    @cached_property
    def _clean_contract(self) -> Verdicts:
        context = self.context
        found = contract_of(context, context.copies.reader(), context.copies.snapshot)
        return verdicts(one for one in found if one.verdict is not Verdict.PASS)

    @cached_property
    def _clean_frame(self) -> tuple[Workspace, Frame]:
        context = self.context
        folder = context.folder / "clean"
        return frame_of(context, context.copies.reader(), context.copies.snapshot, folder)

    @cached_property
    def _clean_twin(self) -> TrainedTwin:
        workspace, frame = self._clean_frame
        return train(self.context, workspace.path(FRAME), frame.findings)


def with_leak(
    rows: pd.DataFrame, classes: tuple[str, ...], feature: str, share: float
) -> pd.DataFrame:
    """Rows of a frame, some of which have their label in a feature; classes as their numbers."""
    from pipelines.training.fit import label_numbers

    some = np.random.default_rng(_SEED).random(len(rows)) < share
    leaked = some & rows["label"].notna().to_numpy()
    values = rows[feature].astype(np.float64)
    values[leaked] = label_numbers(rows["label"][leaked], classes)
    return rows.assign(**{feature: values.astype(rows[feature].dtype)})


def _impossible(size: float) -> Cell:
    return Cell(size=size)
