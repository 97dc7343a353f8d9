"""Faults of what serves, given to the check that owns them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.core.findings import Verdict
from pipelines.faults.serving import multiply_served
from pipelines.features.online.store import OnlineRow, ViewState
from pipelines.flows.drill.context import DrillContext
from pipelines.flows.drill.serving import ForgetfulStore, broken_split, parity_of
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import declaration

AS_OF = datetime(2025, 3, 10, tzinfo=UTC)
POINTS = pd.DataFrame({"pharmacy": [f"p{number}" for number in range(300)], "medicine": "m"})


@pytest.fixture
def context() -> DrillContext:
    champion: Any = SimpleNamespace(spec=ModelSpec.model_validate(declaration()))
    nothing: Any = None
    return DrillContext(
        champion=champion,
        as_of=AS_OF,
        plan=nothing,
        suite={},
        envelope={},
        copies=nothing,
        folder=nothing,
        collaborators=nothing,
    )


def test_a_thousandth_of_requests_in_the_wrong_arm_is_enough(context: DrillContext) -> None:
    caught = broken_split(context, 0.001, POINTS)
    assert caught.caught_by == ("canary.sample_ratio.assignment",)
    assert not broken_split(context, 0.0, POINTS).caught
    without = dataclasses.replace(context, checks=context.checks - {"canary"})
    assert not broken_split(without, 0.1, POINTS).caught


def test_features_that_were_served_with_another_value_are_found(context: DrillContext) -> None:
    """One request in a hundred; without the check of parity it goes undetected."""
    values = {name: np.arange(300.0) for name in context.spec.feature_names}
    at = pd.Timestamp("2025-03-03")
    computed = pd.DataFrame(values).assign(decision_time=at, label=None, **POINTS)
    served = multiply_served(computed, "sold", np.arange(300) % 100 == 7)

    def against(checks: frozenset[str], rows: pd.DataFrame) -> list[str]:
        found = parity_of(dataclasses.replace(context, checks=checks), computed, rows)
        return [one.name for one in found if one.verdict is not Verdict.PASS]

    assert against(context.checks, served) == ["availability.parity.sold"]
    assert not against(context.checks, computed)
    assert not against(context.checks - {"parity"}, served)


def test_a_forgetful_store_lacks_some_entities_of_one_view() -> None:
    store, hour = MemoryOnline(), timedelta(hours=1)
    keys = [(number,) for number in range(200)]
    for view in ("demand.sales", "demand.stock"):
        state = ViewState(view, AS_OF, AS_OF + hour, ("abc",))
        rows = [OnlineRow(key, (1.0,), AS_OF, AS_OF + hour) for key in keys]
        store.write(state, rows, None, replaces=None)
    forgetful = ForgetfulStore(store, "demand.sales", 0.5)
    kept = [row for row in forgetful.read("demand.sales", keys).rows if row is not None]
    assert 70 < len(kept) < 130
    assert None not in forgetful.read("demand.stock", keys).rows
    assert forgetful.state("demand.sales") == store.state("demand.sales")
