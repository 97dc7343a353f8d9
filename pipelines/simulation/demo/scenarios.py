"""Challengers on live traffic with a known truth, each in a chain of its own.

The chains order by what is predicted. What a story declares is ``models/demand.yaml`` made quick:
one month of training, few tries a year, a canary of two weeks with half of the pairs in each arm.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from pipelines.core.records import Instant, Record
from pipelines.core.time import parse_instant
from pipelines.simulation.changes import BulkOrders
from pipelines.simulation.scale import Scale
from pipelines.simulation.world import World

_WEEK = timedelta(weeks=1)
_SUMMER = parse_instant("2025-07-07")  # no season until November
_MAY = parse_instant("2025-05-19")
_ESTIMATOR = "sklearn.ensemble.HistGradientBoostingRegressor"
MEAN, MEDIAN = "poisson", "absolute_error"
PACKS_SOLD: dict[str, Any] = {"name": "packs_sold", "higher_is_better": True, "ratio": True}
ABSOLUTE_ERROR: dict[str, Any] = {"name": "absolute_error", "ratio": True}


class VersionRecipe(Record):
    """What a version is made of."""

    sold_days: tuple[int, ...] = Field(description="packs sold in so many days are its features")
    loss: str = MEAN
    keys: tuple[str, ...] = Field(default=("medicine",), description="of a pair, that it knows")


class RolloutScenario(Record):
    """A champion, a challenger, and the chain in which they meet."""

    model: str
    title: str
    planted: str = Field(description="what is true, for the reader")
    scale: Scale
    seed: int = 7
    scenarios: tuple[BulkOrders, ...] = ()
    order_factor: float = Field(
        default=1.0, description="packs ordered for each one that is forecast"
    )
    champion_at: Instant = Field(description="when the champion is")
    challenger_at: Instant = Field(description="when its challenger is, and live traffic begins")
    champion: VersionRecipe
    challenger: VersionRecipe
    outcome: dict[str, Any]
    guardrails: tuple[dict[str, Any], ...] = ()
    segments: tuple[dict[str, Any], ...] = ()
    expected: Literal["promoted", "rolled_back", "inconclusive"]
    weeks: int = Field(default=2, description="of the canary")
    days: int = Field(default=42, description="after which it has to be over")

    def world(self) -> World:
        """The world in which it plays."""
        return World(self.scale, self.seed, self.scenarios)

    def declaration(self, demand: dict[str, Any], recipe: VersionRecipe) -> dict[str, Any]:
        """A declaration of the model.

        Arguments:
            demand: that of ``models/demand.yaml``, read.
            recipe: of the version that it makes.
        """
        parameters = {"max_iter": 40, "learning_rate": 0.15, "min_samples_leaf": 20}
        return demand | {
            "name": self.model,
            "description": f"{demand['description']} {self.title}.",
            "points": demand["points"] | {"active_for": "28d"},
            "features": [
                *({"kind": "attribute", "name": key} for key in recipe.keys),
                *(_sold(days) for days in recipe.sold_days),
            ],
            "serving": {"every": "1h", "delay": "15m"},
            "split": {"train": "28d", "recent": "14d"},
            "estimator": {"path": _ESTIMATOR, "parameters": parameters | {"loss": recipe.loss}},
            "seeds": [11, 12],
            "metric": {"name": "absolute_error", "minimum_effect": 0.3},
            "guardrails": [],
            "slices": [],
            "gates": {"budget": {"alpha_year": 0.2, "tries": 4}, "audit": {"refits": 3}},
            "rollout": self._rollout(),
            "schedule": None,
        }

    def _rollout(self) -> dict[str, Any]:
        return {
            # Some hundred requests, answered while the machine does everything else.
            "shadow": {
                "share": 0.9,
                "duration": "2d",
                "minimum_requests": 100,
                "max_latency_increase": 20.0,
            },
            "canary": {
                "outcome": self.outcome,
                "guardrails": list(self.guardrails),
                "segments": list(self.segments),
                "covariates": ["packs_sold"],
                "stages": [0.5],
                "weeks": self.weeks,
                "looks": [self.weeks],
                "minimum_entities": 20,
                "holdback": 0.0,
                "check_every": "3d",
            },
            "measures": {
                "packs_sold": {"stream": "dispensing", "column": "quantity", "delay": "4d"}
            },
        }


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


def _chain(name: str, start: datetime = _SUMMER, **size: int) -> Scale:
    declared = {"pharmacies": 40, "medicines": 5, "prescriptions_per_day": 600} | size
    return Scale(name=name, newcomer_share=0, start=start, **declared)


BETTER_FORECAST = RolloutScenario(
    model="orders",
    title="Four weeks of sales instead of a day's",
    planted="The champion forecasts a week from the sales of one day, the challenger from those of "
    "one and of four weeks. Pharmacies order what is forecast.",
    scale=_chain("orders", medicines=10, prescriptions_per_day=1200),
    champion_at=_SUMMER + 9 * _WEEK,
    challenger_at=_SUMMER + 9 * _WEEK,
    champion=VersionRecipe(sold_days=(1,)),
    challenger=VersionRecipe(sold_days=(7, 28)),
    outcome=ABSOLUTE_ERROR | {"minimum_effect": 3.0},
    guardrails=(PACKS_SOLD | {"margin": 0.5},),
    expected="promoted",
)
MEDIAN_FORECAST = RolloutScenario(
    model="care_homes",
    title="Tuned to the metric",
    planted="Care homes fetch most packs in bulk, on days that nothing announces: the median of a "
    "week is far below its mean. The challenger is trained for the median. Its absolute error is "
    "smaller, and whoever orders by it runs out.",
    scale=_chain("care homes", _MAY, medicines=10, prescriptions_per_day=800),
    scenarios=(BulkOrders(start=_MAY + 12 * _WEEK),),
    order_factor=1.5,
    champion_at=_MAY + 13 * _WEEK,
    challenger_at=_MAY + 23 * _WEEK,
    champion=VersionRecipe(sold_days=(42,)),
    challenger=VersionRecipe(sold_days=(42,), loss=MEDIAN),
    outcome=ABSOLUTE_ERROR | {"minimum_effect": 3.0},
    guardrails=(PACKS_SOLD | {"margin": 0.1},),
    weeks=3,
    expected="rolled_back",
)
ONE_REGION = RolloutScenario(
    model="one_region",
    title="Better on the whole",
    planted="Care homes of the north fetch most packs in bulk, on days that nothing announces. The "
    "challenger knows every pharmacy and is trained for the median. Its absolute error is smaller, "
    "three regions sell as before, and the shelves of the north run empty.",
    scale=_chain("one region", _MAY, medicines=20, prescriptions_per_day=1600),
    scenarios=(BulkOrders(start=_MAY + 12 * _WEEK, region="north", moved=0.9, days=0.08),),
    order_factor=1.5,
    champion_at=_MAY + 13 * _WEEK,
    challenger_at=_MAY + 23 * _WEEK,
    champion=VersionRecipe(sold_days=(42,)),
    challenger=VersionRecipe(sold_days=(42,), loss=MEDIAN, keys=("pharmacy", "medicine")),
    outcome=ABSOLUTE_ERROR | {"minimum_effect": 3.0},
    guardrails=(PACKS_SOLD | {"margin": 0.5},),
    segments=({"column": "region", "values": ["north"], "metric": "packs_sold", "margin": 0.1},),
    weeks=4,
    days=44,
    expected="rolled_back",
)
FULL_SHELVES = RolloutScenario(
    model="full_shelves",
    title="A better forecast that nobody needs",
    planted="The challenger forecasts better, and shelves hold five times what is forecast: nobody "
    "runs out with either, and both sell the same.",
    scale=_chain("full shelves"),
    order_factor=5.0,
    champion_at=_SUMMER + 9 * _WEEK,
    challenger_at=_SUMMER + 9 * _WEEK,
    champion=VersionRecipe(sold_days=(1,)),
    challenger=VersionRecipe(sold_days=(7, 28)),
    outcome=PACKS_SOLD | {"minimum_effect": 0.5},
    expected="inconclusive",
)
