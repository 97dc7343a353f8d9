"""A champion that is worse than the naive forecast is an alarm, and is replaced in the first week.

Shops sell between 1 and 9 units a day. Whether something is returned depends on the units of the
day before, and on day 40 this dependence turns round. A model from before predicts the opposite:
its log loss is about 2.8, that of the base rate 0.69.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.connections import Connections
from pipelines.core.findings import Finding, Verdict
from pipelines.flows.retrain.steps import Retraining
from pipelines.release.budget import tries
from pipelines.release.champion_health import champion_health
from tests.support.sales_home import SalesHome, connections_to

START, DAYS, TURNS, SHOPS = datetime(2025, 3, 3, tzinfo=UTC), 84, 40, 24
BEFORE, AFTER = START + timedelta(days=TURNS), START + timedelta(days=72)
BROKEN = "champion.worse_than_naive"


def rows() -> pa.Table:
    rng = np.random.default_rng(5)
    units = rng.integers(1, 10, (DAYS, SHOPS))
    often = np.roll(units, 1, axis=0) > 5
    often[TURNS:] = ~often[TURNS:]
    returned = rng.random((DAYS, SHOPS)) < np.where(often, 0.95, 0.05)
    times = [START + timedelta(days=day, hours=9) for day in range(DAYS) for _ in range(SHOPS)]
    return pa.table(
        {
            "sold_at": pa.array(times, pa.timestamp("us", "UTC")),
            "shop": [f"shop {number:02d}" for number in range(SHOPS)] * DAYS,
            "units": pa.array(units.ravel(), pa.int64()),
            "returned": returned.ravel().tolist(),
            "kind": ["a"] * (DAYS * SHOPS),
        }
    )


CHANGES: dict[str, Any] = {
    "label": {
        "kind": "aggregate",
        "aggregate": "count",
        "stream": "sales",
        "by": ["shop"],
        "where": [{"column": "returned", "is": True}],
        "horizon": "1d",
    },
    "features": [
        {
            "kind": "window",
            "name": "sold",
            "stream": "sales",
            "by": ["shop"],
            "aggregate": "sum",
            "column": "units",
            "window": "1d",
        },
    ],
    "split": {"train": "14d", "recent": "14d"},
    "estimator": {"path": "sklearn.linear_model.LogisticRegression"},
    "metric": {"name": "log_loss", "minimum_effect": 0.01},
}


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Connections:
    now = AFTER + timedelta(days=10)
    return connections_to(rows(), tmp_path_factory.mktemp("turned"), now)


def named(findings: tuple[Finding, ...], name: str) -> Finding:
    [found] = [finding for finding in findings if finding.name == name]
    return found


def test_a_broken_champion_is_replaced_in_the_first_week(tmp_path: Path, turned: Connections):
    home = SalesHome(tmp_path, turned)
    home.declare(**CHANGES)
    first = home.retrain(BEFORE)
    assert first.decision.outcome.moves
    checked = home.check(AFTER)
    assert named(checked.findings, BROKEN).verdict is Verdict.FAIL
    assert checked.problems == ()

    done: Retraining = home.retrain(AFTER)
    alarm = named(done.findings, BROKEN)
    assert (alarm.verdict, alarm.blocking) == (Verdict.FAIL, False)
    assert done.decision.outcome.moves, done.decision.reasons
    assert "worse than the naive forecast" in done.decision.reasons[0]
    assert named(done.findings, "recent_window.baseline").verdict is Verdict.PASS
    assert "no try" in named(done.findings, "budget.spent").reason

    entries = home.parts.ledger.entries("sales", "live")
    assert (entries[-1].lane, entries[-1].kind) == ("emergency", "promotion")
    assert tries(entries, done.run.spec.gates.budget) == ()
    last = entries[-1]
    assert champion_health(entries, last.champion_before) == (alarm, last.as_of)
    assert champion_health(entries, last.champion_after) is None
