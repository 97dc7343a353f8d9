"""The retraining demonstration: one world, six Mondays, and the purpose of each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.core.time import Window, parse_instant
from pipelines.simulation.changes import DemandShift, MonthlyCycle, Substitution
from pipelines.simulation.faults import (
    ClockSlip,
    ColumnGone,
    CounterRestart,
    DuplicateRows,
    FeedStopped,
    HospitalBackfill,
    LateBurst,
    NullFilledWithZero,
    PriceReform,
    UnitChange,
)
from pipelines.simulation.scale import DEMO, Scale
from pipelines.simulation.world import World
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import RefreshEvidence

AnyScenario = Annotated[
    DemandShift
    | Substitution
    | MonthlyCycle
    | UnitChange
    | FeedStopped
    | ColumnGone
    | NullFilledWithZero
    | DuplicateRows
    | LateBurst
    | ClockSlip
    | PriceReform
    | HospitalBackfill
    | CounterRestart,
    Field(discriminator="kind"),
]


class DemoRun(Record):
    """One retraining of the demonstration."""

    as_of: Instant
    title: str
    planted: str = Field(description="what was done to the world, for the reader")
    expected: Literal["promoted", "not_promoted", "stopped_by_contract"]


class RetrainDemo(Record):
    """A world and the instants at which it is retrained."""

    scale: Scale
    seed: int
    scenarios: tuple[AnyScenario, ...]
    runs: tuple[DemoRun, ...]

    @property
    def window(self) -> Window:
        """From the world's first day to the last retraining."""
        return Window(self.scale.start, self.runs[-1].as_of)

    def world(self) -> World:
        """The world of the demonstration."""
        return World(self.scale, self.seed, self.scenarios)


def demo_declaration(spec: ModelSpec) -> ModelSpec:
    """A declaration without live traffic, whose refreshes are tested one by one.

    The Mondays are weeks apart, so that no record of the cost of age can grow between them.
    """
    refresh = spec.gates.refresh.model_copy(update={"evidence": RefreshEvidence.TESTED})
    gates = spec.gates.model_copy(update={"refresh": refresh})
    return spec.without_rollout().model_copy(update={"gates": gates})


RETRAIN_DEMO = RetrainDemo(
    scale=DEMO,
    seed=7,
    scenarios=(
        DemandShift(start=parse_instant("2025-07-01"), factor=2.2, chain="beta", over_days=14),
        Substitution(
            start=parse_instant("2025-07-07"), medicine="ramipril", by="bisoprolol", share=0.85
        ),
        FeedStopped(
            start=parse_instant("2025-07-11"), end=parse_instant("2025-07-23"), stream="stock"
        ),
        UnitChange(start=parse_instant("2025-10-23"), chain="beta"),
    ),
    runs=(
        DemoRun(
            as_of=parse_instant("2025-05-12"),
            title="The first model",
            planted="Eighteen weeks of history, and no champion to beat.",
            expected="promoted",
        ),
        DemoRun(
            as_of=parse_instant("2025-06-16"),
            title="A quiet week",
            planted="Nothing. Five weeks more history do not make a better model.",
            expected="not_promoted",
        ),
        DemoRun(
            as_of=parse_instant("2025-07-21"),
            title="A feed has stopped",
            planted="No pharmacy has reported its stock since 11 July.",
            expected="stopped_by_contract",
        ),
        DemoRun(
            as_of=parse_instant("2025-10-13"),
            title="The world has changed",
            planted="Since July, chain beta supplies care homes and sells more than twice as much, "
            "and bisoprolol is prescribed instead of ramipril.",
            expected="promoted",
        ),
        DemoRun(
            as_of=parse_instant("2025-10-20"),
            title="A week later",
            planted="Nothing. The twin of a refresh has seen a week more of the changed world.",
            expected="promoted",
        ),
        DemoRun(
            as_of=parse_instant("2025-10-27"),
            title="Tablets instead of packs",
            planted="Since 23 October, chain beta's new system counts tablets.",
            expected="stopped_by_contract",
        ),
    ),
)
