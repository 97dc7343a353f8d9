"""A backtest: the same weekly candidates for every policy, and what each policy makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pipelines.backtest.canary import replayed_rollout
from pipelines.backtest.catalogue import (
    NEAR,
    ComparedPolicy,
    Offers,
    PolicyCatalogue,
    every_monday,
    hindsight,
)
from pipelines.backtest.choice import choose
from pipelines.backtest.live import Live
from pipelines.backtest.losses import Losses
from pipelines.backtest.policies import Envelope, Refused, Step, no_envelope, run
from pipelines.backtest.predictions import Predictions
from pipelines.backtest.record import Records, replayable
from pipelines.backtest.results import BOUNDS, BacktestReport, RecordedAgeCost
from pipelines.backtest.summary import Replayed, summarize
from pipelines.backtest.sweep import Variation
from pipelines.backtest.versions import Candidate, Version, version_as_of, with_refit
from pipelines.core.errors import DataError
from pipelines.core.time import Window, instant_text
from pipelines.core.weeks import WEEK, mondays
from pipelines.spec.model import ModelSpec
from pipelines.stats.ageing import pooled_mean

LEFT_OUT = (
    "waivers: later weeks train on data that suite or envelope refused, as after a waiver",
    "availability and parity: the online store keeps no past values",
    "audit: the recipe does not change within a backtest",
    "the start: replayed candidates are scored on later weeks, too; in production, versions are",
    "seeds: the first one is fitted; the others only describe luck",
    "review: no approval is waited for",
)

_NO_CANARY = (
    "shadow and canary: a promoted version serves from its Monday on. A canary can be replayed "
    "where predictions do not affect outcomes and its outcome is a loss of predictions"
)
_PART_OF_CANARY = (
    "shadow, and of the canary errors, latency, business measures, segments and covariates: the "
    "history does not have them, or they cannot depend on the arms"
)
LEVEL = 0.9  # coverage of the shown interval of the cost of age


@dataclass(frozen=True)
class Plan:
    """What a backtest covers.

    Arguments:
        spec: the declaration.
        span: policies act on the Mondays in it.
        labels_as_of: the instant of the last labels.
        swept: other declarations to compare.
        refused: Mondays on which the suite stops a retraining, with the reasons.
        envelope: what the envelope of a champion has against the data of a Monday.
    """

    spec: ModelSpec
    span: Window
    labels_as_of: datetime
    swept: tuple[Variation, ...] = ()
    refused: Refused = field(default_factory=dict)
    envelope: Envelope = no_envelope


class Candidates:
    """The versions of all Mondays, fitted when they are first looked at."""

    def __init__(self, predictions: Predictions, span: Window) -> None:
        self.predictions, self.mondays = predictions, mondays(span)
        self._known: dict[str, list[tuple[datetime, Version | None]]] = {}

    def of(
        self, spec: ModelSpec, offers: Offers = every_monday
    ) -> list[tuple[datetime, Version | None]]:
        """Each Monday with its version; ``None`` where a part of it could not be fitted.

        Arguments:
            spec: the declaration.
            offers: the Mondays that have a version.
        """
        if spec.recipe not in self._known:
            found: list[tuple[datetime, Version | None]] = []
            for number, at in enumerate(self.mondays, 1):
                self.predictions.progress(f"week {number} of {len(self.mondays)}, {at.date()}")
                version = version_as_of(spec, at)
                fits = all(map(self.predictions.can_fit, (version.judged, version.serves)))
                found.append((at, version if fits else None))
            self._known[spec.recipe] = found
        return [(at, version if offers(at) else None) for at, version in self._known[spec.recipe]]

    def with_earlier(self, spec: ModelSpec, offers: Offers = every_monday) -> list[Version]:
        """All versions, and those of the weeks before the first Monday that are replayed for it.

        An earlier one counts if the events reach back over its whole training span.
        """
        before = (self.mondays[0] - number * WEEK for number in range(NEAR, 0, -1))
        made = (version_as_of(spec, at) for at in before if offers(at))
        earlier = replayable(self.predictions, made)
        weekly = self.of(spec, offers)
        return [*earlier, *(version for _, version in weekly if version is not None)]


def backtest(
    plan: Plan,
    predictions: Predictions,
    progress: Callable[[str], None] = lambda _: None,
) -> BacktestReport:
    """Replay every policy over the plan's Mondays.

    Arguments:
        plan: what is covered.
        predictions: of the recipe's candidates.
        progress: called with a short message for each policy.

    Raises:
        DataError: no Monday has a candidate, or no week has a labelled point.
    """
    candidates = Candidates(predictions, plan.span)
    losses = Losses(predictions, plan.labels_as_of)
    live = Live(losses, plan.spec, candidates.mondays)
    versions = [version for _, version in candidates.of(plan.spec)]
    _check(plan, live, versions)
    replays = []
    catalogue = PolicyCatalogue(losses, candidates.with_earlier, plan.refused, plan.envelope)
    for compared in catalogue.policies(plan.spec, plan.swept):
        progress(f"policy {compared.policy.name}")
        offered = candidates.of(compared.spec, compared.offers)
        steps = run(compared.policy, offered, compared.refused, compared.envelope)
        replays.append(_replayed(compared, live, steps, candidates))
    steps = [Step(at, None, "kept") for at in candidates.mondays]
    replays.append(_bound("naive", "the naive forecast, without any model", live, steps))
    steps = hindsight(candidates.of(with_refit(plan.spec, True)), losses)
    replays.append(_bound("hindsight", "best candidate of each week", live, steps))
    return _report(plan, live, replays, candidates)


def _bound(
    name: Literal["naive", "hindsight"], title: str, live: Live, steps: Sequence[Step]
) -> Replayed:
    """A row that is no policy: the others are compared with it."""
    return Replayed(name, title, name, True, steps, live.weekly(steps), frozenset())


def _replayed(
    compared: ComparedPolicy, live: Live, steps: Sequence[Step], candidates: Candidates
) -> Replayed:
    policy = compared.policy
    served = {step.in_force.serves for step in steps if step.in_force is not None}
    weekly = candidates.of(compared.spec, compared.offers) if compared.fits_weekly else ()
    made = {one for _, version in weekly if version for one in (version.judged, version.serves)}
    return Replayed(
        policy.name,
        compared.title,
        compared.group,
        policy.refit,
        steps,
        live.weekly(steps),
        frozenset(served | made),
    )


def _report(
    plan: Plan,
    live: Live,
    replays: Sequence[Replayed],
    candidates: Candidates,
) -> BacktestReport:
    spec, metric, predictions = plan.spec, live.losses.metric, live.losses.predictions
    acting = [one for one in replays if one.group not in BOUNDS]
    best = min(acting, key=lambda one: live.mean(one.weekly))
    reference = acting[0]  # the declared one
    results = [summarize(live, one, best, reference) for one in replays]
    made: set[Candidate] = set().union(*(one.fitted for one in replays))
    return BacktestReport(
        model=spec.name,
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        minimum_effect=spec.metric.minimum_effect,
        first=plan.span.start,
        end=plan.span.end,
        labels_as_of=plan.labels_as_of,
        weeks=tuple(monday.date() for monday in live.mondays),
        points=tuple(int(number) for number in live.points),
        candidates=sum(v is not None for _, v in candidates.of(spec)),
        reference=reference.name,
        policies=tuple(results),
        choice=choose(live, replays, reference),
        cost_of_age=_cost_of_age(live, plan, candidates, reference.steps),
        fits=len(made),
        fit_seconds=round(sum(predictions.seconds(one) for one in made), 3),
        late_labels=predictions.history.late_labels,
        left_out=_left_out(spec),
    )


def _left_out(spec: ModelSpec) -> tuple[str, ...]:
    """What this backtest does not replay."""
    if spec.rollout is None:
        return LEFT_OUT
    if replayed_rollout(spec) is None:
        return (*LEFT_OUT, _NO_CANARY)
    return (*LEFT_OUT, _PART_OF_CANARY)


def _cost_of_age(
    live: Live, plan: Plan, candidates: Candidates, steps: Sequence[Step]
) -> tuple[RecordedAgeCost | None, ...]:
    """What a week of age costs by the record of each Monday, without its absent candidates."""
    spec, gate = plan.spec, plan.spec.gates.refresh
    found: list[RecordedAgeCost | None] = []
    versions = candidates.with_earlier(spec, lambda at: at not in plan.refused)
    records = Records(live.losses, spec.recipe, versions, gate.span)
    for at in live.mondays:
        absent = frozenset(s.at for s in steps if s.at < at and s.candidate is None)
        slopes, weights = records.as_of(at, (), absent).slopes(gate.span)
        if len(slopes) < max(2, gate.least):
            found.append(None)
            continue
        cost = pooled_mean(slopes, weights)
        ends = cost.interval(LEVEL)
        found.append(
            RecordedAgeCost(estimate=cost.estimate, low=ends.low, high=ends.high, weeks=len(slopes))
        )
    return tuple(found)


def _check(plan: Plan, live: Live, versions: Sequence[Version | None]) -> None:
    where = f"{plan.spec.name}, {plan.span}"
    if not any(versions):
        raise DataError(
            "no Monday of the backtest has a candidate",
            where=where,
            got=f"{len(versions)} Mondays, each with too few training rows",
            wanted=f"labelled points {plan.spec.split.train.days} days before the first Monday",
            hint="begin later, or import more history",
        )
    if not live.points.any():
        raise DataError(
            "no week of the backtest has a labelled point",
            where=where,
            got=f"{len(live.mondays)} weeks, labels as of {instant_text(plan.labels_as_of)}",
            wanted="weeks whose labels have matured",
            hint="end earlier, or import newer events",
        )
