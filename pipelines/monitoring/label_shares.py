"""The shares of the classes among points whose labels have not arrived."""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.drift.bins import TextBins
from pipelines.drift.label_shift import mlls
from pipelines.drift.profile import Profile
from pipelines.drift.version_profile import LABEL
from pipelines.monitoring.report import LabelShare
from pipelines.spec.points import class_text

FEWEST = 30  # points


def label_shares(
    training: Profile, classes: tuple[str, ...], predictions: Floats
) -> tuple[LabelShare, ...]:
    """Estimate the share of each class among the newest points from their predictions.

    Arguments:
        training: profile of the training rows; it has their labels.
        classes: of the label, in the order of the predictions.
        predictions: of the newest points, shape as in ``Scored``.

    Returns:
        One share for each class; empty for a regression, for few points, and where training lacked
        a class.
    """
    bins = training.columns[LABEL].bins
    if not classes or not isinstance(bins, TextBins) or len(predictions) < FEWEST:
        return ()
    counts = dict(zip(bins.texts, training.columns[LABEL].total.tolist(), strict=False))
    before = np.array([counts.get(class_text(one), 0) for one in classes], np.float64)
    if not before.all():
        return ()
    before /= before.sum()
    both = predictions if predictions.ndim > 1 else np.column_stack([1 - predictions, predictions])
    now = mlls(both, before)
    return tuple(
        LabelShare(label=str(name), before_share=float(was), now_share=float(share))
        for name, was, share in zip(classes, before, now, strict=True)
    )
