"""Release: one step of a challenger's rollout on live traffic.

``advance`` records at most one change in the ledger. Any number of processes may run it at any
time: the ledger accepts each change once. If a killed process recorded a change but did not set
the alias, the alias is set before anything is judged.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipelines.core.errors import LockedError, SpecError
from pipelines.core.time import refuse_future
from pipelines.flows.release.apply import apply_action
from pipelines.flows.release.collaborators import ReleaseCollaborators
from pipelines.flows.release.evidence import collect_evidence
from pipelines.flows.release.pages import update_model_pages, update_reports
from pipelines.flows.release.report import (
    ReleaseReport,
    live_chart,
    report_of,
    rollout_has_changed,
    write_newest_step,
)
from pipelines.release.ledger import LIVE
from pipelines.release.reconciliation import reconcile, sync_challenger_alias
from pipelines.release.rollout.next_action import next_action
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import verified_entries
from pipelines.reporting.rollout_page import LatestCheck, rollout_histories


def advance(model: str, as_of: datetime, collaborators: ReleaseCollaborators) -> ReleaseReport:
    """Take one step of a model's release.

    Reads the ledger, measures what the next action depends on, applies that action, and updates
    the model's pages in the registry.

    Arguments:
        model: the model's name.
        as_of: zoned, not in the future; nothing that became known later is read.
        collaborators: what the step works with.

    Raises:
        SpecError: there is no rollout to follow, and no such model is declared.
        TimeError: as-of lies in the future.
        IntegrityError: the ledger or the registry cannot be followed.
        DataError: the prediction log or a stream contradicts its declaration.
        StaleEvidenceError: another process changed the release meanwhile; running again is safe.
        LockedError: a retraining of this model decides just now; only a promotion waits for it.
            Or another process has been changing a version's report for minutes.
        Unavailable: ledger, registry or store did not answer; running again is safe.
    """
    refuse_future(as_of, collaborators.clock.now(), f"release of {model}")
    state, repaired = _reconciled(model, collaborators)
    evidence = collect_evidence(state, as_of, collaborators)
    now = collaborators.clock.now()
    now = max(now, state.head.recorded_at) if state.head else now
    action = next_action(state, evidence, as_of, now)
    action, state = apply_action(action, state, as_of, collaborators)
    report = report_of(state, replace(action, summary=f"{repaired}{action.summary}"), as_of)
    owner = _owner(model, collaborators)
    latest = _latest_check(report)
    update_model_pages(model, state.entries, collaborators.registry, owner, latest)
    for rollout in rollout_histories(state.entries)[-1:]:
        collaborators.pages.continue_charts(model, rollout.version, live_chart(report))
    if rollout_has_changed(collaborators.report_folder, report):
        update_reports(state, latest, collaborators)
    write_newest_step(collaborators.report_folder, report)
    return report


def _reconciled(model: str, collaborators: ReleaseCollaborators) -> tuple[ReleaseState, str]:
    """Read the ledger, and set both aliases accordingly.

    Returns: the state, and a description of what was repaired; "" if nothing was.
    """
    ledger, registry = collaborators.ledger, collaborators.registry
    repaired, entries = "", None
    try:
        with collaborators.lock(model, LIVE):
            found = reconcile(model, ledger, registry, collaborators.clock)
        entries = found.entries
        repaired = "" if found.action == "agree" else f"{found.summary}; "
    except LockedError:  # the process that holds the lock reconciles before it decides
        entries = verified_entries(model, ledger)
    state = ReleaseState.from_entries(model, entries)
    return sync_challenger_alias(state, ledger, registry), repaired


def _owner(model: str, collaborators: ReleaseCollaborators) -> str:
    """The declared owner; "" where the declaration is broken: a rollout goes on without it."""
    try:
        return collaborators.load_spec(model).owner
    except SpecError:
        return ""


def _latest_check(report: ReleaseReport) -> LatestCheck | None:
    """The part of a check that the model's page shows; None if nothing was measured."""
    if not report.findings:
        return None
    return LatestCheck(
        as_of=report.as_of,
        summary=report.summary,
        findings=report.findings,
        weeks=report.weeks,
        planned_weeks=report.planned_weeks,
        next_check=report.next_check,
    )
