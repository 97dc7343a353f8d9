"""Split the offline gain of a changed recipe: how much comes from the model, how much from rows.

A recipe that filters its rows or redefines its label chooses its own test. So both recipes are
scored on each other's rows and on all decision points of production; only the latter decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.data.events import Progress
from pipelines.gates.audit.cross_scores import CrossEvaluation, top_half
from pipelines.gates.audit.findings import AuditExtras, audit_findings
from pipelines.gates.audit.population_shift import PopulationShift
from pipelines.gates.audit.record import Audit, Refits, Score
from pipelines.gates.audit.refits import gain_noise, refit
from pipelines.gates.recent_window.record import Comparison
from pipelines.stats.shapley import Decomposition
from pipelines.stats.two_sample_auc import TwoSampleAuc, two_sample_auc
from pipelines.stats.undefined import Undefined
from pipelines.training.row_sets import AuditData, Side, cluster_ids

MOST_CHANGES = 40
IMPORTANCE_ROWS = 5_000
UNLABELLED = 0.01  # share of live rows from which selection of labels is checked


def audit(
    data: AuditData,
    *,
    as_of: datetime,
    against: str,
    changes: tuple[str, ...] = (),
    unequal: Mapping[str, float] | None = None,
    progress: Progress = lambda _: None,
) -> Audit:
    """Fit both recipes and split their offline difference.

    Arguments:
        data: rows of both recipes.
        as_of: the instant of the audit.
        against: what the candidate is compared with, for the reader.
        changes: what differs between the declarations, one line each.
        unequal: share of logged values of each feature that differ from recomputed ones; ``None``
            when there is no prediction log.
        progress: called with a sentence now and then.

    Raises:
        DataError: when a recipe has too few labelled rows to be fitted or judged.
        SpecError: when an estimator is wrong.

    Source: own, crossed and common populations as in Kitagawa (1955), JASA 50; the weighted view
    and the three terms as in the modules of ``stats`` that hold their formulas.
    """
    spec = data.candidate.spec
    progress("fitting both recipes")
    cross = CrossEvaluation(data)
    live = _live(cross, "champion")
    new = _live(cross, "candidate") if data.new_labels else None
    progress("comparing the populations")
    moved = PopulationShift(data, spec.gates.audit.classifier_rows)
    weighted, shifts = moved.weighted(cross, spec.gates.audit.clip)
    distances = moved.distances()
    progress("fitting both recipes again, to metric luck")
    own = _own_holdouts(cross)
    found = Audit(
        model=spec.name,
        as_of=as_of,
        champion=against,
        changes=changes[:MOST_CHANGES],
        metric=cross.metric.name,
        higher_is_better=cross.metric.higher_is_better,
        populations=moved.facts(),
        movements=moved.movements(),
        scores=own.scores,
        own=own.gain,
        live=live,
        live_new_labels=new,
        weighted=weighted,
        shifts=shifts,
        distances=distances,
        classifier_rows=spec.gates.audit.classifier_rows,
        labels=cross.label_rules(live, new),
        refits=None if live is None else _refits(cross, live.gain),
        findings=(),
    )
    extras = AuditExtras(
        unequal=unequal,
        important=tuple(top_half(cross.importance(IMPORTANCE_ROWS))) if unequal else (),
        selective=_selective(cross),
    )
    return found.with_findings(audit_findings(found, spec, extras))


def _live(cross: CrossEvaluation, labels: Side) -> Comparison | None:
    try:
        return cross.live_comparison(labels)
    except Undefined:
        return None  # the finding `audit.live` says so


class _OwnHoldouts(NamedTuple):
    scores: tuple[Score, ...]
    gain: Decomposition | None


def _own_holdouts(cross: CrossEvaluation) -> _OwnHoldouts:
    try:
        return _OwnHoldouts(cross.scores(), cross.own_gain())
    except Undefined:
        return _OwnHoldouts((), None)  # the finding `audit.sign_flip` says so


def _refits(cross: CrossEvaluation, gain: float) -> Refits:
    gate = cross.data.candidate.spec.gates.audit
    first: dict[Side, Floats] = {
        "champion": cross.predicted("champion", "champion"),
        "candidate": cross.predicted("candidate", "champion"),
    }
    fits = refit(cross.data, first, gate.refits)
    means = {
        side: np.array(
            [cross.utilities_of(made, "champion", "champion").mean() for made in predictions]
        )
        for side, predictions in fits.predictions.items()
    }
    return gain_noise(
        gain,
        means["champion"],
        means["candidate"],
        alpha=gate.alpha,
        resampled=fits.resampled,
    )


def _selective(cross: CrossEvaluation) -> TwoSampleAuc | None:
    """How well the champion's answer, high or low, tells which live rows have a label."""
    known = cross.labelled("champion", "champion")
    if not UNLABELLED <= 1 - known.mean() < 1:
        return None
    rows = cross.data.live
    answer = cross.predicted("champion", "champion")
    if answer.ndim > 1:
        answer = answer.max(axis=1)
    cell = cluster_ids(cross.data.champion.spec.points.keys, rows)
    up, down = (two_sample_auc(score, known, cell) for score in (answer, -answer))
    return up if up.area >= down.area else down
