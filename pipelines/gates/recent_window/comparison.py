"""The paired comparison of two models on the same rows."""

from __future__ import annotations

import contextlib

from pipelines.core.arrays import Floats
from pipelines.gates.recent_window.record import Comparison
from pipelines.stats.paired import PairedDifference, paired_difference
from pipelines.stats.undefined import NoVariation
from pipelines.training.metrics import RowMetric
from pipelines.training.row_sets import EntityDays


def compare_utilities(
    metric: RowMetric, candidate: Floats, baseline: Floats, clusters: EntityDays, *, strict: bool
) -> Comparison:
    """Compare a metric of two models; the difference is ``None`` if it is equal on every row.

    Arguments:
        metric: what was measured.
        candidate: the candidate's utilities, shape (n,), higher is better.
        baseline: the other model's, on the same rows in the same order.
        clusters: entity and day of each row.
        strict: degrees of freedom as if days were the only noise.

    Raises:
        Undefined: if the error of the difference does not exist.
    """
    difference: PairedDifference | None = None
    with contextlib.suppress(NoVariation):
        difference = paired_difference(
            candidate, baseline, clusters.entity, clusters.day, strict=strict
        )
    return Comparison(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        candidate=metric.value(candidate),
        baseline=metric.value(baseline),
        difference=difference,
    )
