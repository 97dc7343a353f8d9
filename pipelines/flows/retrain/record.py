"""Scores the weeks that have matured since the last record, and judges a refresh by all weeks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK
from pipelines.flows.frames import FRAME, read_points, read_rows
from pipelines.flows.replay import replay
from pipelines.flows.retrain.earlier.held_back import with_holdbacks
from pipelines.flows.retrain.earlier.kept_versions import (
    KeptVersion,
    KeptVersions,
    kept_versions,
    readable,
)
from pipelines.flows.retrain.run import Run
from pipelines.flows.versions import rows_of_version
from pipelines.gates.recent_window.record import Evaluation
from pipelines.gates.recent_window.replay import replay_findings
from pipelines.gates.refresh.findings import (
    TwinComparison,
    refresh_findings,
    restored_by_stop,
    stop_finding,
)
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord, known_weeks, week_window
from pipelines.gates.refresh.refit_gain import refit_gain, refit_gain_finding
from pipelines.gates.refresh.state import (
    ChampionPeriod,
    RefreshCase,
    RefreshState,
    ReplacedAccount,
    refresh_state,
)
from pipelines.packaging.scoring import scoring_pipeline
from pipelines.packaging.version import EVALUATION, RECORD, ModelVersion, read_record
from pipelines.release.champion_periods import (
    champion_periods,
    last_answer,
    unanswered_stops,
)
from pipelines.release.ledger import Entry
from pipelines.release.lineages import verified_history
from pipelines.spec.model import ModelSpec
from pipelines.stats.undefined import Undefined
from pipelines.training.split import SplitPlan, twin_lag

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.core.arrays import Floats


class RecordResult(Record):
    """The recipe's record up to this run, the findings about a refresh, and the stop-loss."""

    record: RefreshRecord
    state: RefreshState | None = Field(
        default=None, description="None: the candidate is no refresh"
    )
    findings: tuple[Finding, ...] = ()
    restored: ReplacedAccount | None = Field(
        default=None, description="of the version that the stop-loss restores"
    )


@dataclass(frozen=True)
class _WeekRows:
    """The labelled points of one week, which every candidate of the recipe is scored on.

    Arguments:
        start: the week's Monday.
        rows: its points.
        matrix: their features, as all models of the recipe take them.
        label: their labels as numbers, float64 (n,).
    """

    start: date
    rows: pd.DataFrame
    matrix: pd.DataFrame
    label: Floats

    @property
    def window(self) -> Window:
        """The week as a window of decision times."""
        return week_window(self.start)

    def recorded(
        self, spec: ModelSpec, losses: dict[datetime, float], naive: float | None
    ) -> RecordedWeek:
        """The week in a record, with the losses of candidates by their as-of."""
        from pipelines.training.score import rows_digest

        return RecordedWeek(
            start=self.start,
            points=len(self.rows),
            rows_digest=rows_digest(spec, self.rows),
            losses=losses,
            naive=naive,
        )


def record_weeks(run: Run, evaluation: Evaluation) -> RecordResult:
    """Extend the record of the candidate's recipe; the result is ``record.json``.

    Each week that has matured since the last record is scored with all candidates of the recipe
    that were trained before it: those of the last ``gates.refresh.span`` weeks, promoted or not,
    the champion, and versions that were replaced within ``gates.refresh.watch``. For a refresh,
    the record then gives the findings of the gate. For any other candidate, the champion's recipe
    is scored in the same way, for the stop-loss. Without a champion, and for the first refresh of
    a changed recipe, past weeks are replayed once.

    Arguments:
        run: the opened run; its frame has been written.
        evaluation: of the candidate's twin against the champion's.
    """
    return run.workspace.once("record", RecordResult, lambda: _record(run, evaluation))


