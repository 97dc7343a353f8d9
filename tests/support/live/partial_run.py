"""A retraining that ends with one of its steps, for tests of what it has found by then."""

from __future__ import annotations

from pipelines.flows.retrain.request import Request, Step
from pipelines.flows.retrain.run import RetrainCollaborators, open_run
from pipelines.flows.retrain.steps import Retraining, perform


def run_until(step: Step, request: Request, parts: RetrainCollaborators) -> Retraining:
    """The state of a run after a step, with which it ends."""
    with parts.lock(request.model, request.lineage):
        return next(one for one in perform(open_run(request, parts)) if one.report.step == step)
