"""Candidate against champion on the newest matured points that neither was trained on."""

from __future__ import annotations

from pipelines.flows.collaborators import Run
from pipelines.flows.retrain.train import Trained, recent_rows
from pipelines.flows.versions import load_anchor, score_incumbent
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.version import ModelVersion
from pipelines.training.split import SplitPlan, comparison_window


def judge(
    run: Run, plan: SplitPlan, trained: Trained, incumbent: ModelVersion | None
) -> Evaluation:
    """The evaluation of the recent window."""
    from pipelines.gates.recent_window.evaluate import evaluate

    refresh = incumbent is not None and is_refresh(run, plan, incumbent)
    anchor = load_anchor(run, incumbent) if incumbent is not None and refresh else None
    rivals = [rival for rival in (incumbent, anchor) if rival is not None]
    windows = [comparison_window(plan, rival.plan) for rival in rivals]
    window = max(windows, key=lambda one: one.start, default=plan.recent)
    rows, candidates, naive = recent_rows(run, plan, trained, window)
    return evaluate(
        run.spec,
        window,
        rows,
        candidates=candidates,
        champion=score_incumbent(incumbent, run.spec, rows) if incumbent else None,
        naive=naive,
        refresh=refresh,
        anchor=(anchor.number, score_incumbent(anchor, run.spec, rows)) if anchor else None,
    )


def is_refresh(run: Run, plan: SplitPlan, incumbent: ModelVersion) -> bool:
    """Whether the candidate is the champion's recipe on newer data, and such may be refreshed.

    Newer, because the same data with other seeds would be a lottery at the lower bar.
    """
    newer = plan.train.end > incumbent.plan.train.end
    return run.spec.gates.budget.refresh and newer and run.spec.recipe == incumbent.spec.recipe
