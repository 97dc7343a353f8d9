"""Findings on whether production has a recipe's features, from lookups in the online store."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field

from pipelines.core.findings import Finding, Interval, Measurement, Verdict, make_finding
from pipelines.core.records import Record
from pipelines.gates.availability.feature_ablation import AblationLoss
from pipelines.gates.availability.parity import beyond
from pipelines.gates.availability.parity_cause import LikelyCause
from pipelines.spec.model import ModelSpec
from pipelines.stats.proportion import wilson_interval

LEVEL = 0.95
FEWEST = 10  # expected number of values at which finding none is evidence
_ORDER = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS)


class AvailabilityStatus(StrEnum):
    """Whether a feature is available, and if not, why; the middle part of the finding's name."""

    ONLINE = "online"  # available, for some share of the points
    NEW = "new"  # never materialized
    VANISHED = "vanished"  # available before


class FeatureAvailability(Record):
    """One feature at recent decision points, in the events and in the online store.

    The events are read as of the store's instant, so both sides reflect the same events.
    """

    feature: str
    view: str
    points: int
    offline: int = Field(description="points with a value in the events")
    online: int = Field(description="of these, with one in the online store")
    entities: int = Field(description="different entities of these")
    unequal: int = Field(description="of those with both, the values differ")
    likely: LikelyCause | None = Field(description="what explains nearly all of these")
    stored: bool = Field(description="whether the definition was ever materialized")
    champions: bool = Field(description="whether the champion reads the same definition")
    trained_share: float = Field(description="rows of the training span with a value")
    recent_share: float = Field(description="rows of the newest days with a value, as served")
    requests: int = Field(default=0, description="logged requests for which there is a value")
    lost: int = Field(default=0, description="of these, served as missing")

    @property
    def kind(self) -> AvailabilityStatus:
        """Whether the feature is available, and if not, why."""
        if not self.stored:
            return AvailabilityStatus.VANISHED if self.champions else AvailabilityStatus.NEW
        gone = self.offline and not self.online
        return (
            AvailabilityStatus.VANISHED
            if gone or self.stopped_arriving
            else AvailabilityStatus.ONLINE
        )

    @property
    def stopped_arriving(self) -> bool:
        """Whether the feature no longer has values in the events."""
        return not self.recent_share and self.trained_share * self.points >= FEWEST

    @property
    def share(self) -> float:
        """Share of the values in the events that is served; the smaller one of store and log."""
        shares = [self.online / self.offline] if self.offline else []
        shares += [1 - self.lost / self.requests] if self.requests else []
        return min(shares, default=0.0)


class ViewAge(Record):
    """The age of a stored view."""

    model: str
    view: str
    age_s: float = Field(description="seconds from what it is as of until the run; 0 when later")
    lifetime_s: float = Field(description="older values are not served")
    features: tuple[str, ...]

    @property
    def expired(self) -> bool:
        """Whether the view is too old to be served."""
        return self.age_s > self.lifetime_s


def staleness_finding(fresh: ViewAge) -> Finding:
    """Check that a view is recent enough to be served."""
    summary = f"is as of {_hours(fresh.age_s)} before the run"
    if fresh.expired:
        verdict = Verdict.FAIL
        summary += (
            f", and values older than {_hours(fresh.lifetime_s)} are served as missing: "
            f"{', '.join(fresh.features)}; run `gauntlet materialize {fresh.model}`, and find out "
            "why that stopped"
        )
    else:
        verdict, summary = Verdict.PASS, f"{summary}, within {_hours(fresh.lifetime_s)}"
    return make_finding(
        f"availability.staleness.{fresh.view}",
        verdict,
        f"the view {fresh.view} {summary}",
        Measurement(value=fresh.age_s, threshold=fresh.lifetime_s, unit="seconds"),
    )


def online_findings(
    spec: ModelSpec,
    found: tuple[FeatureAvailability, ...],
    losses: Mapping[str, AblationLoss | str],
) -> tuple[Finding, ...]:
    """Check the availability of each feature, and that stored values equal recomputed ones.

    Arguments:
        spec: the declaration of the recipe.
        found: the availability of each feature.
        losses: for missing features, the loss without the feature or why the loss is unknown.
    """
    findings = []
    for each in found:
        findings.append(_availability(spec, each, losses.get(each.feature)))
        if each.online and each.kind is AvailabilityStatus.ONLINE:
            findings.append(_stored(spec, each))
    return tuple(findings)