def _record(run: Run, evaluation: Evaluation) -> RecordResult:
    request = run.request
    entries = [
        entry
        for entry in verified_history(request.model, run.collaborators.ledger, request.lineage)
        if entry.as_of <= request.as_of
    ]
    record, periods = _of_recipe(run, run.spec, entries)
    if run.champion is None:
        record = _with_replay(run, record)
        findings = replay_findings(run.spec, request.as_of, record, evaluation)
        return RecordResult(record=record, findings=findings)
    if run.lane == "refresh" and periods:
        gate = run.spec.gates.refresh
        if len(record.slopes(gate.span)[0]) < gate.least:
            record = _with_replay(run, record)
        return _judged(run.spec, run.plan, record, periods, entries, evaluation)
    champion = run.champion
    if champion.spec.label != run.spec.label:
        return RecordResult(record=record)
    served = record
    if champion.spec.recipe != run.spec.recipe:
        served, periods = _of_recipe(run, champion.spec, entries)
    if not periods:
        return RecordResult(record=record)
    gate = run.spec.gates.refresh
    state = refresh_state(gate, _case(run.spec, run.plan, served, periods, entries))
    shown = stop_finding(gate, state).model_copy(update={"blocking": False})
    return RecordResult(record=record, findings=(shown,), restored=restored_by_stop(gate, state))


def _with_replay(run: Run, record: RefreshRecord) -> RefreshRecord:
    """The record with replayed weeks, unless an earlier run of this recipe replayed them.

    A recipe that replaced another one has candidates of one age only: its past weeks are replayed
    as for a first version, so that its refreshes begin with a known cost of age.
    """
    if any(week.naive is not None for week in record.weeks):
        return record
    replayed = replay(run)
    if replayed is None:
        return record
    from pipelines.flows.retrain.earlier.predictions import keep_replayed  # loads pandas

    keep_replayed(run, replayed)
    return record.with_weeks({week.start: week for week in replayed.record.weeks})


def _of_recipe(
    run: Run, spec: ModelSpec, entries: Sequence[Entry]
) -> tuple[RefreshRecord, tuple[ChampionPeriod, ...]]:
    """The record of a declaration's recipe up to this run, and when its versions were champion."""
    versions = kept_versions(run, spec, entries)
    trained = {kept.info.version: kept.trained_until for kept in versions.versions}
    periods = champion_periods(entries, trained)
    record = _grown(run, spec, versions, periods)
    return with_holdbacks(run, record, versions, entries), periods


def judge_again(version: ModelVersion, entry: Entry, chain: Sequence[Entry]) -> tuple[Finding, ...]:
    """The findings from a record once more, by the record and evaluation inside its version.

    Arguments:
        version: the candidate.
        entry: its decision.
        chain: the history of the lineage, oldest first.

    Raises:
        OSError, ValueError: the version has no record, or it cannot be read.
    """
    spec, folder = version.spec, version.folder
    before = [e for e in chain[: chain.index(entry)] if e.as_of <= entry.as_of]
    trained = {
        e.candidate: e.trained.refit
        for e in before
        if e.candidate and e.trained and spec.has_recipe(e.recipe)
    }
    record = read_record(folder, RECORD, RefreshRecord)
    evaluation = read_record(folder, EVALUATION, Evaluation)
    if evaluation.baseline == "naive_forecast":
        return replay_findings(spec, version.plan.as_of, record, evaluation)
    periods = champion_periods(before, trained)
    return _judged(spec, version.plan, record, periods, before, evaluation).findings


def _judged(
    spec: ModelSpec,
    plan: SplitPlan,
    record: RefreshRecord,
    periods: tuple[ChampionPeriod, ...],
    entries: Sequence[Entry],
    evaluation: Evaluation,
) -> RecordResult:
    gate, primary = spec.gates.refresh, evaluation.primary
    state = refresh_state(gate, _case(spec, plan, record, periods, entries))
    twins = None
    if primary is not None:
        difference = primary.difference
        twins = TwinComparison(primary.gain, None if difference is None else difference.p_value)
    unit = spec.metric.name.value
    findings = (
        *refresh_findings(gate, unit, state, twins),
        refit_gain_finding(gate, unit, refit_gain(record, twin_lag(spec))),
    )
    return RecordResult(
        record=record, state=state, findings=findings, restored=restored_by_stop(gate, state)
    )


