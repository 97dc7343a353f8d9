"""Rollout scenarios beyond the two of the demonstration."""

from __future__ import annotations

from pipelines.core.weeks import WEEK
from pipelines.simulation.changes import BulkOrders
from pipelines.simulation.demo.scenarios import (
    MAY,
    MEDIAN,
    SUMMER,
    RolloutScenario,
    SimulatedChain,
    VersionRecipe,
    canary,
    chain_scale,
    error_outcome,
    packs_guardrail,
    packs_outcome,
)
from pipelines.spec.rollout import Canary, Segments


def _checked_weekly(canary: Canary) -> Canary:
    """The canary with one check for harm a week; each check reads its whole log again."""
    return canary.model_copy(update={"check_every": WEEK})


ONE_REGION = RolloutScenario(
    model="one_region",
    title="Better on the whole",
    planted="Care homes of the north fetch most packs in bulk, on days that nothing announces. The "
    "challenger knows every pharmacy and is trained for the median. Its absolute error is smaller, "
    "three regions sell as before, and the shelves of the north run empty.",
    chain=SimulatedChain(
        scale=chain_scale("one region", MAY, medicines=20, prescriptions_per_day=1600),
        changes=(BulkOrders(start=MAY + 12 * WEEK, region="north", moved=0.9, days=0.08),),
        order_factor=1.5,
    ),
    champion=VersionRecipe(trained_at=MAY + 13 * WEEK, sold_days=(42,)),
    challenger=VersionRecipe(
        trained_at=MAY + 23 * WEEK, sold_days=(42,), loss=MEDIAN, keys=("pharmacy", "medicine")
    ),
    canary=_checked_weekly(
        canary(
            error_outcome(3.0),
            (packs_guardrail(0.5),),
            (Segments(column="region", values=("north",), metric="packs_sold", margin=0.1),),
            weeks=4,
        )
    ),
    days=44,
    expected="rolled_back",
)
FULL_SHELVES = RolloutScenario(
    model="full_shelves",
    title="A better forecast that changes nothing",
    planted="The challenger forecasts better, but pharmacies stock five times what is forecast: no "
    "pharmacy runs out with either version, and both sell the same.",
    chain=SimulatedChain(scale=chain_scale("full shelves"), order_factor=5.0),
    champion=VersionRecipe(trained_at=SUMMER + 9 * WEEK, sold_days=(1,)),
    challenger=VersionRecipe(trained_at=SUMMER + 9 * WEEK, sold_days=(7, 28)),
    canary=_checked_weekly(canary(packs_outcome(0.5))),
    expected="inconclusive",
)
