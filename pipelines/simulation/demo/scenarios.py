"""Challengers with a known true effect on live traffic, each in its own pharmacy chain.

The chains order the forecast quantities. A scenario declares a short version of
``models/demand.yaml``: one month of training, few tries a year, a canary of two weeks with half of
the pairs in each arm.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.core.time import parse_instant
from pipelines.core.weeks import WEEK, monday_from
from pipelines.simulation.changes import BulkOrders
from pipelines.simulation.moved_world import MovedWorld
from pipelines.simulation.scale import Scale
from pipelines.simulation.world import World
from pipelines.spec.rollout import Canary, LiveGuardrail, LiveOutcome, Segments

SUMMER = parse_instant("2025-07-07")  # no season until November
MAY = parse_instant("2025-05-19")
_ESTIMATOR = "sklearn.ensemble.HistGradientBoostingRegressor"
MEAN, MEDIAN = "poisson", "absolute_error"


class SimulatedChain(Record):
    """The pharmacies of a scenario."""

    scale: Scale
    seed: int = 7
    changes: tuple[BulkOrders, ...] = ()
    order_factor: float = Field(default=1.0, description="packs ordered for each forecast pack")


class VersionRecipe(Record):
    """How a version is trained."""

    trained_at: Instant
    sold_days: tuple[int, ...] = Field(description="windows of packs sold, in days: its features")
    loss: str = MEAN
    keys: tuple[str, ...] = Field(default=("medicine",), description="keys used as features")
    recent_days: int = Field(default=14, description="length of the recent window")
    review: Literal["none", "required"] = "none"


class RolloutScenario(Record):
    """A champion and a challenger in one chain."""

    model: str
    title: str
    planted: str = Field(description="the truth of the scenario, for the reader")
    chain: SimulatedChain
    champion: VersionRecipe
    challenger: VersionRecipe = Field(description="live traffic begins when it is trained")
    canary: Canary
    expected: Literal["promoted", "rolled_back", "inconclusive"]
    days: int = Field(default=42, description="live days, at most")
    waiting: VersionRecipe | None = Field(
        default=None, description="trained at the end, and waits for an approval"
    )
    weeks_later: int = Field(default=0, description="weeks by which the scenario was moved")

    @property
    def begins(self) -> datetime:
        """When the events of its chain begin."""
        return self.chain.scale.start + self.weeks_later * WEEK

    @property
    def ends(self) -> datetime:
        """The first Monday on which live traffic has ended in any case."""
        return monday_from(self.challenger.trained_at + timedelta(days=self.days))

    def moved(self, weeks: int) -> Self:
        """The same scenario some weeks later."""

        def recipe(of: VersionRecipe) -> VersionRecipe:
            return of.model_copy(update={"trained_at": of.trained_at + weeks * WEEK})

        return self.model_copy(
            update={
                "champion": recipe(self.champion),
                "challenger": recipe(self.challenger),
                "waiting": self.waiting and recipe(self.waiting),
                "weeks_later": self.weeks_later + weeks,
            }
        )

    def world(self) -> World:
        """The world that the scenario runs in."""
        chain = self.chain
        return MovedWorld(chain.scale, chain.seed, chain.changes, weeks=self.weeks_later)

    def declaration(self, demand: dict[str, Any], recipe: VersionRecipe) -> dict[str, Any]:
        """The declaration of the model for one of its versions.

        Arguments:
            demand: the content of ``models/demand.yaml``.
            recipe: recipe of the version.
        """
        parameters = {"max_iter": 40, "learning_rate": 0.15, "min_samples_leaf": 20}
        return demand | {
            "name": self.model,
            "description": f"{demand['description']} {self.title}.",
            "streams": {
                name: stream | {"source": {"kind": "files", "path": f"{self.model}/{name}"}}
                for name, stream in demand["streams"].items()
            },
            "points": demand["points"] | {"active_for": "28d"},
            "features": [
                *({"kind": "attribute", "name": key} for key in recipe.keys),
                *(_sold(days) for days in recipe.sold_days),
            ],
            "serving": {"every": "1h", "delay": "15m", "ttl": "12h"},
            "split": {"train": "28d", "recent": f"{recipe.recent_days}d"},
            "estimator": {"path": _ESTIMATOR, "parameters": parameters | {"loss": recipe.loss}},
            "seeds": [11, 12],
            "metric": {"name": "absolute_error", "minimum_effect": 0.3},
            "guardrails": [],
            "slices": [],
            "gates": {"budget": {"alpha_year": 0.2, "tries": 4}, "audit": {"refits": 3}},
            "rollout": self._rollout(),
            "board": None,
            "review": recipe.review,
        }

    def _rollout(self) -> dict[str, Any]:
        return {
            # A few hundred requests, answered while the machine is busy with other work.
            "shadow": {
                "share": 0.9,
                "duration": "2d",
                "minimum_requests": 100,
                "max_latency_increase": 20.0,
            },
            "canary": self.canary.as_json(),
            "measures": {
                "packs_sold": {"stream": "dispensing", "column": "quantity", "delay": "4d"}
            },
        }


def chain_scale(name: str, start: datetime = SUMMER, **size: int) -> Scale:
    """The default size of a scenario's chain; ``size`` replaces parts of it."""
    declared = {"pharmacies": 40, "medicines": 5, "prescriptions_per_day": 600} | size
    return Scale(name=name, newcomer_share=0, start=start, **declared)


