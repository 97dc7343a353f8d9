"""Takes the offline difference of a changed recipe apart: how much is the model, how much the rows.

An arm that filters its rows, or changes what counts as right, is scored on an exam that it wrote
itself. So both arms are scored on each other's rows and, what alone may decide, on all points that
production asks about.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from pipelines.data.events import Progress
from pipelines.gates.audit.cross_scores import Exams, gain_of, halves
from pipelines.gates.audit.findings import Further, audit_findings
from pipelines.gates.audit.population_shift import PopulationShift
from pipelines.gates.audit.record import Audit, Refits
from pipelines.gates.audit.refits import gain_noise, refit
from pipelines.gates.recent_window.record import Comparison
from pipelines.stats.two_sample_auc import TwoSampleAuc, two_sample_auc
from pipelines.stats.undefined import Undefined
from pipelines.training.row_sets import Material, Side, cells

MOST_CHANGES = 40
IMPORTANCE_ROWS = 5_000
UNLABELLED = 0.01  # share of live rows from which it is asked why they have no label


def audit(
    material: Material,
    *,
    as_of: datetime,
    against: str,
    changes: tuple[str, ...] = (),
    unequal: Mapping[str, float] | None = None,
    progress: Progress = lambda _: None,
) -> Audit:
    """Fit both recipes and take their offline difference apart.

    Arguments:
        material: rows of both recipes.
        as_of: the instant the audit stands at.
        against: what the candidate is held against, for the reader.
        changes: what differs between the declarations, one line each.
        unequal: share of logged values of each feature that differ from recomputed ones; ``None``
            when there is no prediction log.
        progress: told a sentence now and then.

    Raises:
        DataError: when a recipe has too few labelled rows to be fitted or judged.
        SpecError: when an estimator is wrong.

    Source: own, crossed and common populations as in Kitagawa (1955), JASA 50; the weighted view
    and the three terms as in the modules of ``stats`` that hold their formulas.
    """
    spec = material.candidate.spec
    progress("fitting both recipes")
    exams = Exams(material)
    live = _live(exams, "champion")
    new = _live(exams, "candidate") if material.new_labels else None
    progress("telling the populations apart")
    moved = PopulationShift(material, spec.gates.audit.classifier_rows)
    weighted, shifts = moved.weighted(exams, spec.gates.audit.clip)
    distances = moved.distances()
    progress("fitting both recipes again, to measure luck")
    facts: dict[str, Any] = {
        "model": spec.name,
        "as_of": as_of,
        "champion": against,
        "changes": changes[:MOST_CHANGES],
        "metric": exams.measure.name,
        "higher_is_better": exams.measure.metric.higher_is_better,
        "populations": moved.facts(),
        "movements": moved.movements(),
        **_everywhere(exams),
        "live": live,
        "live_new_labels": new,
        "weighted": weighted,
        "shifts": shifts,
        "distances": distances,
        "classifier_rows": spec.gates.audit.classifier_rows,
        "labels": exams.label_rules(live, new),
        "refits": None if live is None else _refits(exams, gain_of(live)),
    }
    further = Further(
        unequal=unequal,
        important=tuple(halves(exams.importance(IMPORTANCE_ROWS))) if unequal else (),
        selective=_selective(exams),
    )
    bare = Audit(**facts, findings=())
    return Audit(**facts, findings=audit_findings(bare, spec, further))


def _live(exams: Exams, labels: Side) -> Comparison | None:
    try:
        return exams.live(labels)
    except Undefined:
        return None  # the finding `audit.live` says so


def _everywhere(exams: Exams) -> dict[str, Any]:
    try:
        return {"scores": exams.scores(), "own": exams.own()}
    except Undefined:
        return {"scores": (), "own": None}  # the finding `audit.sign_flip` says so


def _refits(exams: Exams, gain: float) -> Refits:
    gate = exams.material.candidate.spec.gates.audit
    first: dict[Side, Any] = {
        "champion": exams.predicted("champion", "champion"),
        "candidate": exams.predicted("candidate", "champion"),
    }
    fits = refit(exams.material, first, gate.refits)
    means = {
        side: np.array([exams.graded(made, "champion", "champion").mean() for made in predictions])
        for side, predictions in fits.predictions.items()
    }
    return gain_noise(
        gain,
        means["champion"],
        means["candidate"],
        alpha=gate.alpha,
        resampled=fits.resampled,
    )


def _selective(exams: Exams) -> TwoSampleAuc | None:
    """How well the champion's answer, high or low, tells which live rows have a label."""
    known = exams.labelled("champion", "champion")
    if not UNLABELLED <= 1 - known.mean() < 1:
        return None
    rows = exams.material.live
    answer = exams.predicted("champion", "champion")
    cell = cells(exams.material.champion.spec.points.keys, rows)
    up, down = (two_sample_auc(score, known, cell) for score in (answer, -answer))
    return up if up.area >= down.area else down
