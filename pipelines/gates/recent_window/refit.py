"""Whether the refit, which serves, behaves as its twin, which is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from pipelines.core.arrays import Floats
from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.stats.undefined import Undefined
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import primary_metric

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.spec.model import ModelSpec
    from pipelines.training.score import Scored

ANSWERS = "recent_window.refit.answers"
ERROR = "recent_window.refit.error"
LEVEL = 0.99  # of the changes that are expected
FEWEST = 8  # past refits from which a bound is computed


def refit_findings(
    spec: ModelSpec, rows: pd.DataFrame, twin: Scored, refit: Scored, past: Sequence[float]
) -> tuple[Finding, ...]:
    """Compare the refit with its twin on the recent window, which only the refit was trained on.

    Arguments:
        spec: the declaration.
        rows: of the recent window, with labels.
        twin: its predictions of these rows.
        refit: as ``twin``.
        past: the values of the first finding of this recipe's past refits.
    """
    known = rows["label"].notna().to_numpy()
    if not known.any():
        reason = "refit and twin were not compared: no point of the recent window has a label"
        return tuple(
            make_finding(name, Verdict.NO_DATA, reason, blocking=False) for name in (ANSWERS, ERROR)
        )
    label = label_numbers(rows["label"][known], spec.classes)
    before, after = twin.predictions[known], refit.predictions[known]
    labelled = rows[known].assign(label=label)
    return (
        _answers(answer_change(label, before, after), past, len(label)),
        _error(spec, labelled, label, before, after),
    )


def judged_by_past(finding: Finding, past: Sequence[float]) -> Finding:
    """The first finding of ``refit_findings``, judged by the values of past refits.

    Arguments:
        finding: made without them.
        past: as for ``refit_findings``.
    """
    if finding.value is None or finding.rows is None:
        return finding
    return _answers(finding.value, past, finding.rows)


def answer_change(label: Floats, twin: Floats, refit: Floats) -> float:
    """How far the refit's answers are from the twin's, as a share of the twin's error.

    Errors are absolute differences; of many classes, half the sum over classes. Where the world has
    moved, both distances grow, so the share stays comparable.

    Arguments:
        label: labels as numbers, shape (n,), n > 0.
        twin: predictions, shape (n,) or (n, classes).
        refit: as ``twin``.

    >>> answer_change(np.array([0.0, 0.0]), np.array([2.0, 2.0]), np.array([1.0, 1.0]))
    0.5
    """
    if twin.ndim > 1:
        label = np.eye(twin.shape[1])[label.astype(int)]
    moved, wrong = float(np.abs(refit - twin).sum()), float(np.abs(label - twin).sum())
    return moved / wrong if wrong else float(moved > 0)


def largest_expected(past: Sequence[float], level: float = LEVEL) -> float | None:
    """The change that the next one stays below with probability ``level``, if it is like the past.

    It is the upper prediction bound of a log-normal sample, and never below the largest past value.

    Arguments:
        past: earlier changes, zero or more each.
        level: between 0 and 1.

    Returns:
        The bound; ``None`` if fewer than eight of them are above zero.

    Source: Hahn, Meeker (1991), Statistical Intervals, section 4.7.
    """
    logs = np.log([value for value in past if value > 0])
    if len(logs) < FEWEST:
        return None
    quantile = float(stats.t.ppf(level, len(logs) - 1))
    reach = quantile * float(logs.std(ddof=1)) * math.sqrt(1 + 1 / len(logs))
    return max(math.exp(float(logs.mean()) + reach), *past)


def _answers(change: float, past: Sequence[float], rows: int) -> Finding:
    bound = largest_expected(past)
    differs = f"the refit's answers differ from the twin's by {change:.0%} of the twin's error"
    if bound is None:
        few = f"{len(past)} past refits of this recipe are too few for a bound, which needs"
        return make_finding(
            ANSWERS,
            Verdict.INCONCLUSIVE,
            f"{differs}; {few} {FEWEST}",
            Measurement(value=change, rows=rows),
            blocking=False,
        )
    usual = change <= bound * (1 + 1e-9)
    return make_finding(
        ANSWERS,
        Verdict.PASS if usual else Verdict.INCONCLUSIVE,
        f"{differs}; {'up to' if usual else 'at most'} {bound:.0%} is expected after {len(past)} "
        "past refits",
        Measurement(value=change, threshold=bound, unit="share of the twin's error", rows=rows),
    )


def _error(
    spec: ModelSpec, rows: pd.DataFrame, label: Floats, twin: Floats, refit: Floats
) -> Finding:
    return error_finding(
        ERROR,
        ("the twin", "the refit"),
        spec,
        rows.assign(label=label),
        (twin, refit),
        "on the recent window, which only the refit was trained on",
    )


def error_finding(
    name: str,
    models: tuple[str, str],
    spec: ModelSpec,
    rows: pd.DataFrame,
    predictions: tuple[Floats, Floats],
    place: str,
) -> Finding:
    """Whether the second of two models is not worse than the first by the minimum effect.

    Arguments:
        name: of the finding.
        models: both, in words.
        spec: the declaration.
        rows: with labels as numbers.
        predictions: of both models for these rows.
        place: which rows these are, in words.
    """
    metric, effect = primary_metric(spec), spec.metric.minimum_effect
    label = rows["label"].to_numpy(dtype=np.float64)
    try:
        before, after = (metric.utilities(label, each, rows) for each in predictions)
    except Undefined as problem:
        reason = f"the error of {models[1]} is not known: {problem.what}"
        return make_finding(name, Verdict.NO_DATA, reason, blocking=False)
    lost = float(before.mean() - after.mean())
    passed = lost <= effect
    compared = (
        f"{place}, the {metric.name} of {models[1]} is {metric.value(after):.5g} and that of "
        f"{models[0]} {metric.value(before):.5g}"
    )
    return make_finding(
        name,
        Verdict.PASS if passed else Verdict.FAIL,
        compared if passed else f"{compared}: worse by more than the minimum effect of {effect:g}",
        Measurement(value=lost, threshold=effect, unit=metric.name, rows=len(label)),
    )
