"""The trap: a model without any gain over the naive forecast, which was lucky for four weeks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipelines.core.findings import Verdict
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK, monday_before
from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate
from pipelines.gates.recent_window.replay import decided_by_replay, replay_findings
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord
from pipelines.training.score import Scored, rows_digest
from tests.support.training_frame import frame, recent, regression

__all__ = ["frame", "recent", "regression"]


@pytest.mark.parametrize(("gain", "against"), [(0.0, {"recent_window.replay"}), (0.5, set())])
def test_a_lucky_recent_window_makes_no_first_version(
    regression: Callable[..., Any],
    frame: Callable[..., Any],
    recent: Window,
    gain: float,
    against: set[str],
) -> None:
    rng = np.random.default_rng(4)
    spec, rows = regression(seeds=[1]), frame(recent)
    label, digest = rows["label"].to_numpy(), rows_digest(regression(), rows)

    def scored(spread: float) -> Scored:
        return Scored(label + rng.normal(size=len(rows)) * spread, digest)

    lucky = WindowPredictions(candidates=[scored(1.0)], champion=None, naive=scored(1.5))
    evaluation = evaluate(spec, recent, rows, lucky)
    alone = {one.name: one.verdict for one in evaluation.findings}
    assert alone["recent_window.baseline"] is Verdict.PASS

    as_of, weeks = recent.end, []
    for age in range(26, 0, -1):
        start = monday_before(as_of) - age * WEEK
        gained = 0.5 if age <= 4 else gain + 0.4 * rng.normal()
        weeks.append(
            RecordedWeek(
                start=start.date(),
                points=400,
                rows_digest="",
                losses={start: 1.5 - gained},
                naive=1.5,
            )
        )
    record = RefreshRecord(recipe=spec.recipe, weeks=tuple(weeks))
    found = (*evaluation.findings, *replay_findings(spec, as_of, record, evaluation))
    decided = decided_by_replay(found)
    blocked = {f.name for f in decided if f.blocking and f.verdict is not Verdict.PASS}
    assert blocked == against
