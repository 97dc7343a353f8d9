"""The policies that a backtest compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from pipelines.backtest.canary import RefreshCanaries, replayed_rollout
from pipelines.backtest.losses import Losses
from pipelines.backtest.policies import (
    BacktestPolicy,
    Envelope,
    Group,
    Refused,
    Simple,
    Step,
    Superiority,
    after_weeks,
    better_metric,
    no_envelope,
)
from pipelines.backtest.recent_window import RecentWindows
from pipelines.backtest.record import Records
from pipelines.backtest.refreshes import Refreshes
from pipelines.backtest.rollouts import AfterCanary
from pipelines.backtest.sweep import Variation, retrains_in_week
from pipelines.backtest.versions import Version, with_refit
from pipelines.core.weeks import WEEK
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import RefreshEvidence, RefreshGate

NEAR = 26  # weeks that each candidate is scored on at once, and that are replayed before the first
LEVEL_0_1_0 = {"alpha_year": 0.05, "tries": 60}
MODES = ((True, "", "with refit"), (False, "_held_out", "without refit"))
CALENDARS = (
    ("never", 0, "the first version for ever"),
    ("every_13", 13, "the newest every 13 weeks"),
    ("every_4", 4, "the newest every 4 weeks"),
    ("always", 1, "the newest every week"),
)


Offers = Callable[[datetime], bool]
Versions = Callable[[ModelSpec, Offers], Sequence[Version]]


def every_monday(_: datetime) -> bool:
    """A candidate on every Monday."""
    return True


@dataclass(frozen=True)
class ComparedPolicy:
    """A policy of a backtest.

    Arguments:
        spec: the declaration that the policy uses, with or without a refit.
        fits_weekly: whether it needs every candidate, promoted or not.
        offers: the Mondays on which it has a candidate.
        refused: Mondays on which the suite stops its retraining, with the reasons.
        envelope: what the envelope of a champion has against the data of a Monday.
    """

    policy: BacktestPolicy
    title: str
    group: Group
    spec: ModelSpec
    fits_weekly: bool = True
    offers: Offers = every_monday
    refused: Refused = field(default_factory=dict)
    envelope: Envelope = no_envelope


class PolicyCatalogue:
    """The policies of a backtest, on common recent windows.

    Arguments:
        losses: of all candidates.
        versions: of the Mondays that are offered, by declaration.
        refused: Mondays on which the suite stops a retraining.
        envelope: what the envelope of a champion has against the data of a Monday.
    """

    def __init__(
        self,
        losses: Losses,
        versions: Versions,
        refused: Refused | None = None,
        envelope: Envelope = no_envelope,
    ) -> None:
        self.losses, self.versions = losses, versions
        self.refused, self.envelope = refused or {}, envelope
        self._windows: dict[str, RecentWindows] = {}

    def policies(
        self, spec: ModelSpec, swept: Sequence[Variation] = ()
    ) -> Iterator[ComparedPolicy]:
        """Every policy except the one with hindsight; the declared one comes first."""
        declared = spec.gates.refresh.evidence
        yield self._preset(spec, declared)
        for evidence in RefreshEvidence:
            if evidence is not declared:
                yield self._preset(spec, evidence)
        yield self._preset(with_refit(spec, not spec.split.refit), declared)
        for one in swept:
            yield self._refreshes(one, "sweep", f"the declaration with {one.name}")
        yield self._version_0_1_0(spec)
        for refit, suffix, words in MODES:
            mode = with_refit(spec, refit)
            for name, every, title in CALENDARS:
                policy = Simple(name + suffix, refit, after_weeks(every))
                yield ComparedPolicy(policy, f"{title}, {words}", "simple", mode, every == 1)
            usual = Simple("usual" + suffix, refit, better_metric(self._windows_of(mode)))
            yield ComparedPolicy(
                usual, f"the better metric on the recent window, {words}", "simple", mode
            )

    def _preset(self, spec: ModelSpec, evidence: RefreshEvidence) -> ComparedPolicy:
        refit = spec.split.refit
        suffix, words = next((suffix, words) for mode, suffix, words in MODES if mode == refit)
        gate = spec.gates.refresh.model_copy(update={"evidence": evidence})
        gates = spec.gates.model_copy(update={"refresh": gate})
        preset = Variation(evidence.value + suffix, spec.model_copy(update={"gates": gates}))
        return self._refreshes(
            preset, "preset", f"refreshes with evidence {evidence.value}, {words}"
        )

    def _refreshes(self, variation: Variation, group: Group, title: str) -> ComparedPolicy:
        spec, gate = variation.spec, variation.spec.gates.refresh
        offers = partial(self._offers, variation.schedule)
        policy: BacktestPolicy = Refreshes(
            name=variation.name,
            refit=spec.split.refit,
            gate=gate,
            windows=self._windows_of(spec),
            records=Records(self.losses, spec.recipe, self.versions(spec, offers), gate.span),
            minimum_effect=spec.metric.minimum_effect,
        )
        if (rollout := replayed_rollout(spec)) is not None:
            canaries = RefreshCanaries(self.losses.predictions, spec, rollout)
            policy = AfterCanary(policy, canaries)
        return ComparedPolicy(
            policy,
            title,
            group,
            spec,
            offers=offers,
            refused=self.refused,
            envelope=self.envelope,
        )

    def _version_0_1_0(self, spec: ModelSpec) -> ComparedPolicy:
        budget = spec.gates.budget.model_copy(update=LEVEL_0_1_0)
        gates = spec.gates.model_copy(update={"budget": budget})
        mode = with_refit(spec, False)
        windows = self._windows_of(mode.model_copy(update={"gates": gates}))
        policy = Superiority("version_0_1_0", False, windows, self.envelope)
        return ComparedPolicy(
            policy,
            "shown to be better at 0.05 / 60, without refit",
            "version_0_1_0",
            mode,
            offers=partial(self._offers, None),
            refused=self.refused,
        )

    def _offers(self, schedule: str | None, at: datetime) -> bool:
        """Whether a retraining of the product has a candidate on a Monday."""
        return at not in self.refused and retrains_in_week(schedule, at)

    def _windows_of(self, spec: ModelSpec) -> RecentWindows:
        """The recent windows of a declaration, whatever its gate for refreshes and its schedule."""
        gates = spec.gates.model_copy(update={"refresh": RefreshGate()})
        judged = spec.model_copy(update={"gates": gates, "schedule": None, "rollout": None})
        if judged.digest not in self._windows:
            self._windows[judged.digest] = RecentWindows(self.losses.predictions, judged)
        return self._windows[judged.digest]


def hindsight(candidates: Sequence[tuple[datetime, Version | None]], losses: Losses) -> list[Step]:
    """For each week the candidate that did best in it, of those that had been fitted before.

    Candidates older than the span in which all are scored are left out. No policy can reach it.
    """
    steps = []
    for at, _ in candidates:
        fitted = [
            version
            for monday, version in candidates
            if version is not None and monday <= at <= monday + losses.predictions.near * WEEK
        ]
        scored = [(losses.mean(version.serves, at), version) for version in fitted]
        known = [(loss, version) for loss, version in scored if loss is not None]
        newest = fitted[-1] if fitted else None
        best = min(known, key=lambda one: one[0])[1] if known else newest
        steps.append(Step(at, best, "kept"))
    return steps
