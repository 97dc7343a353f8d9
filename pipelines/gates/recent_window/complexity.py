"""Whether a candidate is more complex than its task needs; its findings are only shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.gates.recent_window.comparison import compare_utilities
from pipelines.gates.recent_window.findings import with_interval
from pipelines.gates.recent_window.record import Complexity, RivalComparison
from pipelines.stats.prediction_bound import upper_prediction_bound
from pipelines.stats.undefined import Undefined
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import primary_metric
from pipelines.training.row_sets import entity_days

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.spec.model import ModelSpec
    from pipelines.training.score import Scored

RIVAL = "recent_window.simple_rival"
GAP = "recent_window.training_gap"
LEVEL = 0.01  # chance that the gap of a like version exceeds the bound
FEWEST = 8  # earlier versions from which a bound is computed


class ComplexityResult(NamedTuple):
    """What was measured, and the findings about it."""

    record: Complexity
    findings: tuple[Finding, ...]


def training_value(spec: ModelSpec, rows: pd.DataFrame, scored: Scored) -> float | None:
    """The primary metric on rows that a model was trained on; ``None`` if it is not defined.

    Arguments:
        spec: the declaration.
        rows: labelled training rows.
        scored: the model's predictions for them.
    """
    metric, label = primary_metric(spec), label_numbers(rows["label"], spec.classes)
    try:
        return metric.value(metric.utilities(label, scored.predictions, rows.assign(label=label)))
    except Undefined:
        return None


def complexity(
    spec: ModelSpec,
    rows: pd.DataFrame,
    candidate: Scored,
    rivals: Mapping[str, Scored],
    training: float | None,
    past: Sequence[float],
) -> ComplexityResult:
    """Compare a candidate with simple models, and its recent error with that in training.

    Arguments:
        spec: the candidate's declaration.
        rows: of the recent window, with labels where they have matured.
        candidate: the twin's predictions of these rows.
        rivals: those of the simple models, by name.
        training: the twin's metric on its training rows; ``None`` if it is not known.
        past: gaps of earlier versions of this recipe, oldest first.
    """
    known = rows["label"].notna().to_numpy(bool)
    metric, clusters = primary_metric(spec), entity_days(spec.points.keys, rows[known])
    label = label_numbers(rows["label"][known], spec.classes)
    labelled = rows[known].assign(label=label)
    try:
        own = metric.utilities(label, candidate.predictions[known], labelled)
        compared = tuple(
            RivalComparison(
                rival=name,
                comparison=compare_utilities(
                    metric,
                    own,
                    metric.utilities(label, scored.predictions[known], labelled),
                    clusters,
                    strict=spec.gates.recent_window.strict,
                ),
            )
            for name, scored in rivals.items()
        )
    except Undefined as problem:
        return ComplexityResult(Complexity(training=training), _unknown(problem.what))
    recent = metric.value(own)
    sign = 1.0 if metric.higher_is_better else -1.0
    gap = None if training is None else sign * (training - recent)
    record = Complexity(
        training=training, recent=recent, gap=gap, earlier_gaps=tuple(past), rivals=compared
    )
    return ComplexityResult(record, (_rival(spec, record), _gap(spec, record)))


def _unknown(why: str) -> tuple[Finding, ...]:
    reason = f"complexity was not measured: {why}"
    return tuple(
        make_finding(name, Verdict.NO_DATA, reason, blocking=False) for name in (RIVAL, GAP)
    )


def _rival(spec: ModelSpec, record: Complexity) -> Finding:
    """Whether the better one of the simple models does as well within the minimum effect."""
    best = record.best_rival
    if best is None:
        reason = "no simple model could be fitted on these rows"
        return make_finding(RIVAL, Verdict.NO_DATA, reason, blocking=False)
    found, effect = best.comparison, spec.metric.minimum_effect
    interval = None
    if found.difference is not None:
        interval = found.difference.interval(1 - 2 * spec.gates.recent_window.alpha)
    gain = f"{found.gain:.4g}" if interval is None else with_interval(found.gain, interval)
    against = (
        f"{found.metric} {found.candidate:.5g} of the candidate against {found.baseline:.5g}, "
        f"gain {gain}"
    )
    low, high = (found.gain,) * 2 if interval is None else (interval.low, interval.high)
    if high is not None and high < effect:
        verdict = Verdict.FAIL
        reason = f"a {best.rival} does as well within the minimum effect of {effect:g}: {against}"
    elif low is not None and low > 0:
        verdict, reason = Verdict.PASS, f"the candidate is better than a {best.rival}: {against}"
    else:
        verdict = Verdict.INCONCLUSIVE
        reason = f"a {best.rival} may do as well within the minimum effect of {effect:g}: {against}"
    return make_finding(
        RIVAL,
        verdict,
        reason,
        Measurement(
            value=found.gain,
            interval=interval,
            threshold=effect,
            unit=found.metric,
            rows=None if found.difference is None else found.difference.rows,
        ),
        blocking=False,
    )


def _gap(spec: ModelSpec, record: Complexity) -> Finding:
    """Whether the gap between training and recent rows is larger than that of earlier versions."""
    if record.gap is None or record.training is None or record.recent is None:
        return make_finding(
            GAP, Verdict.NO_DATA, "the metric on training rows is not known", blocking=False
        )
    past, unit = record.earlier_gaps, spec.metric.name.value
    summary = (
        f"{unit} {record.training:.4g} on training rows and {record.recent:.4g} on recent ones, "
        f"a gap of {record.gap:.3g}"
    )
    if past:
        summary += f"; {min(past):.3g} to {max(past):.3g} in {len(past)} earlier versions"
    bound, verdict = None, Verdict.INCONCLUSIVE
    if len(past) >= FEWEST:
        values = np.array(past)
        least = max(float(values.mean()) + spec.metric.minimum_effect, *past)
        bound = max(upper_prediction_bound(values, LEVEL), least)
        grown = record.gap > bound
        verdict = Verdict.FAIL if grown else Verdict.PASS
        summary += f"; it has grown beyond {bound:.3g}" if grown else ""
    else:
        summary += f", and a bound needs {FEWEST}"
    return make_finding(
        GAP,
        verdict,
        summary,
        Measurement(value=record.gap, threshold=bound, unit=unit),
        blocking=False,
    )
