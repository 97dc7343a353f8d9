"""Whether refreshing a recipe pays, by the canaries of all its refreshes together.

Where predictions change their labels, only canaries measure what a refresh gains. Each of them
compares random groups of entities once, and one is too few to show a small gain. So their results
are bets on one hypothesis: given those before, no refresh of this recipe is expected to gain
anything, each counted as at most one margin, up or down. A canary is one bet, however many entities
it has: fits differ by luck, and the next refresh is another fit.

- The result of a bet is the gain over the weeks before the canary's first look, which were fixed
  before it began. What it measured until its end would be biased, since it ends when it looks good.
- A canary that did harm, ended before these weeks were over, or whose outcomes are incomplete or
  later in one arm is a lost bet, and so is a refresh that was rolled back later. Where late events
  cannot be compared yet, as in a short canary, a gain is not won. All this can only lower the
  evidence.
- The gain is clipped at the margin on both sides, so that one canary multiplies the evidence by
  less than two.

Under the hypothesis the chance of ever reaching an evidence of 20 to 1 is at most 1 in 20, without
further assumptions about the errors of the canaries. It says nothing of a mean that rare, large
losses make: they count as one margin each.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.core.counts import counted
from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.records import digest_of
from pipelines.gates.canary.comparability import late_outcome_findings, maturity_finding
from pipelines.gates.canary.looks import cumulative_difference
from pipelines.gates.canary.refresh_gain import PAYS, RefreshGain
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.gates.canary.verdict import CanaryStep
from pipelines.spec.rollout import Rollout
from pipelines.stats.sequential.betting import betting_wealth

_LOST = "harm, an early end, incomplete or late outcomes, or a rollback"
_MOST_AHEAD = 100  # canaries; a forecast beyond them says nothing


@dataclass(frozen=True)
class PooledRefreshes:
    """The finished canaries of one recipe's refreshes.

    Arguments:
        gains: of each canary, oldest first.
        alpha: chance of ever claiming wrongly that refreshing pays.
        unit: the name of the outcome.
    """

    gains: tuple[RefreshGain, ...]
    alpha: float
    unit: str

    @property
    def evidence(self) -> float:
        """How often the bets have multiplied their stake; 1 without a canary."""
        return float(betting_wealth(self._results)[-1]) if self.gains else 1.0

    @property
    def proved(self) -> bool:
        """Whether it is proved now, so that the next canary may be short."""
        return self.evidence >= 1 / self.alpha

    @property
    def finding(self) -> Finding:
        """The effect so far, how sure it is, and what would change that; only shown."""
        wanted = 1 / self.alpha
        claim = (
            f"refreshing this recipe has {'' if self.proved else 'not '}been proved to pay, in the "
            f"canaries so far (evidence {self.evidence:.3g} to 1, {wanted:.3g} needed"
            f"{self._forecast()})"
        )
        lasts = "end after a week without harm" if self.proved else "run as declared"
        return make_finding(
            PAYS,
            Verdict.PASS if self.proved else Verdict.INCONCLUSIVE,
            f"{self._effect()}; {claim}; its canaries {lasts}",
            Measurement(value=self.evidence, threshold=wanted, rows=len(self.gains)),
            blocking=False,
        )

    def after(self, gain: RefreshGain | None) -> PooledRefreshes:
        """The same with one more canary; None: it measured nothing."""
        gains = self.gains if gain is None else (*self.gains, gain)
        return PooledRefreshes(gains, self.alpha, self.unit)

    @property
    def _results(self) -> Floats:
        return np.array([one.result for one in self.gains])

    def _effect(self) -> str:
        measured = [one.gain for one in self.gains if one.gain is not None]
        lost = len(self.gains) - len(measured)
        counts = "counts" if lost == 1 else "count"
        ended = f"{_count(lost)} {counts} as lost ({_LOST})" if lost else ""
        if not measured:
            return ended or "no refresh of this recipe has finished a canary yet"
        mean = statistics.fmean(measured)
        verb = "gained" if mean >= 0 else "lost"
        found = f"{_count(len(measured))} {verb} {abs(mean):.3g} {self.unit} on average"
        return f"{found}, {ended}" if ended else found

    def _forecast(self) -> str:
        """After how many more canaries it would be proved, if they go on as so far."""
        if self.proved or not self.gains or self._results.mean() <= 0:
            return ""
        ahead = np.resize(self._results, _MOST_AHEAD)
        reached = betting_wealth(np.concatenate((self._results, ahead))) >= 1 / self.alpha
        more = int(np.argmax(reached)) + 1 - len(self.gains)
        return f", after about {more} more if they go on like this" if reached.any() else ""


def measured_gain(
    evidence: CanaryEvidence, step: CanaryStep, rollout: Rollout, weeks: int, margin: float
) -> RefreshGain | None:
    """What a refresh gained in a canary that ends now.

    Arguments:
        evidence: sums of both arms.
        step: how the canary ends.
        rollout: as the challenger declares it.
        weeks: whole weeks over which gains are compared, fixed before the canary began.
        margin: loss of the outcome that is allowed, in its unit.

    Returns:
        None if the canary measured nothing: it is void, or has all its weeks and too few entities.
        With few entities, too, a canary that did harm or ended early is a lost bet.
    """
    canary = rollout.canary
    late = [one.verdict for one in late_outcome_findings(evidence, canary)]
    lost = (
        step is CanaryStep.ROLL_BACK
        or len(evidence.cumulative_weeks) < weeks
        or maturity_finding(evidence, canary).verdict is not Verdict.PASS
        or Verdict.INCONCLUSIVE in late
    )
    found = None if lost else cumulative_difference(evidence, canary, weeks)
    if step is CanaryStep.VOID or not (lost or found):
        return None
    if found is not None and min(found.challengers, found.controls) < canary.minimum_entities:
        return None
    gain = None if found is None else found.estimate
    return RefreshGain(
        outcome=outcome_key(rollout),
        weeks=weeks,
        gain=gain,
        margin=margin,
        wins=Verdict.NO_DATA not in late,
    )


def outcome_key(rollout: Rollout) -> str:
    """Hash of what the outcome measures; gains with another one are not pooled."""
    outcome = rollout.canary.outcome
    meant = {key: value for key, value in outcome.meaning().items() if key != "minimum_effect"}
    measure = rollout.measures.get(outcome.name)
    return digest_of({**meant, "measure": None if measure is None else measure.meaning()})


def _count(canaries: int) -> str:
    return counted(canaries, "canary of refreshes", "canaries of refreshes")
