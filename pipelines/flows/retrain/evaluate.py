"""Compares candidate and champion on the newest matured points, which trained neither."""

from __future__ import annotations

from pipelines.flows.retrain.earlier.refit import past_values
from pipelines.flows.retrain.run import Run
from pipelines.flows.retrain.train import TrainedCandidate, recent_rows
from pipelines.flows.versions import score_version
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.version import ModelVersion
from pipelines.training.split import comparison_window


def evaluate_candidate(run: Run, trained: TrainedCandidate) -> Evaluation:
    """Evaluate the candidate on the recent window; the record is ``evaluate.json``."""
    return run.workspace.once("evaluate", Evaluation, lambda: _evaluate(run, trained))


def _baseline(run: Run) -> ModelVersion | None:
    """The version whose twin the candidate's is compared with: the champion.

    An update is compared with its anchor, the version that would serve if there were no updates.
    """
    champion = run.champion
    if champion is None or champion.update is None or not run.request.update:
        return champion
    return run.collaborators.versions.load(champion.model, champion.anchor)


def _evaluate(run: Run, trained: TrainedCandidate) -> Evaluation:
    from pipelines.gates.recent_window.complexity import GAP, complexity
    from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate

    champion, spec = _baseline(run), run.spec
    window = run.plan.recent
    if champion is not None:
        window = comparison_window(run.plan, champion.plan)
    recent = recent_rows(run, trained, window)
    found = evaluate(
        spec,
        window,
        recent.rows,
        WindowPredictions(
            candidates=recent.candidates,
            champion=score_version(champion, spec, recent.rows) if champion else None,
            naive=recent.naive,
        ),
        refresh=run.lane in ("refresh", "update"),
        anchor=run.lane == "update",
    )
    if not found.comparisons or (trained.training is None and not recent.rivals):
        return found
    needed = complexity(
        spec,
        recent.rows,
        recent.candidates[0],
        recent.rivals,
        trained.training,
        past_values(run, GAP),
    )
    return found.model_copy(
        update={"complexity": needed.record, "findings": (*found.findings, *needed.findings)}
    )
