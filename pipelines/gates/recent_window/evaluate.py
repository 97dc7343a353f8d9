"""Evaluate a candidate on the recent window, on the same rows as the champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipelines.core.arrays import Floats, Mask
from pipelines.core.errors import DataError
from pipelines.core.findings import Finding, Verdict
from pipelines.core.time import Window
from pipelines.gates.champion.emergency import alarms, is_emergency
from pipelines.gates.champion.findings import health, unknown_health
from pipelines.gates.recent_window import findings as window_findings
from pipelines.gates.recent_window.comparison import compare_utilities
from pipelines.gates.recent_window.record import (
    Comparison,
    DayDifference,
    Evaluation,
    SeedGain,
    SliceDifference,
)
from pipelines.gates.recent_window.slice_search import undeclared_slices
from pipelines.gates.recent_window.slices import slice_findings, slice_values
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Slice
from pipelines.stats.paired import PairedDifference, paired_difference
from pipelines.stats.undefined import Undefined
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import RowMetric, guardrail_metric, primary_metric
from pipelines.training.row_sets import EntityDays, entity_days
from pipelines.training.score import Scored, rows_digest
from pipelines.training.split import inside

if TYPE_CHECKING:
    import pandas as pd

EPOCH = date(1970, 1, 1)


class DifferentRows(DataError):  # noqa: N818 - named as the family in core is
    """Predictions were made for other rows than the ones that are judged."""

    code = "different_rows"


class DifferentClasses(DataError):  # noqa: N818 - named as the family in core is
    """Two models do not mean the same by the positive class."""

    code = "different_classes"


@dataclass(frozen=True)
class WindowPredictions:
    """Predictions of the same rows by every model that takes part in an evaluation.

    Arguments:
        candidates: of the candidate, then of its refits with the other seeds.
        champion: ``None`` if there is no champion yet.
        naive: of a forecast without a model, which replaces the champion of a first version.
    """

    candidates: Sequence[Scored]
    champion: Scored | None
    naive: Scored

    @property
    def baseline(self) -> window_findings.Baseline:
        """What the candidate is compared with."""
        return "naive_forecast" if self.champion is None else "champion"

    def named(self) -> list[tuple[str, Scored]]:
        """Every model's predictions with a name for messages."""
        found = [(f"candidate {place}", one) for place, one in enumerate(self.candidates)]
        found.append((self.baseline, self.champion or self.naive))
        return found


@dataclass(frozen=True)
class _LabelledRows:
    """The labelled rows with everything that a comparison needs."""

    rows: pd.DataFrame
    label: Floats
    candidates: tuple[Floats, ...]
    baseline: Floats
    naive: Floats
    clusters: EntityDays
    strict: bool

    @property
    def days(self) -> int:
        """Number of days that have a labelled row."""
        return len(np.unique(self.clusters.day))

    def utilities(self, metric: RowMetric, seed: int = 0) -> tuple[Floats, Floats]:
        """Influence values of a candidate and of the baseline on all labelled rows."""
        return (
            metric.utilities(self.label, self.candidates[seed], self.rows),
            metric.utilities(self.label, self.baseline, self.rows),
        )

    def within(self, metric: RowMetric, mask: Mask) -> PairedDifference:
        """The paired difference of a metric computed on some of the rows only."""
        below = [] if metric.denominator is None else [metric.denominator]
        label, clusters = self.label[mask], self.clusters.where(mask)
        rows = self.rows[below][mask]
        return paired_difference(
            metric.utilities(label, self.candidates[0][mask], rows),
            metric.utilities(label, self.baseline[mask], rows),
            clusters.entity,
            clusters.day,
            strict=self.strict,
        )


class _Results(NamedTuple):
    """What the comparisons gave; only findings where nothing could be compared."""

    findings: tuple[Finding, ...]
    comparisons: tuple[Comparison, ...] = ()
    slices: tuple[SliceDifference, ...] = ()
    seeds: tuple[SeedGain, ...] = ()
    daily: tuple[DayDifference, ...] = ()


