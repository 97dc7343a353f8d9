"""The registry pages of versions that are or were on live traffic."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.release.ledger import Entry
from pipelines.release.registry import Registry
from pipelines.release.version_facts import OUTCOME, ROLLOUT
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
    histories = rollout_histories(entries)
    if not histories:
        return
    *before, newest = histories
    champions = [one for one in before if one.promoted]
    for history in champions[-1:]:
        _update_page(model, registry, history, None)
    _update_page(model, registry, newest, latest)


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
