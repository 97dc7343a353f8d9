"""The effects of a version on live traffic, from the arms of its canary or holdback."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.causal.arms import Arms
from pipelines.causal.assumptions import (
    Assumption,
    balance_check,
    no_interference,
    outcome_check,
    overlap_of_arms,
    sample_ratio_check,
)
from pipelines.causal.average import average_effect
from pipelines.causal.groups import family_tests, group_effects
from pipelines.causal.report import EffectsReport, MetricEffect
from pipelines.core.arrays import Mask
from pipelines.core.errors import DataError
from pipelines.core.findings import Finding, Verdict
from pipelines.core.time import instant_text, refuse_future
from pipelines.flows.effects.comparison import ArmComparison, EffectsRequest, find_comparison
from pipelines.flows.effects.groups import (
    declared_groups,
    first_features,
    known_before,
    observed,
)
from pipelines.flows.effects.search import search_groups
from pipelines.flows.release.collaborators import ReleaseCollaborators
from pipelines.gates.canary.arm_rows import ArmRows, declared_rollout, read_arms
from pipelines.gates.canary.evidence import first_maturity
from pipelines.gates.canary.sums import EntityTotals, entity_totals
from pipelines.packaging.version import ModelVersion
from pipelines.release.verification import verified_entries
from pipelines.spec.rollout import LiveMetric
from pipelines.spec.views import definitions
from pipelines.stats.undefined import NoVariation, Undefined

if TYPE_CHECKING:
    import pandas as pd


def measure_effects(request: EffectsRequest, collaborators: ReleaseCollaborators) -> EffectsReport:
    """Measure the effects of a version on the entities of its arms.

    Raises:
        SpecError: the model had no such rollout.
        DataError: there are no arms yet, no outcome has matured, or there are too few entities.
        IntegrityError: the ledger or a version is damaged.
        Unavailable: a store or the registry does not answer.
    """
    refuse_future(request.as_of, collaborators.clock.now(), f"model {request.model}")
    chain = verified_entries(request.model, collaborators.ledger)
    known = [entry for entry in chain if entry.recorded_at <= request.as_of]
    compared = find_comparison(request, known)
    version = collaborators.versions.load(request.model, compared.version)
    began = compared.ramp.began
    controls = (one.control for one in compared.segment_arms if one.left != began)
    numbers = dict.fromkeys((compared.other, *controls))
    others = tuple(collaborators.versions.load(request.model, number) for number in numbers)
    where = f"{request.model} version {compared.version}, {request.arms}"
    rows = read_arms(
        collaborators.open_events(version.spec),
        version,
        compared.ramp,
        request.as_of,
        other_version=compared.other,
        swapped=request.arms == "holdback",
        until=compared.ended,
    )
    if rows is None:
        raise DataError(
            "no request was answered in the arms",
            where=where,
            got=f"an empty prediction log since {instant_text(compared.ramp.began)}",
            hint="see whether the service answers, and whether its log reaches the store",
        )
    return _Measurement(request, compared, version, others, rows, where).report()


@dataclass(frozen=True)
class _Measurement:
    """Measures the effects in two arms.

    Arguments:
        request: what to measure.
        compared: the arms.
        version: the version under test.
        others: the versions in the other arm: the first outside of segments with their own.
        rows: the rows of the arms.
        where: the comparison, for error messages.
    """

    request: EffectsRequest
    compared: ArmComparison
    version: ModelVersion
    others: tuple[ModelVersion, ...]
    rows: ArmRows
    where: str

    def report(self) -> EffectsReport:
        """Return all effects."""
        canary, rows = declared_rollout(self.version).canary, self.rows
        totals = entity_totals(
            canary.outcome.name, rows.entities, rows.outcomes[canary.outcome.name]
        )
        there = totals.observed > 0
        self._refuse_too_few(there)
        arms = self._arms(canary.outcome, totals, there)
        features = self._features()
        declared = group_effects(
            arms,
            observed(declared_groups(self.version.spec, rows, features), there),
            minimum=canary.minimum_entities,
        )
        others, notes = self._others()
        found = None
        try:
            found = search_groups(
                arms,
                known_before(self.version.spec, rows, features)[there],
                salt=self.compared.ramp.salt,
                minimum=canary.minimum_entities,
                learner=self.request.learner,
            )
        except Undefined as problem:
            notes = (*notes, f"groups that are not declared ({problem.summary})")
        planned = self.compared.ramp.began + timedelta(weeks=canary.weeks)
        ended = self.compared.ended
        return EffectsReport(
            model=self.request.model,
            version=self.compared.version,
            against=self.compared.other,
            segment_arms=self.compared.segment_arms,
            arms=self.request.arms,
            as_of=self.request.as_of,
            began=self.compared.ramp.began,
            ended=ended,
            stopped_early=ended is not None and ended < planned,
            assumptions=self._assumptions(arms, there),
            outcome=_metric_effect(canary.outcome, arms),
            others=others,
            declared=declared,
            declared_tests=family_tests(declared),
            found=found,
            notes=notes,
        )

    def _features(self) -> pd.DataFrame:
        """Keys and features of each entity, of the features that all versions define alike."""
        theirs = [definitions(one.spec) for one in self.others]
        alike = {
            name: one
            for name, one in definitions(self.version.spec).items()
            if all(each.get(name) == one for each in theirs)
        }
        return first_features(self.rows, alike)

    def _arms(self, metric: LiveMetric, totals: EntityTotals, there: Mask) -> Arms:
        entities = self.rows.entities
        none = np.zeros((len(entities.entity), 0))
        return Arms(
            challenger=entities.challenger[there],
            stage=entities.stage[there],
            value=totals.value[there],
            weight=None if totals.weight is None else totals.weight[there],
            covariates=(none if entities.covariates is None else entities.covariates)[there],
            higher_is_better=metric.higher_is_better,
        )

    def _refuse_too_few(self, there: Mask) -> None:
        rollout, challenger = declared_rollout(self.version), self.rows.entities.challenger
        canary = rollout.canary
        if not there.any():
            first = first_maturity(self.version.spec, rollout, self.compared.ramp.began)
            raise DataError(
                "no outcome has matured yet",
                where=self.where,
                got=f"{len(there)} entities in the arms, none with a value of "
                f"{canary.outcome.name} as of {instant_text(self.request.as_of)}",
                wanted=f"an instant from {instant_text(first)} on, when outcomes begin to mature",
            )
        counts = int((there & challenger).sum()), int((there & ~challenger).sum())
        if min(counts) < canary.minimum_entities:
            raise DataError(
                "there are too few entities to measure an effect",
                where=self.where,
                got=f"{counts[0]} in the challenger arm and {counts[1]} in the control arm have a "
                "matured outcome",
                wanted=f"{canary.minimum_entities} in each: rollout.canary.minimum_entities",
                hint="wait for more entities, or for their outcomes",
            )

    def _others(self) -> tuple[tuple[MetricEffect, ...], tuple[str, ...]]:
        """The effects on guardrails, and why one cannot be measured."""
        found, notes = [], []
        for guard in declared_rollout(self.version).canary.guardrails:
            totals = entity_totals(guard.name, self.rows.entities, self.rows.outcomes[guard.name])
            try:
                found.append(_metric_effect(guard, self._arms(guard, totals, totals.observed > 0)))
            except NoVariation as same:
                notes.append(f"{guard.name}, whose difference is {same.difference:g} everywhere")
            except Undefined as problem:
                notes.append(f"{guard.name} ({problem.summary})")
        return tuple(found), tuple(notes)

    def _assumptions(self, arms: Arms, there: Mask) -> tuple[Assumption, ...]:
        return (
            _served(self.rows.served),
            sample_ratio_check(self.rows.entities.challenger, self.rows.entities.stage),
            overlap_of_arms(),
            balance_check(arms),
            outcome_check(self.rows.entities.challenger, there),
            no_interference(),
        )


def _metric_effect(metric: LiveMetric, arms: Arms) -> MetricEffect:
    has_covariates = arms.covariates.shape[1] > 0
    return MetricEffect(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        plain=average_effect(arms, covariates=False),
        adjusted=average_effect(arms, covariates=True) if has_covariates else None,
    )


def _served(finding: Finding) -> Assumption:
    return Assumption(
        name="randomisation", holds=finding.verdict is Verdict.PASS, reason=finding.reason
    )
