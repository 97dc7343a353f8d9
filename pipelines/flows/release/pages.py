"""The registry pages of versions that are or were on live traffic."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.release.ledger import Entry
from pipelines.release.registry import Registry
from pipelines.release.version_facts import ROLLOUT
from pipelines.reporting.rollout_page import (
    LatestCheck,
    RolloutHistory,
    rollout_histories,
    rollout_page,
)


def update_model_pages(
    model: str, entries: Sequence[Entry], registry: Registry, latest: LatestCheck | None = None
) -> None:
    """Show the newest rollout on its version's page, and the one of the champion before it.

    The rollout is put above the review page in the version's description; its status is the tag
    ``rollout``. Safe to repeat: the tag is written last.

    Arguments:
        model: the model's name.
        entries: its ledger, oldest first.
        registry: holds the pages.
        latest: the newest check; None shows the findings of the last transition.

    Raises:
        Unavailable: the registry did not answer; running again is safe.
    """
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
    shown = tags.get(ROLLOUT)
    if latest is None and shown == status:
        return
    page = registry.described(model, version)
    updated = rollout_page(history, latest, page)
    if updated != page:
        registry.describe(model, version, updated)
    if shown != status:
        registry.tag(model, version, ROLLOUT, status)
