"""The registry pages of versions that are or were on live traffic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.flows.fill_report import fill_section
from pipelines.flows.release.collaborators import ReleaseCollaborators
from pipelines.release.ledger import Entry
from pipelines.release.registry import Registry
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.version_facts import OUTCOME, ROLLOUT
from pipelines.reporting.retraining.later_sections import HARM, LaterSection, rollout_section
from pipelines.reporting.retraining.model_page import model_page
from pipelines.reporting.rollout_page import (
    LatestCheck,
    RolloutHistory,
    rollout_histories,
    rollout_page,
)


def update_model_pages(
    model: str,
    entries: Sequence[Entry],
    registry: Registry,
    owner: str,
    latest: LatestCheck | None = None,
) -> None:
    """Show the champion on the model's page, and the newest rollout on its version's.

    The champion before it is shown as well, if it had a rollout.

    The rollout is put above the review page in the version's description; its status is the tag
    ``rollout``, and a promotion changes the tag ``outcome``. Safe to repeat: the tag ``rollout`` is
    written last.

    Arguments:
        model: the model's name.
        entries: its ledger, oldest first.
        registry: holds the pages.
        owner: who is responsible for the model.
        latest: the newest check; None shows the findings of the last transition.

    Raises:
        Unavailable: the registry did not answer; running again is safe.
    """
    registry.describe_model(model, model_page(model, entries, owner))
    for history, check in _shown_rollouts(entries, latest):
        _update_page(model, registry, history, check)


def update_reports(
    state: ReleaseState, latest: LatestCheck | None, collaborators: ReleaseCollaborators
) -> None:
    """Show the newest rollout in its version's report, and that of the champion before it.

    Arguments:
        state: after the step.
        latest: the newest check; None shows the findings of the last transition.
        collaborators: what the step works with.

    Raises:
        LockedError: another process has been changing a report for minutes.
        Unavailable: MLflow does not answer; running again is safe.
    """
    model, pages = state.model, collaborators.pages
    for history, check in _shown_rollouts(state.entries, latest):
        charts = pages.charts(model, history.version, HARM)
        body, lock = rollout_section(history, check, charts), collaborators.lock
        fill_section(model, history.version, LaterSection.ROLLOUT, body, pages, lock)


def _shown_rollouts(
    entries: Sequence[Entry], latest: LatestCheck | None
) -> Iterator[tuple[RolloutHistory, LatestCheck | None]]:
    """The rollout of the champion before the newest one, if it had any, and the newest."""
    histories = rollout_histories(entries)
    yield from ((one, None) for one in [one for one in histories[:-1] if one.promoted][-1:])
    yield from ((one, latest) for one in histories[-1:])


def _update_page(
    model: str, registry: Registry, history: RolloutHistory, latest: LatestCheck | None
) -> None:
    version, status = history.version, history.status
    tags = registry.tags(model, version)
    if not tags:  # the version was deleted together with its page
        return
    if history.outcome is not None and tags.get(OUTCOME) != history.outcome:
        registry.tag(model, version, OUTCOME, history.outcome)
    shown = tags.get(ROLLOUT)
    if latest is None and shown == status:
        return
    page = registry.described(model, version)
    updated = rollout_page(history, latest, page)
    if updated != page:
        registry.describe(model, version, updated)
    if shown != status:
        registry.tag(model, version, ROLLOUT, status)
