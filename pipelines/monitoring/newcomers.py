"""Who is new: what distinguishes the newest points from those of the recent window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.drift.describe_subgroup import describe_subgroup
from pipelines.drift.domain_classifier import Sample, domain_scores
from pipelines.gates.audit.population_shift import SEED, TIME_PARTS
from pipelines.spec.features import CalendarFeature
from pipelines.stats.undefined import TooFewRows
from pipelines.training.row_sets import cluster_ids

if TYPE_CHECKING:
    from pipelines.spec.model import ModelSpec

MOST_ROWS = 5000  # of either sample
PRACTICAL_AUC = 0.55
USUAL_SHARE = 0.95  # of the earlier points
FEWEST_NEW = 2 * (1 - USUAL_SHARE)  # share of the newest points that has to be unlike them


def describe_newcomers(spec: ModelSpec, before: pd.DataFrame, now: pd.DataFrame) -> str:
    """Describe the newest points that are unlike earlier ones.

    Boosted trees separate the two samples by the features, each row scored by a fit without its
    entity and day. The newest points that score above 95 % of the earlier ones are new, and the
    rule that selects them is the description. It explains an alarm and is none itself.

    Arguments:
        spec: the champion's declaration.
        before: points of the recent window, with keys, ``decision_time`` and features.
        now: the newest points.

    Returns:
        One sentence; empty if the two samples can hardly be distinguished, or are small.
    """
    columns = [
        one.name
        for one in spec.features
        if not (isinstance(one, CalendarFeature) and one.part in TIME_PARTS)
    ]
    keys = spec.points.keys
    first, second = (
        Sample(rows.reset_index(drop=True), cluster_ids(keys, rows)).subsample(MOST_ROWS)
        for rows in (before, now)
    )
    try:
        scores = domain_scores(first, second, columns, "trees", SEED)
    except TooFewRows:
        return ""
    new = scores.second > np.quantile(scores.first, USUAL_SHARE)
    area = scores.auc.area
    if area < PRACTICAL_AUC or new.mean() < FEWEST_NEW:
        return ""
    both = pd.concat([first.rows, second.rows[new]], ignore_index=True)
    picked = np.arange(len(both)) >= len(first.rows)
    names = dict.fromkeys((*keys, *columns))
    rule = describe_subgroup(both, picked, {name: name for name in names})
    return (
        f"{new.mean():.0%} of the newest points are unlike {USUAL_SHARE:.0%} of those in the "
        f"recent window (AUC {area:.2f}): {rule}"
    )