def below_required_share(spec: ModelSpec, each: FeatureAvailability) -> bool:
    """Whether the feature is available too rarely, which stops the candidate."""
    verdict, _ = _verdict(spec, each)
    return verdict is not Verdict.PASS and bool(
        each.offline or each.kind is not AvailabilityStatus.ONLINE
    )


def _verdict(spec: ModelSpec, each: FeatureAvailability) -> tuple[Verdict, Interval | None]:
    if each.kind is not AvailabilityStatus.ONLINE:
        return Verdict.FAIL, _interval(each.online, each.offline, each.entities)
    if not each.offline:
        return Verdict.NO_DATA, None
    looks = [_interval(each.online, each.offline, each.entities)]
    verdicts = [_share_verdict(each.online / each.offline, looks[0], spec)]
    if each.requests:
        looks.append(_interval(each.requests - each.lost, each.requests, each.requests))
        verdicts.append(_share_verdict(1 - each.lost / each.requests, looks[1], spec))
    worst = min(range(len(looks)), key=lambda at: (_ORDER.index(verdicts[at]), at))
    return verdicts[worst], looks[worst]


def _share_verdict(share: float, interval: Interval | None, spec: ModelSpec) -> Verdict:
    least = spec.gates.availability.min_online_share
    if share >= least:
        return Verdict.PASS
    high = 1.0 if interval is None or interval.high is None else interval.high
    return Verdict.FAIL if high < least else Verdict.INCONCLUSIVE


def _interval(hits: int, rows: int, entities: int) -> Interval | None:
    """Return the interval of a share, with entities as units: one entity needs one lookup."""
    return wilson_interval(round(hits / rows * entities), entities, LEVEL) if rows else None


def _availability(
    spec: ModelSpec, each: FeatureAvailability, loss: AblationLoss | str | None
) -> Finding:
    verdict, interval = _verdict(spec, each)
    parts = [_describe(spec.name, each)]
    if each.requests:
        parts.append(
            f"{each.lost} of {each.requests} logged requests with a value in the events got none"
        )
    if loss is not None:
        parts.append(loss if isinstance(loss, str) else loss.summary)
    return make_finding(
        f"availability.{each.kind}.{each.feature}",
        verdict,
        "; ".join(parts),
        Measurement(
            value=each.share if each.offline or each.requests else None,
            interval=interval,
            threshold=spec.gates.availability.min_online_share,
            unit="share of values that production has",
            rows=each.points,
        ),
        blocking=verdict is not Verdict.NO_DATA,
    )


def _describe(model: str, each: FeatureAvailability) -> str:
    name, do = (
        each.feature,
        f"run `gauntlet materialize {model}`, then retrain as of a later instant",
    )
    training = f"{each.trained_share:.1%} of the training rows have it"
    store = (
        f"the online store has {each.online} of the {each.offline} values that the events give "
        f"for {each.points} recent decision points of {each.entities} entities"
    )
    if each.kind is AvailabilityStatus.NEW:
        return (
            f"{name} is new: its definition was never materialized and the champion does not read "
            f"it ({training}); {do}"
        )
    if each.kind is AvailabilityStatus.VANISHED and not each.stored:
        return (
            f"{name} has vanished: the champion reads it, and the online store has no such "
            f"definition any more ({training}); {do}"
        )
    if each.stopped_arriving:
        return f"{name} has vanished from the events: no recent point has it, and {training}"
    if each.kind is AvailabilityStatus.VANISHED:
        return f"{name} has vanished: {store}; {training}"
    if not each.offline:
        return f"{name}: the events give no value as of the store's instant, so nothing is compared"
    return f"{name}: {store}; {training}"


def _stored(spec: ModelSpec, each: FeatureAvailability) -> Finding:
    """Compare stored values with recomputed ones, weighted by the points that use them."""
    limit, entities = spec.gates.audit.unequal_share, each.entities
    share = each.unequal / each.online
    interval = wilson_interval(round(share * entities), entities, LEVEL)
    verdict = beyond(share, interval, limit)
    summary = (
        f"{each.unequal} of {each.online} values in the online store differ from recomputed ones"
    )
    if each.likely is not None:
        summary += f"; likely cause: {each.likely.cause}: {each.likely.explanation}"
    return make_finding(
        f"availability.online_mismatch.{each.feature}",
        verdict,
        f"{each.feature}: {summary}",
        Measurement(
            value=share,
            interval=interval,
            threshold=limit,
            unit="share of stored values",
            rows=each.online,
        ),
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
