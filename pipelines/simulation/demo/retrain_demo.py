"""The retraining demonstration: one world, six Mondays, and the purpose of each.

Its dates are those of the world. ``RetrainDemo.moved`` moves the whole story.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.core.time import parse_instant
from pipelines.core.weeks import WEEK
from pipelines.release.broken_windows.window import BrokenWindow
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
from pipelines.simulation.moved_world import MovedWorld
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
    broken: BrokenWindow | None = Field(
        default=None, description="what a person marks as broken after the run"
    )

    def moved(self, weeks: int) -> Self:
        """The same run some weeks later."""
        by, broken = weeks * WEEK, self.broken
        if broken is not None:
            update = {"start": broken.start + by, "end": broken.end + by}
            broken = broken.model_copy(update=update)
        return self.model_copy(update={"as_of": self.as_of + by, "broken": broken})


class RetrainDemo(Record):
    """A world and the instants at which it is retrained."""

    scale: Scale
    seed: int
    scenarios: tuple[AnyScenario, ...]
    runs: tuple[DemoRun, ...]
    weeks_later: int = Field(default=0, description="weeks by which the story was moved")

    @property
    def begins(self) -> datetime:
        """When the events of the world begin."""
        return self.scale.start + self.weeks_later * WEEK

    @property
    def ends(self) -> datetime:
        """The Monday of the last retraining."""
        return self.runs[-1].as_of

    def moved(self, weeks: int) -> Self:
        """The same story some weeks later."""
        runs = tuple(run.moved(weeks) for run in self.runs)
        return self.model_copy(update={"runs": runs, "weeks_later": self.weeks_later + weeks})

    def world(self) -> World:
        """The world of the demonstration."""
        return MovedWorld(self.scale, self.seed, self.scenarios, weeks=self.weeks_later)


def demo_declaration(spec: ModelSpec) -> ModelSpec:
    """A declaration without live traffic, whose refreshes are tested one by one.

    The Mondays are weeks apart, so that no record of the cost of age can grow between them.
    """
    refresh = spec.gates.refresh.model_copy(update={"evidence": RefreshEvidence.TESTED})
    gates = spec.gates.model_copy(update={"refresh": refresh})
    return spec.without_rollout().model_copy(update={"gates": gates})


# The last rows of tablets are recorded four days late, before the next retraining.
_TABLETS, _PACKS = parse_instant("2025-10-13"), parse_instant("2025-10-16")
_BROKEN_UNTIL = parse_instant("2025-10-20")  # what the contract rejects becomes known until then
MARKED_AFTER = timedelta(hours=9)  # after a run
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
        UnitChange(start=_TABLETS, end=_PACKS, chain="beta"),
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
            planted="No pharmacy has reported its stock for ten days.",
            expected="stopped_by_contract",
        ),
        DemoRun(
            as_of=parse_instant("2025-10-13"),
            title="The world has changed",
            planted="For three months, chain beta has supplied care homes and sold more than twice "
            "as much, and bisoprolol has been prescribed instead of ramipril.",
            expected="promoted",
        ),
        DemoRun(
            as_of=parse_instant("2025-10-20"),
            title="Tablets instead of packs",
            planted="On three days of the week, chain beta's new system counted tablets.",
            expected="stopped_by_contract",
            broken=BrokenWindow(
                start=_TABLETS,
                end=_BROKEN_UNTIL,
                stream="dispensing",
                column="quantity",
                by="data-team",
            ),
        ),
        DemoRun(
            as_of=parse_instant("2025-10-27"),
            title="The feed is mended",
            planted="Chain beta counts packs, and the week with its tablets is marked as broken: "
            "nothing is trained on it or compared in it.",
            expected="not_promoted",
        ),
    ),
)
