"""The audit's findings: its numbers compared with the declared thresholds.

A failed check means that the offline numbers of the two recipes cannot be compared. It stops the
candidate unless the candidate is better on live points: the decision points of production.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipelines.core.errors import GauntletError
from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.gates.audit.record import Audit
from pipelines.gates.recent_window.findings import with_interval
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import AuditGate
from pipelines.stats.paired import PairedDifference
from pipelines.stats.two_sample_auc import TwoSampleAuc

LEVEL = 0.95  # of the intervals of areas


@dataclass(frozen=True)
class AuditExtras:
    """What the findings need besides the record.

    ``unequal`` are shares of logged values that differ from recomputed ones, by feature; ``None``
    without a prediction log. ``important`` are the candidate's more important features.
    ``selective`` is how well the champion's predictions separate live rows with a label from
    those without; ``None`` where nearly all have one.
    """

    unequal: Mapping[str, float] | None = None
    important: tuple[str, ...] = ()
    selective: TwoSampleAuc | None = None


def audit_findings(found: Audit, spec: ModelSpec, extras: AuditExtras) -> tuple[Finding, ...]:
    """The findings of an audit whose numbers are complete."""
    judge = _Judge(found, spec, extras)
    return (
        judge.live(),
        judge.sign_flip(),
        judge.training_population(),
        judge.overlap(),
        *judge.label(),
        *judge.feature(),
        judge.selective_labels(),
        *judge.baseline_instability(),
    )


def audit_impossible(problem: GauntletError) -> Finding:
    """The finding of an audit that cannot be made; it blocks until a person waives it."""
    return make_finding("audit.live", Verdict.NO_DATA, problem.summary)


class _Judge:
    def __init__(self, found: Audit, spec: ModelSpec, extras: AuditExtras) -> None:
        self.found, self.extras = found, extras
        self.gate: AuditGate = spec.gates.audit
        self.worth = spec.metric.minimum_effect

    @property
    def better(self) -> bool:
        """Whether the candidate is shown to be better on the live population."""
        live = self.found.live
        return live is not None and _better(live.difference, self.gate.alpha)

    @property
    def new_points(self) -> bool:
        return any(each.name == "candidate_holdout" for each in self.found.populations)

    def live(self) -> Finding:
        """The gain on live points; it must be shown if the candidate's own holdout is different."""
        live, unit = self.found.live, self.found.metric
        if live is None:
            return make_finding(
                "audit.live",
                Verdict.NO_DATA,
                "the recipes cannot be compared on live points",
                Measurement(unit=unit),
            )
        difference = live.difference
        summary = (
            f"{unit} {live.candidate:.5g} against {live.baseline:.5g} of the champion's recipe"
        )
        if difference is None:
            gain = live.gain
            return make_finding(
                "audit.live",
                Verdict.INCONCLUSIVE,
                f"both recipes differ by {gain:.4g} on every live row: {summary}",
                Measurement(value=gain, unit=unit),
                blocking=self.new_points,
            )
        interval = difference.interval(1 - 2 * self.gate.alpha)
        summary = f"{summary} on live points, gain {with_interval(difference.estimate, interval)}"
        blocking = True
        if self.better:
            verdict, reason = Verdict.PASS, f"the recipe is better on live points: {summary}"
        elif difference.p_below(-self.worth) <= self.gate.alpha:
            verdict = Verdict.FAIL
            reason = f"the recipe loses more than {self.worth:g} on live points: {summary}"
        else:
            verdict, blocking = Verdict.INCONCLUSIVE, self.new_points
            needed = ", and its own holdout is a different population" if blocking else ""
            reason = f"the recipe is not shown to be better on live points{needed}: {summary}"
        return make_finding(
            "audit.live",
            verdict,
            reason,
            Measurement(
                value=difference.estimate,
                interval=interval,
                threshold=0.0,
                unit=unit,
                rows=difference.rows,
            ),
            blocking=blocking,
        )

    def sign_flip(self) -> Finding:
        """Whether the gain on own holdouts is a gain on live points, and from the model.

        There are two gains offline: each arm on its own holdout, and both on the candidate's.
        """
        found = self.found
        if found.own is None:
            reason = f"{found.metric} is undefined on at least one population"
            return make_finding(
                "audit.sign_flip", Verdict.NO_DATA, reason, blocking=not self.better
            )
        own, model = found.own.total, found.own.terms["model"]
        rest = found.own.terms["rows"] + found.own.terms["labels"]
        shared = self._on_candidates_rows()
        live = found.live.gain if found.live is not None else None
        summary = (
            f"on its own holdout the recipe gains {own:.4g} (model {model:.4g}, "
            f"rows {found.own.terms['rows']:.4g}, labels {found.own.terms['labels']:.4g}), "
            f"and {shared:.4g} with both on the candidate's rows"
        )
        measured = Measurement(value=own, unit=found.metric, threshold=0.0)
        if live is None:
            return make_finding(
                "audit.sign_flip",
                Verdict.NO_DATA,
                f"{summary}; the gain on live points is unknown",
                measured,
                blocking=self.new_points,
            )
        promising = max(own, shared) > 0
        stops = promising and not self.better
        summary = f"{summary}; on live points {live:.4g}"
        if promising and live <= 0:
            verdict, reason = Verdict.FAIL, f"the sign flips: {summary}"
        elif not promising and live > 0:
            verdict = Verdict.INCONCLUSIVE
            reason = f"the sign flips in the candidate's favour: {summary}"
        elif abs(rest) > abs(model):
            verdict = Verdict.INCONCLUSIVE
            reason = f"other rows or labels contribute more than the model: {summary}"
        else:
            return make_finding(
                "audit.sign_flip", Verdict.PASS, f"the signs agree: {summary}", measured
            )
        return make_finding("audit.sign_flip", verdict, reason, measured, blocking=stops)

    def _on_candidates_rows(self) -> float:
        """Gain with both arms on the candidate's points and labels."""
        points = "candidate" if self.new_points else "champion"
        labels = "champion" if self.found.labels is None else "candidate"
        value = {
            score.model: score.value
            for score in self.found.scores
            if (score.points, score.labels) == (points, labels)
        }
        gain = value["candidate"] - value["champion"]
        return gain if self.found.higher_is_better else 0.0 - gain

    def training_population(self) -> Finding:
        """Whether the candidate trains on other rows than the champion's or live ones."""
        found, gate = self.found, self.gate
        moved = next(each for each in found.movements if each.population == "training")
        if not any(each.name == "candidate_training" for each in found.populations):
            return make_finding(
                "audit.training_population",
                Verdict.PASS,
                "both recipes train on the same rows",
                Measurement(value=0.5, threshold=gate.training_auc, unit="area under the curve"),
            )
        words = describe_movement(moved.left, moved.left_share, moved.entered, moved.entered_share)
        apart = found.distance("champion_training", "candidate_training")
        if apart is None:
            return make_finding(
                "audit.training_population",
                Verdict.NO_DATA,
                f"the recipe {words}; there are too few rows to measure the effect",
                Measurement(unit="area under the curve"),
                blocking=not self.better,
            )
        growth = self._growth()
        shifted = apart.auc.area >= gate.training_auc or growth >= gate.live_auc_growth
        interval = apart.auc.interval(LEVEL)
        summary = (
            f"it {words}; a classifier ({apart.method}) separates the two training populations by "
            f"their {apart.columns} with AUC {with_interval(apart.auc.area, interval)}, and the "
            f"candidate's from live points with an AUC {growth:+.3f} above the champion's"
        )
        measured = Measurement(
            value=apart.auc.area,
            interval=interval,
            threshold=gate.training_auc,
            unit="area under the curve",
            rows=apart.auc.first_rows + apart.auc.second_rows,
        )
        if not shifted:
            return make_finding(
                "audit.training_population", Verdict.PASS, f"nearly unchanged: {summary}", measured
            )
        if self.better:
            reason = f"it trains on a different population and is better on live points: {summary}"
            return make_finding(
                "audit.training_population", Verdict.INCONCLUSIVE, reason, measured, blocking=False
            )
        reason = f"different training population, not shown better on live points: {summary}"
        return make_finding("audit.training_population", Verdict.FAIL, reason, measured)

    def _growth(self) -> float:
        """How much more the new training rows differ from live ones than the old, in AUC."""
        areas = {
            (each.first, each.columns, each.method): max(each.auc.area, 0.5)
            for each in self.found.distances
            if each.second == "live"
        }
        grown = [
            area - areas["champion_training", columns, method]
            for (first, columns, method), area in areas.items()
            if first == "candidate_training" and ("champion_training", columns, method) in areas
        ]
        return max(grown, default=0.0)

    def overlap(self) -> Finding:
        """Whether the holdout can be weighted to the live population. Never decides."""
        weighted, gate = self.found.weighted, self.gate
        if weighted is None:
            summary = (
                "the holdout does not overlap live points, or the metric is not a mean of rows"
            )
            verdict = Verdict.NO_DATA if self.new_points else Verdict.PASS
            reason = summary if self.new_points else "both recipes are scored on live points"
            return make_finding("audit.overlap", verdict, reason, blocking=False)
        summary = (
            f"effective share {weighted.effective_share:.0%} of the holdout's rows, "
            f"{weighted.outside_share:.1%} of live rows unlike any of them, "
            f"{weighted.clipped_share:.1%} of weights cut back"
        )
        few = weighted.effective_share < gate.effective_share
        measured = Measurement(
            value=weighted.effective_share, threshold=gate.effective_share, unit="share of rows"
        )
        if few or weighted.outside_share > gate.outside_share:
            reason = f"the holdout does not represent live points, so no weighted gain: {summary}"
            return make_finding(
                "audit.overlap", Verdict.INCONCLUSIVE, reason, measured, blocking=False
            )
        reason = f"weighted to live points, the holdout's gain is {weighted.gain:.4g}: {summary}"
        return make_finding("audit.overlap", Verdict.PASS, reason, measured, blocking=False)

    def label(self) -> Iterator[Finding]:
        """Whether the candidate changes the definition of the label."""
        rules = self.found.labels
        if rules is None:
            return
        kappa = "" if rules.kappa is None else f", kappa {rules.kappa:.3f}"
        summary = (
            f"two label rules differ on {rules.differ_share:.1%} of {rules.rows} live rows{kappa}; "
            f"gain {_maybe(rules.gain_old)} under the champion's rule, "
            f"{_maybe(rules.gain_new)} under the candidate's"
        )
        measured = Measurement(
            value=rules.differ_share,
            threshold=self.gate.label_share,
            unit="share of rows",
            rows=rules.rows,
        )
        if rules.differ_share <= self.gate.label_share:
            yield make_finding("audit.label", Verdict.PASS, summary, measured)
            return
        new = self.found.live_new_labels
        both = self.better and new is not None and _better(new.difference, self.gate.alpha)
        if both:
            reason = f"better under both label rules: {summary}"
            yield make_finding(
                "audit.label", Verdict.INCONCLUSIVE, reason, measured, blocking=False
            )
        else:
            reason = (
                f"the definition of the label has changed, and the gain depends on it: {summary}"
            )
            yield make_finding("audit.label", Verdict.FAIL, reason, measured)

    def feature(self) -> Iterator[Finding]:
        """Whether important features are served with values that differ from training."""
        unequal = self.extras.unequal
        if unequal is None:
            return
        worst = sorted(unequal, key=lambda name: unequal[name], reverse=True)
        wrong = [name for name in worst if unequal[name] > self.gate.unequal_share]
        heavy = [name for name in wrong if name in self.extras.important]
        named = ", ".join(f"{name} {unequal[name]:.1%}" for name in (heavy or wrong)[:6])
        measured = Measurement(
            value=max(unequal.values(), default=0.0),
            threshold=self.gate.unequal_share,
            unit="share of logged values",
        )
        if heavy:
            reason = f"important features are served with different values: {named}"
            yield make_finding("audit.feature", Verdict.FAIL, reason, measured)
        elif wrong:
            reason = f"unimportant features are served with different values: {named}"
            yield make_finding(
                "audit.feature", Verdict.INCONCLUSIVE, reason, measured, blocking=False
            )
        else:
            reason = f"{len(unequal)} features are served as they are trained on"
            yield make_finding("audit.feature", Verdict.PASS, reason, measured)

    def selective_labels(self) -> Finding:
        """Whether labels depend on the champion's own predictions."""
        area, gate = self.extras.selective, self.gate
        if area is None:
            return make_finding(
                "audit.selective_labels",
                Verdict.PASS,
                "nearly every live row has a label, or none has",
            )
        summary = (
            f"the champion's prediction separates labelled rows from others: AUC {area.area:.3f}"
        )
        measured = Measurement(value=area.area, threshold=gate.selective_labels_auc, unit="area")
        if area.area < gate.selective_labels_auc:
            return make_finding("audit.selective_labels", Verdict.PASS, summary, measured)
        reason = f"labels exist for one decision only, so offline numbers are biased: {summary}"
        return make_finding("audit.selective_labels", Verdict.FAIL, reason, measured)

    def baseline_instability(self) -> Iterator[Finding]:
        """Whether refits of the same recipes reach such a gain."""
        refits = self.found.refits
        if refits is None:
            return
        share = refits.luck_share
        luck = "" if share is None else f"{share:.0%} of it is noise; "
        summary = (
            f"an apparent gain of {refits.gain:.4g} on live points; {luck}"
            f"{len(refits.gains)} refits of both recipes ({refits.how}) gain "
            f"{refits.expected:.4g} on average, and {refits.noise:.3g} with no better recipe; "
            f"the champion's own refits vary with standard deviation {refits.spread_champion:.3g}"
        )
        measured = Measurement(value=refits.gain, threshold=refits.noise, unit=self.found.metric)
        name = "audit.baseline_instability"
        if refits.gain <= 0:
            yield make_finding(name, Verdict.PASS, f"no gain to explain: {summary}", measured)
        elif refits.gain > refits.noise and refits.expected > 0:
            yield make_finding(name, Verdict.PASS, f"more than noise: {summary}", measured)
        else:
            matters = refits.gain >= self.worth
            verdict = Verdict.FAIL if matters and refits.expected <= 0 else Verdict.INCONCLUSIVE
            reason = f"within the noise of refitting: {summary}"
            yield make_finding(name, verdict, reason, measured, blocking=matters)


def _better(difference: PairedDifference | None, alpha: float) -> bool:
    return difference is not None and difference.p_value <= alpha


def describe_movement(left: str, left_share: float, entered: str, entered_share: float) -> str:
    """The rows that left and entered a population, as one clause."""
    changes = []
    if left:
        changes.append(f"drops {left}, {left_share:.1%} of rows")
    if entered:
        changes.append(f"adds {entered}, {entered_share:.1%} of its rows")
    return "; ".join(changes) or "keeps every row"


def _maybe(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
