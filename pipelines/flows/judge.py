"""Candidate against champion on the newest matured points that neither was trained on."""

from __future__ import annotations

from pipelines.flows.candidate import Trained, recent_rows
from pipelines.flows.incumbent import Incumbent, score_incumbent
from pipelines.flows.run import Run
from pipelines.training.evaluation import Evaluation
from pipelines.training.split import SplitPlan, comparison_window


def judge(run: Run, plan: SplitPlan, trained: Trained, incumbent: Incumbent | None) -> Evaluation:
    """The evaluation of the recent window."""
    from pipelines.training.evaluate import evaluate

    window = comparison_window(plan, incumbent.plan) if incumbent else plan.recent
    rows, candidates = recent_rows(run, plan, trained, window)
    return evaluate(
        run.spec,
        window,
        rows,
        candidates=candidates,
        champion=score_incumbent(incumbent, run.spec, rows) if incumbent else None,
        constant=trained.constant,
    )
