"""Equal models and slices that are not declared: how often is any of them blamed?

The world is one of ``worlds.py``; five kinds of entities, and two numbers in four bins each. The
margin is zero, so that every slice stands exactly where harm begins. The long form is in
``docs/proof.md``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pipelines.core.findings import Verdict
from pipelines.gates.recent_window.slice_search import undeclared_slices
from pipelines.gates.recent_window.slices import slice_findings
from pipelines.spec.training import SliceSearch
from pipelines.stats.paired import paired_difference
from tests.montecarlo.test_audit_null import recipe
from tests.montecarlo.worlds import REPLICATIONS, SMALL_ENTITIES, World, draw, upper


def found_blamed(world: World, replications: int, seed: int) -> int:
    """Replications in which a slice fails."""
    rng = np.random.default_rng(seed)
    spec = recipe(1).model_copy(update={"find_slices": SliceSearch(margin=0.0)})
    alarms = 0
    for _ in range(replications):
        difference, entity, day = draw(replace(world, rows_per_entity=20.0), rng)
        n, zero = len(difference), np.zeros(len(difference))
        rows = pd.DataFrame(
            {
                "shop": entity,
                "size": rng.normal(size=n),
                "price": rng.normal(size=200)[entity],
                "kind": [f"kind {at % 5}" for at in entity],
            }
        )
        searched = undeclared_slices(spec, rows)
        assert [part.column for part in searched] == ["size", "price", "kind"]

        def compare(mask, difference=difference, entity=entity, day=day, zero=zero):
            return paired_difference(
                difference[mask], zero[mask], entity[mask], day[mask], strict=False
            )

        _, findings = slice_findings(searched, rows, compare, "absolute_error")
        alarms += any(finding.verdict is Verdict.FAIL for finding in findings)
    return alarms


def test_no_slice_is_blamed_more_often_than_the_level_reports():
    few = max(100, REPLICATIONS // 3)
    rate = found_blamed(SMALL_ENTITIES, few, 21) / few
    assert rate <= upper(0.05, few), (
        f"with equal models any of 13 found slices should be blamed in 5 % of worlds; "
        f"one was in {rate:.1%} of {few}"
    )
