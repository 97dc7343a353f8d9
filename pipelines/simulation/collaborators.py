"""The collaborators of a simulated world: every flow that its days need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.data.events import Progress
from pipelines.data.objects import ObjectStore
from pipelines.flows.features.materialize import MaterializeCollaborators
from pipelines.flows.release.collaborators import ReleaseCollaborators
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.flows.serving.batch_score import ScoreCollaborators
from pipelines.flows.serving.publish import PublishCollaborators
from pipelines.release.ledger import Ledger
from pipelines.spec.model import ModelSpec


@dataclass(frozen=True)
class SimulationCollaborators:
    """The collaborators of a simulated world.

    Arguments:
        home: folder with the journals of services.
        load_spec: reads a declaration by the model's name.
        open_store: opens the object store of a model, to which events are written.
        ledger: records decisions.
        retraining: for weekly runs.
        materialization: for the nightly materialization of the online store.
        publishing: for the plan that a service follows.
        scoring: for batch forecasts.
        release: for steps of a rollout.
        progress: called with a short message now and then.
    """

    home: Path
    load_spec: Callable[[str], ModelSpec]
    open_store: Callable[[ModelSpec], ObjectStore]
    ledger: Ledger
    retraining: RetrainCollaborators
    materialization: MaterializeCollaborators
    publishing: PublishCollaborators
    scoring: ScoreCollaborators
    release: ReleaseCollaborators
    progress: Progress = lambda _: None
