"""The version that a person has to approve before a release can go on."""

from __future__ import annotations

from pipelines.release.ledger import Ledger
from pipelines.release.rollout.state import ReleaseState
from pipelines.reporting.approval_page import ApprovalRequest, approval_request


def pending_approval(model: str, ledger: Ledger) -> ApprovalRequest | None:
    """The approval request that is open now.

    Returns: None during a rollout, when a challenger can begin one without review, and when no
        version awaits review.
    """
    state = ReleaseState.from_entries(model, ledger.entries(model))
    if state.trial or state.holdback or state.next_challenger:
        return None
    entry = state.awaiting_review
    if entry is None or entry.decision is None:
        return None
    return approval_request(state.entries, entry)