def _case(
    spec: ModelSpec,
    plan: SplitPlan,
    record: RefreshRecord,
    periods: tuple[ChampionPeriod, ...],
    entries: Sequence[Entry],
) -> RefreshCase:
    return RefreshCase(
        record=record,
        now=plan.as_of,
        candidate=plan.refit_until,
        periods=periods,
        stops=unanswered_stops(entries),
        minimum_effect=spec.metric.minimum_effect,
        answered=last_answer(entries),
    )


def _grown(
    run: Run, spec: ModelSpec, versions: KeptVersions, periods: Sequence[ChampionPeriod]
) -> RefreshRecord:
    """The newest record of a recipe with the weeks that have matured since."""
    from pipelines.training.score import predict

    record = versions.newest_record(run)
    if not versions.versions:
        return record
    first = versions.versions[0].trained_until
    after = record.weeks[-1].window.end if record.weeks else first
    begin = max(after, run.plan.train.start)  # the frame has no earlier rows
    weeks = known_weeks(begin, run.request.as_of, run.spec.maturity)
    if not weeks:
        return record
    span = Window(week_window(weeks[0]).start, week_window(weeks[-1]).end)
    rows = read_rows(run.spec, run.workspace.path(FRAME), span)
    rows = rows[rows["label"].notna()]
    run.collaborators.progress(f"scoring {len(rows):,} points with earlier candidates")
    labelled = [part for week in weeks if len((part := _week_rows(run, spec, rows, week)).rows)]
    losses: dict[date, dict[datetime, float]] = {week.start: {} for week in labelled}
    for kept in _wanted(run, versions, periods, span):
        later = [week for week in labelled if week.window.start >= kept.trained_until]
        for version in readable(versions, kept, run) if later else ():
            pipeline = scoring_pipeline(version.folder)
            for week in later:
                loss = _mean_loss(run.spec, predict(pipeline, run.spec, week.matrix), week)
                if loss is not None:
                    losses[week.start][kept.trained_until] = loss
    return record.with_weeks(
        {
            week.start: week.recorded(run.spec, found, _naive_loss(run, week, max(found)))
            for week in labelled
            if (found := losses[week.start])
        }
    )


def _wanted(
    run: Run, versions: KeptVersions, periods: Sequence[ChampionPeriod], span: Window
) -> list[KeptVersion]:
    """The versions to score: of the last weeks, champions, and versions that are still watched."""
    gate = run.spec.gates.refresh
    oldest, watched = span.start - gate.span * WEEK, run.request.as_of - gate.watch
    champions = {
        period.version
        for place, period in enumerate(periods)
        if place + 1 == len(periods) or periods[place + 1].since > watched
    }
    return [
        kept
        for kept in versions.versions
        if kept.trained_until >= oldest or kept.info.version in champions
    ]


def _week_rows(run: Run, spec: ModelSpec, rows: pd.DataFrame, week: date) -> _WeekRows:
    from pipelines.training.columns import feature_matrix
    from pipelines.training.fit import label_numbers
    from pipelines.training.split import inside

    own = rows[inside(rows, week_window(week))].reset_index(drop=True)
    matrix = feature_matrix(spec, rows_of_version(spec, run.spec, own))
    return _WeekRows(week, own, matrix, label_numbers(own["label"], run.spec.classes))


def _mean_loss(spec: ModelSpec, predicted: Floats, week: _WeekRows) -> float | None:
    """The mean loss of predictions in a week; ``None`` if the metric is not defined for it."""
    from pipelines.training.metrics import primary_metric

    rows = week.rows.assign(label=week.label)
    try:
        return 0.0 - float(primary_metric(spec).utilities(week.label, predicted, rows).mean())
    except Undefined:
        return None


def _naive_loss(run: Run, week: _WeekRows, trained_until: datetime) -> float | None:
    """The loss of the naive forecast with the training rows of a candidate.

    ``None`` where a champion makes it needless, if the frame does not reach back to these rows, or
    if the metric is not defined.
    """
    from pipelines.training.baseline import baseline_predictions

    spec, end = run.spec, trained_until - run.spec.maturity
    train = Window(end - spec.split.train, end)
    if run.champion is not None or train.start < run.plan.train.start:
        return None
    known = read_points(spec, run.workspace.path(FRAME), train)
    return (
        _mean_loss(spec, baseline_predictions(spec, known, week.rows), week) if len(known) else None
    )
