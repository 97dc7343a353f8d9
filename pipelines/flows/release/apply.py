"""Applies an action: writes the ledger first, then the registry."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pipelines.core.files import write_bytes
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Record
from pipelines.flows.release.collaborators import ReleaseCollaborators
from pipelines.release.ledger import LIVE
from pipelines.release.promotion import promote
from pipelines.release.reconciliation import sync_challenger_alias
from pipelines.release.rollback import RollbackRequest, rollback
from pipelines.release.rollout.actions import NextAction, Promotion, TakeBack
from pipelines.release.rollout.recording import StageChange, record_transition
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.trial_action import end_trial


def apply_action(
    action: NextAction, state: ReleaseState, as_of: datetime, collaborators: ReleaseCollaborators
) -> tuple[NextAction, ReleaseState]:
    """Apply an action. Safe to repeat: the ledger accepts each change once.

    Returns: the action, which is replaced if the policy refuses a promotion, and the state after
        it.

    Raises:
        StaleEvidenceError: another process changed the release meanwhile; running again is safe.
        LockedError: a retraining of this model decides just now; only a promotion waits for it.
        Unavailable: the ledger or the registry did not answer; running again is safe.
    """
    model, ledger, registry = state.model, collaborators.ledger, collaborators.registry
    for run, evidence in action.saved.items():
        save_evidence(collaborators.evidence_folder, model, run, evidence)
    match action.effect:
        case None:
            return action, state
        case StageChange() as change:
            record_transition(state, change, ledger, as_of)
        case TakeBack(run=run, to=to, reason=reason, recipe=recipe):
            request = RollbackRequest(model, run=run, reason=reason, to=to, recipe=recipe)
            rollback(request, ledger, registry, collaborators.clock)
        case Promotion(inputs=inputs):
            with collaborators.lock(model, LIVE):
                entry = promote(inputs, ledger, registry, collaborators.clock)
            if not entry.changes_champions and state.trial is not None:
                reason = f"not promoted: {entry.reasons[0]}"
                ended = end_trial(state, state.trial, reason, action.progress, as_of)
                return apply_action(ended, _refreshed(state, collaborators), as_of, collaborators)
            sync_challenger_alias(_refreshed(state, collaborators), ledger, registry)
    return action, sync_challenger_alias(_refreshed(state, collaborators), ledger, registry)


def _refreshed(state: ReleaseState, collaborators: ReleaseCollaborators) -> ReleaseState:
    """The state with the ledger's newest entries."""
    return state.after(collaborators.ledger.entries(state.model, after=state.sequence))


def save_evidence(folder: Path, model: str, run: str, evidence: Record) -> None:
    """Save the evidence of a transition in ``<folder>/<model>/<run>.json``.

    The ledger holds the findings, which are enough to judge again. This file holds the sums that
    they were computed from.
    """
    path = folder / model / f"{run}.json"
    stored = StoredFormat("release evidence", type(evidence))
    write_bytes(path, (stored.to_text(evidence) + "\n").encode())