def evaluate(
    spec: ModelSpec,
    window: Window,
    rows: pd.DataFrame,
    predictions: WindowPredictions,
    *,
    refresh: bool = False,
    anchor: bool = False,
) -> Evaluation:
    """Compare a candidate on the recent window, and make the gate's findings.

    A champion is also compared with the naive forecast on the same rows. If it is shown to be
    worse, a candidate that is shown to be better than both, at the level of a first version, is
    judged in an emergency, whatever its recipe.

    Arguments:
        spec: the candidate's declaration.
        window: from ``comparison_window`` or ``split_plan``; every row lies in it.
        rows: the frame's rows of the window: keys, decision_time, features and label, which is
            null if there is none.
        predictions: of these rows.
        refresh: the candidate is the champion's recipe on newer data. The window then bounds harm
            only: nothing is tested for being better, and luck does not decide.
        anchor: the version compared with is the anchor of the champion, which has been updated
            since. Whether it is worse than the naive forecast says nothing about the champion.

    Raises:
        DifferentRows: if predictions were made for other rows.
        DifferentClasses: if the models were trained on different labels.
        DataError: if rows lie outside the window, or a label or denominator cannot be used.
        SpecError: if a guardrail is declared in a way that cannot be computed.
    """
    digest = _same_rows(spec, window, rows, predictions)
    arms = _labelled_rows(spec, rows, predictions)
    baseline, metric = predictions.baseline, primary_metric(spec)

    def record(results: _Results) -> Evaluation:
        return Evaluation(
            window=window,
            baseline=baseline,
            rows_digest=digest,
            rows=len(rows),
            labelled=len(arms.rows),
            days=arms.days,
            entities=len(np.unique(arms.clusters.entity)),
            comparisons=results.comparisons,
            slices=results.slices,
            seeds=results.seeds,
            daily=results.daily,
            findings=results.findings,
        )

    matured = window_findings.maturity(spec, len(rows), len(arms.rows), arms.days)
    undefined = matured.reason if matured.verdict is not Verdict.PASS else ""
    if not undefined:
        try:
            primary = _comparison(metric, arms)
        except Undefined as problem:
            undefined = problem.summary
    if undefined:
        missing = window_findings.no_comparison(baseline, undefined)
        return record(_Results(findings=(matured, missing)))
    serves = baseline == "champion" and not anchor
    champion = _champion_health(spec, metric, arms) if serves else ()
    replacing = _emergency(spec, metric, arms, primary) if alarms(champion) else ()
    emergency = is_emergency((*champion, *replacing))
    guarded, guard_findings = _guardrails(spec, arms)
    declared = (*spec.slices, *undeclared_slices(spec, arms.rows))
    slices, found_by_slice = slice_findings(
        declared,
        arms.rows,
        lambda mask: arms.within(metric, mask),
        metric.name,
    )
    gains = _gains(metric, arms)
    luck = (
        window_findings.seed_noise(spec, [gain.gain for gain in gains], metric.name),
        window_findings.concentration(arms.clusters.entity),
    )
    return record(
        _Results(
            comparisons=(primary, *guarded),
            slices=_with_values(slices, declared, metric, arms),
            seeds=gains,
            daily=_daily(metric, arms),
            findings=(
                matured,
                *champion,
                *(replacing if emergency else map(_shown_only, replacing[1:])),
                *(() if refresh or emergency else _deciding(spec, primary, baseline)),
                *guard_findings,
                *found_by_slice,
                *(_shown_only(one) if refresh else one for one in luck),
            ),
        )
    )


def _guardrails(spec: ModelSpec, arms: _LabelledRows) -> tuple[list[Comparison], list[Finding]]:
    """The comparison of each guardrail metric that exists for these rows, and all findings."""
    comparisons, findings = [], []
    for guardrail in spec.guardrails:
        guard = guardrail_metric(spec, guardrail)
        try:
            comparisons.append(_comparison(guard, arms))
        except Undefined as problem:
            findings.append(window_findings.no_guardrail(guard, problem.what))
        else:
            findings.append(window_findings.guardrail(guard, guardrail.margin, comparisons[-1]))
    return comparisons, findings


def _deciding(
    spec: ModelSpec, comparison: Comparison, baseline: window_findings.Baseline
) -> list[Finding]:
    """Whether the candidate is better; if it passed, its gain corrected for having passed."""
    better = window_findings.primary(spec, comparison, baseline)
    corrected = None
    if baseline == "champion" and better.verdict is Verdict.PASS:
        corrected = window_findings.corrected_gain(spec, comparison)
    return [better] if corrected is None else [better, corrected]


def _champion_health(
    spec: ModelSpec, metric: RowMetric, arms: _LabelledRows
) -> tuple[Finding, ...]:
    """The champion against the naive forecast."""
    pair = replace(arms, candidates=(arms.baseline,), baseline=arms.naive)
    try:
        return (health(_comparison(metric, pair), spec.gates.recent_window.alpha),)
    except Undefined as problem:
        return (unknown_health(problem.what),)


