"""Compares candidate and champion on the newest matured points, which trained neither."""

from __future__ import annotations

from pipelines.flows.retrain.run import Run
from pipelines.flows.retrain.train import TrainedCandidate, recent_rows
from pipelines.flows.versions import score_version
from pipelines.gates.recent_window.record import Evaluation
from pipelines.training.split import comparison_window


def evaluate_candidate(run: Run, trained: TrainedCandidate) -> Evaluation:
    """Evaluate the candidate on the recent window; the record is ``evaluate.json``."""
    return run.workspace.once("evaluate", Evaluation, lambda: _evaluate(run, trained))


def _evaluate(run: Run, trained: TrainedCandidate) -> Evaluation:
    from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate

    champion, spec = run.champion, run.spec
    window = run.plan.recent
    if champion is not None:
        window = comparison_window(run.plan, champion.plan)
    rows, candidates, naive = recent_rows(run, trained, window)
    return evaluate(
        spec,
        window,
        rows,
        WindowPredictions(
            candidates=candidates,
            champion=score_version(champion, spec, rows) if champion else None,
            naive=naive,
        ),
        refresh=run.lane == "refresh",
    )
