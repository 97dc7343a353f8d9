"""The findings of a changed recipe and of a refresh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate
from pipelines.gates.recent_window.record import Evaluation
from pipelines.training.score import Scored, rows_digest

Judge = Callable[..., dict[str, Finding]]


@pytest.fixture
def judge(regression, frame, recent) -> Judge:
    """Findings by name; models are given by the size of their errors on the same rows."""
    rows = frame(recent)
    shared = np.random.default_rng(1).normal(size=len(rows))
    own = np.random.default_rng(2).normal(size=(4, len(rows))) * 0.05

    def run(
        candidate: float,
        champion: float,
        *,
        refresh: bool = False,
    ) -> dict[str, Finding]:
        spec = regression(seeds=[1], metric={"name": "absolute_error", "minimum_effect": 0.2})
        digest = rows_digest(spec, rows)

        def scored(size: float, entity: int) -> Scored:
            return Scored(rows["label"].to_numpy() + size * (shared + own[entity]), digest)

        found: Evaluation = evaluate(
            spec,
            recent,
            rows,
            WindowPredictions(
                candidates=[scored(candidate, 0)],
                champion=scored(champion, 1),
                naive=scored(3.0, 3),
            ),
            refresh=refresh,
        )
        return {f.name.removeprefix("recent_window."): f for f in found.findings}

    return run


def test_a_refresh_is_not_tested_for_being_better(judge) -> None:
    found = judge(1.01, 1.0, refresh=True)
    assert "primary" not in found
    assert {"maturity", "seed_noise", "concentration"} <= found.keys()
    assert not found["seed_noise"].blocking, "luck does not decide about a refresh"
    assert not found["concentration"].blocking
    assert found["maturity"].blocking


def test_a_change_is_held_until_it_is_shown_to_be_better(judge) -> None:
    found = judge(0.999, 1.0)
    assert found["primary"].blocking
    assert found["primary"].verdict is not Verdict.PASS


def test_a_gain_that_passed_is_reported_corrected_and_below_what_was_measured(judge) -> None:
    found = judge(0.9, 1.0)
    shown = found["corrected_gain"]
    assert not shown.blocking
    assert found["primary"].value is not None
    assert shown.value is not None
    assert 0 <= shown.value <= found["primary"].value
    assert "corrected_gain" not in judge(1.0, 1.0), "what did not pass has none"


def test_the_level_is_that_of_one_try(regression, frame, recent) -> None:
    """Twelve tries share 5 %: a p-value between a twelfth of it and 5 % does not pass any more."""
    rows: pd.DataFrame = frame(recent)

    def verdict(gates: dict[str, Any]) -> tuple[Verdict, str]:
        spec = regression(seeds=[1], gates=gates)
        digest, label = rows_digest(spec, rows), rows["label"].to_numpy()
        noise = np.random.default_rng(5).normal(size=(2, len(rows)))
        found = evaluate(
            spec,
            recent,
            rows,
            WindowPredictions(
                candidates=[Scored(label + 0.94 * noise[0], digest)],
                champion=Scored(label + noise[1], digest),
                naive=Scored(0 * label, digest),
            ),
        )
        one = next(f for f in found.findings if f.name == "recent_window.primary")
        return one.verdict, one.reason

    alone, reported = verdict({"budget": {"tries": 1}})
    assert alone is Verdict.PASS, reported
    shared, reported = verdict({})
    assert shared is Verdict.INCONCLUSIVE, reported
    assert "tested at 0.00417" in reported
    assert "a single test at 0.05" in reported
