"""The same recipe on newer data: not shown to be better, shown not to be worse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.gates.recent_window.evaluate import DifferentRows, WindowPredictions, evaluate
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
        reference: float | None = None,
        *,
        refresh: bool = True,
        effect: float = 0.2,
        other_rows: bool = False,
    ) -> dict[str, Finding]:
        spec = regression(seeds=[1], metric={"name": "absolute_error", "minimum_effect": effect})
        digest = rows_digest(spec, rows)

        def scored(size: float, entity: int, digest: str = digest) -> Scored:
            return Scored(rows["label"].to_numpy() + size * (shared + own[entity]), digest)

        found: Evaluation = evaluate(
            spec,
            recent,
            rows,
            WindowPredictions(
                candidates=[scored(candidate, 0)],
                champion=scored(champion, 1),
                naive=scored(0.0, 3),
                reference=None
                if reference is None
                else ("7", scored(reference, 2, "other" if other_rows else digest)),
            ),
            refresh=refresh,
        )
        return {f.name.removeprefix("recent_window."): f for f in found.findings}

    return run


def deciding(found: dict[str, Finding]) -> set[str]:
    return {
        name
        for name in ("primary", "refresh", "reference")
        if name in found and found[name].blocking
    }


def test_a_refresh_that_looks_a_little_better_passes_without_being_proved_better(judge) -> None:
    found = judge(0.999, 1.0)
    assert found["primary"].verdict is not Verdict.PASS
    assert deciding(found) == {"refresh"}
    assert found["refresh"].verdict is Verdict.PASS
    assert found["refresh"].threshold == pytest.approx(-0.1), "half of the minimum effect"


def test_without_the_lane_the_same_candidate_is_held(judge) -> None:
    found = judge(0.999, 1.0, refresh=False)
    assert deciding(found) == {"primary"}
    assert found["primary"].verdict is not Verdict.PASS


def test_a_refresh_has_to_look_better(judge) -> None:
    found = judge(1.01, 1.0)
    assert found["refresh"].verdict is Verdict.INCONCLUSIVE
    assert "look better" in found["refresh"].reason


def test_a_refresh_that_is_proved_better_is_promoted_for_that(judge) -> None:
    """It becomes the reference itself, so it is compared with no other."""
    found = judge(0.8, 1.0, 1.0)
    assert found["primary"].verdict is Verdict.PASS
    assert deciding(found) == {"primary"}


def test_a_refresh_that_has_fallen_behind_its_reference_is_stopped(judge) -> None:
    found = judge(0.999, 1.0, 0.8)
    assert deciding(found) == {"refresh", "reference"}
    assert found["refresh"].verdict is Verdict.PASS, "against the champion all is well"
    assert found["reference"].verdict is Verdict.FAIL
    assert "version 7" in found["reference"].reason


def test_a_refresh_against_its_reference_passes_both(judge) -> None:
    found = judge(0.999, 1.0, 1.0)
    assert {found[name].verdict for name in ("refresh", "reference")} == {Verdict.PASS}


def test_a_reference_scored_on_other_rows_is_refused(judge) -> None:
    with pytest.raises(DifferentRows, match="version 7"):
        judge(0.999, 1.0, 1.0, other_rows=True)


def test_a_gain_that_passed_is_reported_corrected_and_below_what_was_measured(judge) -> None:
    found = judge(0.9, 1.0)
    shown = found["corrected_gain"]
    assert not shown.blocking
    assert found["primary"].value is not None
    assert shown.value is not None
    assert 0 <= shown.value <= found["primary"].value
    assert "corrected_gain" not in judge(1.0, 1.0, refresh=False), "what did not pass has none"


def test_the_level_is_that_of_one_try(regression, frame, recent) -> None:
    """Sixty tries share 5 %: a p-value between a sixtieth of it and 5 % does not pass any more."""
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
                candidates=[Scored(label + 0.92 * noise[0], digest)],
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
    assert "held at 0.000833" in reported
    assert "a single test at 0.05" in reported
