"""The pages of whoever is, or was, on live traffic: brought to what the ledger says."""

from __future__ import annotations

from pipelines.flows.collaborators import Parts
from pipelines.flows.release.report import ReleaseReport
from pipelines.release.version_facts import ROLLOUT_STATUS
from pipelines.reporting.rollout_page import (
    LatestCheck,
    RolloutHistory,
    rollout_histories,
    rollout_page,
)


def update_model_pages(model: str, parts: Parts, report: ReleaseReport | None = None) -> None:
    """Tell in the registry how the newest rollout stands, and the champion that one brought.

    The version's description has it on top of its review page, and the tag
    ``gauntlet.rollout_status`` in a word or two. Safe to repeat: the tag is written last.

    Arguments:
        report: of the newest step; its findings are shown, not those of the last move.

    Raises:
        Unavailable: the registry did not answer; running again is safe.
    """
    told = rollout_histories(parts.ledger.entries(model))
    if not told:
        return
    *before, newest = told
    champions = [one for one in before if one.promoted]
    for history in champions[-1:]:
        _put(model, parts, history, None)
    latest = None
    if report is not None and report.findings:
        shown = {name: getattr(report, name) for name in LatestCheck.model_fields}
        latest = LatestCheck.model_validate(shown)
    _put(model, parts, newest, latest)


def _put(model: str, parts: Parts, history: RolloutHistory, latest: LatestCheck | None) -> None:
    registry, version = parts.registry, history.version
    tags = registry.tags(model, version)
    if not tags:  # somebody deleted the version, and its page with it
        return
    stood = tags.get(ROLLOUT_STATUS)
    if latest is None and stood == history.stands:
        return
    page = registry.described(model, version)
    told = rollout_page(history, latest, page)
    if told != page:
        registry.describe(model, version, told)
    if stood != history.stands:
        registry.tag(model, version, ROLLOUT_STATUS, history.stands)
