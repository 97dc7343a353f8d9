"""Whether a retraining that monitoring recommends may run."""

from __future__ import annotations

from datetime import datetime

from pipelines.flows.retrain.request import LIVE
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.release.champion_periods import entries_as_of
from pipelines.release.ledger import retrained_on_reason
from pipelines.release.retrain_reason import retraining_hold
from pipelines.release.verification import verified_entries


def hold(model: str, as_of: datetime, collaborators: RetrainCollaborators) -> str:
    """Why monitoring may not start a retraining as of an instant; empty if it may.

    Raises:
        SpecError: the declaration is wrong.
        IntegrityError: the ledger cannot be followed; see ``release.verification``.
        Unavailable: the ledger does not answer.
    """
    limits = collaborators.load_spec(model).monitor.retrain
    entries = entries_as_of(verified_entries(model, collaborators.ledger, LIVE), as_of)
    return retraining_hold(retrained_on_reason(entries), limits, as_of)
