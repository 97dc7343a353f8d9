"""What holdbacks measured on live traffic, for the accounts of the versions that they kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipelines.core.errors import DataError, IntegrityError
from pipelines.core.weeks import WEEK
from pipelines.flows.retrain.earlier.kept_versions import KeptVersion, KeptVersions
from pipelines.flows.retrain.run import Run
from pipelines.gates.refresh.record import HeldBack, RefreshRecord
from pipelines.packaging.version import ModelVersion
from pipelines.release.ledger import Entry
from pipelines.release.rollout.holdback_periods import HoldbackPeriod, holdback_periods
from pipelines.release.rollout.state import ramp_of
from pipelines.spec.rollout import Canary


def with_holdbacks(
    run: Run, record: RefreshRecord, versions: KeptVersions, entries: Sequence[Entry]
) -> RefreshRecord:
    """The record with what the holdbacks of its recipe have measured as of the run.

    A holdback is measured again only when another of its weeks has matured. One whose log or
    version cannot be read is left out: the account then goes on with the weeks of the record.

    Arguments:
        run: the opened run.
        record: of one recipe.
        versions: of the same recipe.
        entries: the chain of the run's lineage, oldest first.
    """
    kept = {one.info.version: one for one in versions.versions}
    found = {one.since: one for one in record.held_back}
    watched = run.request.as_of - run.spec.gates.refresh.watch
    for period in holdback_periods(entries):
        champion, former = kept.get(period.champion), kept.get(period.former)
        if champion is None or former is None or period.since <= watched:
            continue
        try:
            known = found.get(period.since)
            measured = _measured(run, versions, period, champion, former, known)
        except (DataError, IntegrityError) as problem:
            run.collaborators.progress(
                f"the holdback of version {period.former} is not used: {problem.what}"
            )
            continue
        if measured is not None:
            found[period.since] = measured
    return record.model_copy(update={"held_back": tuple(found[at] for at in sorted(found))})


def _measured(
    run: Run,
    versions: KeptVersions,
    period: HoldbackPeriod,
    champion: KeptVersion,
    former: KeptVersion,
    known: HeldBack | None,
) -> HeldBack | None:
    """What a holdback has measured so far; ``None`` before its first whole matured week."""
    from pipelines.gates.canary.arm_rows import declared_rollout
    from pipelines.gates.canary.evidence import canary_evidence
    from pipelines.stats.undefined import Undefined

    as_of, version = run.request.as_of, versions.load(champion)
    canary = declared_rollout(version).canary
    if known is not None and known.weeks >= _whole_weeks(version, canary, period, as_of):
        return known
    evidence = canary_evidence(
        run.collaborators.open_events(version.spec),
        version,
        ramp_of(versions.entries, period.salt),
        as_of,
        other_version=period.former,
        swapped=True,
        until=period.until,
    ).evidence
    weeks = len(evidence.cumulative_weeks)
    if not weeks or min(evidence.cumulative_weeks[-1].units(canary.outcome.key)) < (
        canary.minimum_entities
    ):
        return known
    try:
        gain = evidence.cumulative_weeks[-1].difference(canary.outcome).estimate
    except Undefined:
        return known
    return HeldBack(
        champion=champion.trained_until,
        former=former.trained_until,
        since=period.since,
        weeks=weeks,
        lost=0.0 - gain * weeks / canary.outcome.minimum_effect,
    )


def _whole_weeks(
    version: ModelVersion, canary: Canary, period: HoldbackPeriod, as_of: datetime
) -> int:
    """How many whole weeks of a holdback have matured, at most those that the canary declares."""
    from pipelines.gates.canary.evidence import maturity_time

    over = period.until or as_of
    return sum(
        period.since + week * WEEK <= over
        and maturity_time(version.spec, period.since, week) <= as_of
        for week in range(1, canary.weeks + 1)
    )
