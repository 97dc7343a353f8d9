"""Judges a candidate on the recent window, on the same rows as the champion."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.core.errors import DataError
from pipelines.core.findings import Finding, Verdict
from pipelines.core.time import Window
from pipelines.gates.recent_window import findings as window_findings
from pipelines.gates.recent_window.record import Comparison, DayDifference, Evaluation, SeedGain
from pipelines.gates.recent_window.slice_search import undeclared_slices
from pipelines.gates.recent_window.slices import slice_findings
from pipelines.spec.model import ModelSpec
from pipelines.stats.paired import PairedDifference, paired_difference
from pipelines.stats.undefined import NoVariation, Undefined
from pipelines.training.fit import label_numbers
from pipelines.training.metrics import RowMetric, guardrail_metric, primary_metric
from pipelines.training.score import Scored, rows_digest
from pipelines.training.split import decision_times, inside

EPOCH = date(1970, 1, 1)


class DifferentRows(DataError):  # noqa: N818 - named as the family in core is
    """Predictions were made for other rows than the ones that are judged."""

    code = "different_rows"


class DifferentClasses(DataError):  # noqa: N818 - named as the family in core is
    """Two models do not mean the same by the positive class."""

    code = "different_classes"


@dataclass(frozen=True)
class _LabelledRows:
    """The labelled rows with everything that a comparison needs."""

    rows: pd.DataFrame
    label: Floats
    candidates: tuple[Floats, ...]
    rival: Floats
    entity: Integers
    day: Integers
    strict: bool

    def utilities(self, metric: RowMetric, seed: int = 0) -> tuple[Floats, Floats]:
        """Influence values of a candidate and of the rival on all labelled rows."""
        return (
            metric.utilities(self.label, self.candidates[seed], self.rows),
            metric.utilities(self.label, self.rival, self.rows),
        )

    def within(self, metric: RowMetric, mask: Mask) -> PairedDifference:
        """The paired difference of a metric computed on some of the rows only."""
        label, rows = self.label[mask], self.rows[mask]
        return paired_difference(
            metric.utilities(label, self.candidates[0][mask], rows),
            metric.utilities(label, self.rival[mask], rows),
            self.entity[mask],
            self.day[mask],
            strict=self.strict,
        )


def evaluate(
    spec: ModelSpec,
    window: Window,
    rows: pd.DataFrame,
    *,
    candidates: Sequence[Scored],
    champion: Scored | None,
    naive: Scored,
    refresh: bool = False,
    anchor: tuple[str, Scored] | None = None,
) -> Evaluation:
    """The recent window's comparisons and findings.

    Arguments:
        window: what ``comparison_window`` or ``split_plan`` gave; every row lies in it.
        rows: the frame's rows of the window: keys, decision_time, features and label, which is
            null where none came.
        candidates: predictions of the candidate, then of its refits with the other seeds.
        champion: the champion's predictions; ``None`` when there is no champion yet.
        naive: what stands in for a champion that does not exist: a forecast without a model.
        refresh: the champion's recipe on newer data, in a model that lets refreshes in: when it
            is not shown to be better, it may still be shown not to be worse.
        anchor: version and predictions that a refresh must not fall behind, when that is not the
            champion itself.

    Raises:
        DifferentRows: when predictions were made for other rows.
        DifferentClasses: when the models were trained on different labels.
        DataError: when rows lie outside the window, or a label or denominator cannot be used.
        SpecError: when a guardrail is declared in a way that cannot be computed.
    """
    rival: window_findings.Rival = "naive" if champion is None else "champion"
    other = champion or naive
    others: list[tuple[str, Scored]] = [(rival, other)]
    others += [] if anchor is None else [(f"version {anchor[0]}", anchor[1])]
    digest = _same_rows(spec, window, rows, candidates, others)
    labelled = np.asarray(rows["label"].notna(), dtype=bool)
    arms = _arms(spec, rows, labelled, candidates, other)
    days, entities = len(np.unique(arms.day)), len(np.unique(arms.entity))
    matured = window_findings.maturity(spec, len(rows), int(labelled.sum()), days)
    found: list[Finding] = [matured]
    facts: dict[str, Any] = {
        "window": window,
        "rival": rival,
        "rows_digest": digest,
        "rows": len(rows),
        "labelled": int(labelled.sum()),
        "days": days,
        "entities": entities,
    }
    metric = primary_metric(spec)
    undefined = matured.reason if matured.verdict is not Verdict.PASS else ""
    if not undefined:
        try:
            comparisons = [_comparison(metric, arms)]
        except Undefined as problem:
            undefined = problem.what
    if undefined:
        found.append(window_findings.no_comparison(rival, undefined))
        return Evaluation(**facts, comparisons=(), findings=tuple(found))
    found += _deciding(
        spec,
        arms,
        comparisons[0],
        rival,
        refresh=refresh,
        anchor=None if anchor is None else (anchor[0], anchor[1].predictions[labelled]),
    )
    for guardrail in spec.guardrails:
        guard = guardrail_metric(spec, guardrail)
        try:
            comparisons.append(_comparison(guard, arms))
        except Undefined as problem:
            found.append(window_findings.no_guardrail(guard, problem.what))
        else:
            found.append(window_findings.guardrail(guard, guardrail.margin, comparisons[-1]))
    slices, said = slice_findings(
        (*spec.slices, *undeclared_slices(spec, arms.rows)),
        arms.rows,
        lambda mask: arms.within(metric, mask),
        metric.name,
    )
    gains = _gains(metric, arms)
    found += [
        *said,
        window_findings.seed_noise(spec, [gain.gain for gain in gains], metric.name),
        window_findings.concentration(arms.entity),
    ]
    return Evaluation(
        **facts,
        comparisons=tuple(comparisons),
        slices=slices,
        seeds=gains,
        daily=_daily(metric, arms),
        findings=tuple(found),
    )


def _deciding(
    spec: ModelSpec,
    arms: _LabelledRows,
    comparison: Comparison,
    rival: window_findings.Rival,
    *,
    refresh: bool,
    anchor: tuple[str, Floats] | None,
) -> list[Finding]:
    """What decides about a promotion: being better or, for a refresh, being no worse.

    A refresh that is shown to be better is promoted for that, and becomes an anchor itself.
    Both questions are put to the same try: one is part of the other, so it costs one level.
    """
    better = window_findings.primary(spec, comparison, rival)
    refreshed = refresh and rival == "champion" and better.verdict is not Verdict.PASS
    found = [better.model_copy(update={"blocking": not refreshed})]
    if refreshed:
        found.append(window_findings.refresh(spec, comparison))
        if anchor is not None:
            found.append(_against_anchor(spec, arms, anchor))
    if rival == "champion" and all(f.verdict is Verdict.PASS for f in found if f.blocking):
        corrected = window_findings.corrected_gain(spec, comparison, refreshed=refreshed)
        found += [] if corrected is None else [corrected]
    return found


def _against_anchor(spec: ModelSpec, arms: _LabelledRows, anchor: tuple[str, Floats]) -> Finding:
    version, predictions = anchor
    try:
        comparison = _comparison(primary_metric(spec), replace(arms, rival=predictions))
    except Undefined as problem:
        return window_findings.no_anchor(version, problem.what)
    return window_findings.anchor(spec, comparison, version)


def _same_rows(
    spec: ModelSpec,
    window: Window,
    rows: pd.DataFrame,
    candidates: Sequence[Scored],
    others: Sequence[tuple[str, Scored]],
) -> str:
    outside = int(np.sum(~inside(rows, window)))
    if outside:
        raise DataError(
            "rows lie outside the window that is judged",
            where=spec.name,
            got=f"{outside} of {len(rows)} rows outside {window}",
            wanted="only decision times in the window",
        )
    if not candidates:
        raise DataError("there is no candidate to judge", where=spec.name)
    digest = rows_digest(spec, rows)
    models = [(f"candidate {place}", scored) for place, scored in enumerate(candidates)]
    for name, scored in [*models, *others]:
        if scored.rows_digest != digest or len(scored.predictions) != len(rows):
            raise DifferentRows(
                f"the predictions of {name} were made for other rows",
                where=spec.name,
                got=f"rows {scored.rows_digest[:12]}, {len(scored.predictions)} predictions",
                wanted=f"rows {digest[:12]}, {len(rows)} predictions",
                hint="score every model again on the rows that are judged",
            )
        if scored.classes != candidates[0].classes:
            raise DifferentClasses(
                f"{name} was trained on other classes than the candidate",
                where=spec.name,
                got=f"{list(scored.classes)}",
                wanted=f"{list(candidates[0].classes)}",
                hint="a model whose label changed is a new model: give it another name",
            )
    return digest


def _arms(
    spec: ModelSpec,
    rows: pd.DataFrame,
    labelled: Mask,
    candidates: Sequence[Scored],
    rival: Scored,
) -> _LabelledRows:
    known = rows[labelled]
    label = label_numbers(known["label"], candidates[0].classes)
    return _LabelledRows(
        rows=known.assign(label=label),
        label=label,
        candidates=tuple(scored.predictions[labelled] for scored in candidates),
        rival=rival.predictions[labelled],
        entity=known.groupby(list(spec.points.keys), dropna=False)
        .ngroup()
        .to_numpy()
        .astype(np.int64),
        day=decision_times(known).to_numpy("datetime64[D]").astype(np.int64),
        strict=spec.gates.recent_window.strict,
    )


def _comparison(metric: RowMetric, arms: _LabelledRows) -> Comparison:
    candidate, rival = arms.utilities(metric)
    difference: PairedDifference | None = None
    with contextlib.suppress(NoVariation):
        difference = paired_difference(candidate, rival, arms.entity, arms.day, strict=arms.strict)
    return Comparison(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        candidate=metric.value(candidate),
        rival=metric.value(rival),
        difference=difference,
    )


def _gains(metric: RowMetric, arms: _LabelledRows) -> tuple[SeedGain, ...]:
    gains = []
    for seed in range(len(arms.candidates)):
        candidate, rival = arms.utilities(metric, seed)
        gains.append(SeedGain(index=seed, gain=float((candidate - rival).mean())))
    return tuple(gains)


def _daily(metric: RowMetric, arms: _LabelledRows) -> tuple[DayDifference, ...]:
    candidate, rival = arms.utilities(metric)
    days, code, rows = np.unique(arms.day, return_inverse=True, return_counts=True)
    means = np.bincount(code, weights=candidate - rival) / rows
    return tuple(
        DayDifference(day=EPOCH + timedelta(days=int(at)), rows=int(count), difference=float(mean))
        for at, count, mean in zip(days, rows, means, strict=True)
    )