def _emergency(
    spec: ModelSpec, metric: RowMetric, arms: _LabelledRows, against_champion: Comparison
) -> tuple[Finding, ...]:
    """Whether the candidate is better than a broken champion, and than the naive forecast."""
    against_naive = _comparison(metric, replace(arms, baseline=arms.naive))
    return (
        window_findings.primary(spec, against_champion, "champion", emergency=True),
        window_findings.primary(spec, against_naive, "naive_forecast"),
    )


def _shown_only(finding: Finding) -> Finding:
    return finding.model_copy(update={"blocking": False})


def _same_rows(
    spec: ModelSpec,
    window: Window,
    rows: pd.DataFrame,
    predictions: WindowPredictions,
) -> str:
    """The digest of the rows, after a check that every prediction was made for them."""
    outside = int(np.sum(~inside(rows, window)))
    if outside:
        raise DataError(
            "rows lie outside the window that is judged",
            where=spec.name,
            got=f"{outside} of {len(rows)} rows outside {window}",
            wanted="only decision times in the window",
        )
    if not predictions.candidates:
        raise DataError("there is no candidate to judge", where=spec.name)
    digest = rows_digest(spec, rows)
    classes = predictions.candidates[0].classes
    for name, scored in predictions.named():
        if scored.rows_digest != digest or len(scored.predictions) != len(rows):
            raise DifferentRows(
                f"the predictions of {name} were made for other rows",
                where=spec.name,
                got=f"rows {scored.rows_digest[:12]}, {len(scored.predictions)} predictions",
                wanted=f"rows {digest[:12]}, {len(rows)} predictions",
                hint="score every model again on the rows that are judged",
            )
        if scored.classes != classes:
            raise DifferentClasses(
                f"{name} was trained on other classes than the candidate",
                where=spec.name,
                got=f"{list(scored.classes)}",
                wanted=f"{list(classes)}",
                hint="a model whose label changed is a new model: give it another name",
            )
    return digest


def _labelled_rows(
    spec: ModelSpec, rows: pd.DataFrame, predictions: WindowPredictions
) -> _LabelledRows:
    labelled = np.asarray(rows["label"].notna(), dtype=bool)
    known = rows[labelled]
    label = label_numbers(known["label"], predictions.candidates[0].classes)
    baseline = predictions.champion or predictions.naive
    return _LabelledRows(
        rows=known.assign(label=label),
        label=label,
        candidates=tuple(scored.predictions[labelled] for scored in predictions.candidates),
        baseline=baseline.predictions[labelled],
        naive=predictions.naive.predictions[labelled],
        clusters=entity_days(spec.points.keys, known),
        strict=spec.gates.recent_window.strict,
    )


def _comparison(metric: RowMetric, arms: _LabelledRows) -> Comparison:
    candidate, baseline = arms.utilities(metric)
    return compare_utilities(metric, candidate, baseline, arms.clusters, strict=arms.strict)


def _gains(metric: RowMetric, arms: _LabelledRows) -> tuple[SeedGain, ...]:
    gains = []
    for seed in range(len(arms.candidates)):
        candidate, baseline = arms.utilities(metric, seed)
        gains.append(SeedGain(index=seed, gain=float((candidate - baseline).mean())))
    return tuple(gains)


def _daily(metric: RowMetric, arms: _LabelledRows) -> tuple[DayDifference, ...]:
    candidate, baseline = arms.utilities(metric)
    days, code = np.unique(arms.clusters.day, return_inverse=True)
    found = []
    for place, at in enumerate(days):
        own, other = candidate[code == place], baseline[code == place]
        found.append(
            DayDifference(
                day=EPOCH + timedelta(days=int(at)),
                rows=len(own),
                difference=float((own - other).mean()),
                candidate=_mean(metric, own),
                baseline=_mean(metric, other),
            )
        )
    return tuple(found)


def _with_values(
    slices: tuple[SliceDifference, ...],
    declared: Sequence[Slice],
    metric: RowMetric,
    arms: _LabelledRows,
) -> tuple[SliceDifference, ...]:
    """The slices with the metric of both models on their rows."""
    candidate, baseline = arms.utilities(metric)
    named = {part.column: slice_values(part, arms.rows[part.column]) for part in declared}
    found = []
    for one in slices:
        mask = np.asarray(named[one.column] == one.value)
        values = {
            "candidate": _mean(metric, candidate[mask]),
            "baseline": _mean(metric, baseline[mask]),
        }
        found.append(one.model_copy(update=values))
    return tuple(found)


def _mean(metric: RowMetric, utilities: Floats) -> float | None:
    """The metric of some of the rows; ``None`` if it is no mean over rows, or there are none."""
    return metric.value(utilities) if metric.kind.is_row_mean and len(utilities) else None
