"""Compares candidate and champion on the newest matured points, which trained neither."""

from __future__ import annotations

from pipelines.flows.retrain.run import Run
from pipelines.flows.retrain.train import TrainedCandidate, recent_rows
from pipelines.flows.versions import score_version
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.version import ModelVersion
from pipelines.release.budget import reference_version
from pipelines.training.split import comparison_window


def evaluate_candidate(run: Run, trained: TrainedCandidate) -> Evaluation:
    """Evaluate the candidate on the recent window; the record is ``evaluate.json``.

    A refresh of the champion's recipe is also compared with the reference version, so that small
    losses cannot add up.
    """
    return run.workspace.once("evaluate", Evaluation, lambda: _evaluate(run, trained))


def _evaluate(run: Run, trained: TrainedCandidate) -> Evaluation:
    from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate

    champion, spec = run.champion, run.spec
    refresh = champion is not None and is_refresh(run, champion)
    reference = _reference(run, champion) if champion is not None and refresh else None
    baselines = [baseline for baseline in (champion, reference) if baseline is not None]
    windows = [comparison_window(run.plan, baseline.plan) for baseline in baselines]
    window = max(windows, key=lambda one: one.start, default=run.plan.recent)
    rows, candidates, naive = recent_rows(run, trained, window)
    return evaluate(
        spec,
        window,
        rows,
        WindowPredictions(
            candidates=candidates,
            champion=score_version(champion, spec, rows) if champion else None,
            naive=naive,
            reference=(reference.number, score_version(reference, spec, rows))
            if reference
            else None,
        ),
        refresh=refresh,
    )


def is_refresh(run: Run, champion: ModelVersion) -> bool:
    """Whether the candidate is the champion's recipe on newer data, and refreshes are allowed.

    The data has to be newer: with the same data and other seeds, a refresh could pass by chance.
    """
    newer = run.plan.train.end > champion.plan.train.end
    return run.spec.gates.budget.refresh and newer and run.spec.recipe == champion.spec.recipe


def _reference(run: Run, champion: ModelVersion) -> ModelVersion | None:
    """The reference version; ``None`` if it is the champion."""
    model = run.request.model
    number = reference_version(run.collaborators.ledger.entries(model, run.request.lineage))
    if number is None or number == champion.number:
        return None
    return run.collaborators.versions.load(model, number)