def canary(
    outcome: LiveOutcome,
    guardrails: tuple[LiveGuardrail, ...] = (),
    segments: tuple[Segments, ...] = (),
    weeks: int = 2,
) -> Canary:
    """A canary with one look after its last week, half of the pairs in each arm."""
    return Canary(
        outcome=outcome,
        guardrails=guardrails,
        segments=segments,
        covariates=("packs_sold",),
        stages=(0.5,),
        weeks=weeks,
        looks=(weeks,),
        minimum_entities=20,
        holdback=0.0,
        check_every=timedelta(days=3),
    )


def packs_outcome(minimum_effect: float) -> LiveOutcome:
    """Packs sold of each pair and day decide the canary."""
    return LiveOutcome(
        name="packs_sold", higher_is_better=True, ratio=True, minimum_effect=minimum_effect
    )


def packs_guardrail(margin: float) -> LiveGuardrail:
    """Packs sold of each pair and day must not fall."""
    return LiveGuardrail(name="packs_sold", higher_is_better=True, ratio=True, margin=margin)


def error_outcome(minimum_effect: float) -> LiveOutcome:
    """The absolute error of each answer decides the canary."""
    return LiveOutcome(name="absolute_error", ratio=True, minimum_effect=minimum_effect)


def _sold(days: int) -> dict[str, Any]:
    return {
        "kind": "window",
        "name": f"sold_{days}d",
        "stream": "dispensing",
        "by": ["pharmacy", "medicine"],
        "aggregate": "sum",
        "column": "quantity",
        "window": f"{days}d",
    }


BETTER_FORECAST = RolloutScenario(
    model="replenishment",
    title="Four weeks of sales instead of a day's",
    planted="The champion forecasts a week from the sales of one day, the challenger from those of "
    "one and of four weeks. Pharmacies order what is forecast.",
    chain=SimulatedChain(
        scale=chain_scale("replenishment", medicines=10, prescriptions_per_day=1200)
    ),
    champion=VersionRecipe(trained_at=SUMMER + 9 * WEEK, sold_days=(1,)),
    challenger=VersionRecipe(trained_at=SUMMER + 9 * WEEK, sold_days=(7, 28)),
    canary=canary(error_outcome(3.0), (packs_guardrail(0.5),)),
    expected="promoted",
)
MEDIAN_FORECAST = RolloutScenario(
    model="care_homes",
    title="Tuned to the metric",
    planted="Care homes fetch most packs in bulk, on days that nothing announces: the median of a "
    "week is far below its mean. The challenger is trained for the median. Its absolute error is "
    "smaller, and pharmacies that order by it run out of stock.",
    chain=SimulatedChain(
        scale=chain_scale("care homes", MAY, medicines=10, prescriptions_per_day=800),
        changes=(BulkOrders(start=MAY + 12 * WEEK),),
        order_factor=1.5,
    ),
    champion=VersionRecipe(trained_at=MAY + 13 * WEEK, sold_days=(42,)),
    challenger=VersionRecipe(trained_at=MAY + 23 * WEEK, sold_days=(42,), loss=MEDIAN),
    canary=canary(error_outcome(3.0), (packs_guardrail(0.1),), weeks=3),
    expected="rolled_back",
    waiting=VersionRecipe(
        trained_at=MAY + 29 * WEEK,
        sold_days=(42,),
        loss=MEDIAN,
        keys=("pharmacy", "medicine"),
        recent_days=28,
        review="required",
    ),
)
LIVE_SCENARIOS = (BETTER_FORECAST, MEDIAN_FORECAST)  # of `gauntlet demo`, in this order
