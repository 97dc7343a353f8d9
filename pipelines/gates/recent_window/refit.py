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
LEVEL = 0.99  # of the differences that are expected
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
        past: the mean differences of this recipe's past refits, from ``answer_difference``.
    """
    return (
        _answers(answer_difference(twin.predictions, refit.predictions), past, len(rows)),
        _error(spec, rows, twin, refit),
    )


def answer_difference(twin: Floats, refit: Floats) -> float:
    """The mean absolute difference of predictions; of many classes, half the sum over classes.

    Arguments:
        twin: predictions, shape (n,) or (n, classes).
        refit: as ``twin``.

    >>> answer_difference(np.array([1.0, 2.0]), np.array([1.5, 1.5]))
    0.5
    """
    gap = np.abs(refit - twin)
    each = gap / 2 if gap.ndim > 1 else gap
    return float(each.sum() / len(each)) if len(each) else 0.0


def largest_expected(past: Sequence[float]) -> float | None:
    """The difference that 99 % of refits like the past ones stay below.

    It is the upper prediction bound of a log-normal sample, and never below the largest past value.

    Arguments:
        past: differences, zero or more.

    Returns:
        The bound; ``None`` if there are fewer than eight past refits.

    Source: Hahn, Meeker (1991), Statistical Intervals, section 4.7.
    """
    logs = np.log([value for value in past if value > 0])
    if len(logs) < FEWEST:
        return None
    quantile = float(stats.t.ppf(LEVEL, len(logs) - 1))
    reach = quantile * float(logs.std(ddof=1)) * math.sqrt(1 + 1 / len(logs))
    return max(math.exp(float(logs.mean()) + reach), *past)


def _answers(difference: float, past: Sequence[float], rows: int) -> Finding:
    bound = largest_expected(past)
    differs = f"the refit's answers differ from the twin's by {difference:.3g} on average"
    if bound is None:
        few = f"{len(past)} past refits of this recipe are too few for a bound, which needs"
        return make_finding(
            ANSWERS,
            Verdict.INCONCLUSIVE,
            f"{differs}; {few} {FEWEST}",
            Measurement(value=difference, rows=rows),
            blocking=False,
        )
    usual = difference <= bound * (1 + 1e-9)
    return make_finding(
        ANSWERS,
        Verdict.PASS if usual else Verdict.INCONCLUSIVE,
        f"{differs}; after {len(past)} past refits {'up to ' if usual else 'at most '}{bound:.3g} "
        f"is expected in {LEVEL:.0%} of cases",
        Measurement(value=difference, threshold=bound, rows=rows),
    )


def _error(spec: ModelSpec, rows: pd.DataFrame, twin: Scored, refit: Scored) -> Finding:
    metric, effect = primary_metric(spec), spec.metric.minimum_effect
    known = rows["label"].notna().to_numpy()
    try:
        if not known.any():
            raise Undefined("no point of the recent window has a label")
        label = label_numbers(rows["label"][known], spec.classes)
        labelled = rows[known].assign(label=label)
        before, after = (
            metric.utilities(label, scored.predictions[known], labelled) for scored in (twin, refit)
        )
    except Undefined as problem:
        reason = f"the refit's error is not known: {problem.what}"
        return make_finding(ERROR, Verdict.NO_DATA, reason, blocking=False)
    lost = float(before.mean() - after.mean())
    passed = lost <= effect
    compared = (
        f"on the recent window, which only the refit was trained on, its {metric.name} is "
        f"{metric.value(after):.5g} and the twin's {metric.value(before):.5g}"
    )
    return make_finding(
        ERROR,
        Verdict.PASS if passed else Verdict.FAIL,
        compared if passed else f"{compared}: worse by more than the minimum effect of {effect:g}",
        Measurement(value=lost, threshold=effect, unit=metric.name, rows=int(known.sum())),
    )
