"""The champion's predictions on decision points whose labels have matured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.core.errors import SpecError
from pipelines.core.time import Window, utc
from pipelines.core.weeks import WEEK, monday_before, mondays
from pipelines.drift.version_profile import PREDICTION
from pipelines.flows.monitor.segment_answers import SegmentAnswers
from pipelines.flows.versions import rows_of_version, score_version
from pipelines.monitoring.earlier_version import EarlierVersion
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.monitoring.performance import week_performance
from pipelines.monitoring.report import WeekPerformance
from pipelines.packaging.version import ModelVersion
from pipelines.spec.combine import common_spec, other_names
from pipelines.spec.model import ModelSpec
from pipelines.stats.undefined import Undefined
from pipelines.training.split import decision_times, inside

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from pipelines.core.arrays import Floats
    from pipelines.training.score import Scored


@dataclass(frozen=True)
class Outcomes:
    """What matured labels say about the champion.

    Arguments:
        weeks: the metric by week, oldest first: those of the twin until the last label that the
            champion was trained on, then those of the champion.
        earlier: the comparison with the version that it replaced; ``None`` without one.
        fresh: the points after the rows that the champion was fitted on, with its ``prediction``.
        served: those of them that it answers, decided after everything that it was trained on.
        held_out: the twin's recent window.
        by_twin: these, and the points after them whose labels overlap those that the champion was
            trained on.
    """

    weeks: tuple[WeekPerformance, ...]
    earlier: EarlierVersion | None
    fresh: pd.DataFrame
    served: PredictedRows
    held_out: PredictedRows
    by_twin: PredictedRows


def shared_spec(champion: ModelVersion, earlier: ModelVersion | None) -> ModelSpec:
    """The declaration of a frame for both versions; the champion's if they cannot share one."""
    try:
        return common_spec(champion.spec, None if earlier is None else earlier.spec)
    except SpecError:
        return champion.spec


def read_outcomes(
    champion: ModelVersion,
    earlier: ModelVersion | None,
    points_in: Callable[[Window], pd.DataFrame],
    as_of: datetime,
    weeks: int,
    segments: Callable[[Window], SegmentAnswers | None],
) -> Outcomes:
    """Score the weeks that have labels.

    The error of a week is that of what served: points of segments with a champion of their own
    count with its answers. Everything else is about the champion.

    Arguments:
        champion: the version that serves.
        earlier: the version that it replaced.
        points_in: reads the decision points of a window, with the features of ``shared_spec``.
        as_of: the instant of the report.
        weeks: weeks with labels that are scored at most, besides the twin's recent window.
        segments: reads the answers of champions of segments in a window.
    """
    plan = champion.plan
    first = monday_before(as_of - plan.maturity) - weeks * WEEK
    # What updates have learned since the fit is new to the profile of the fit's rows.
    fitted = champion.fitted_until - plan.maturity
    fresh = Window(max(fitted, min(first, as_of)), max(fitted, as_of))
    served = Window(max(plan.refit_until, fresh.start), max(plan.refit_until, as_of))
    rows = points_in(Window(min(plan.recent.start, fresh.start), as_of))
    # Until the last label that the champion was trained on, only the twin has unseen points.
    until = max(plan.recent.end, min(plan.refit_until, as_of))
    unseen = Window(plan.recent.start, until)
    older = rows[inside(rows, unseen)].reset_index(drop=True)
    newer = rows[inside(rows, fresh)].reset_index(drop=True)
    by_twin = PredictedRows(older, score_version(champion, champion.spec, older).predictions)
    scored, deviations = _answers(champion, champion.spec, newer)
    answers, spec = scored.predictions, champion.spec
    predicted = PredictedRows(newer, answers, deviations)
    own, realised, others = inside(newer, served), answers, segments(served)
    if others is not None:
        realised, mine = others.replace_in(newer, answers)
        own = own & mine
    return Outcomes(
        weeks=(
            *(
                week.model_copy(update={"held_out": True, "after_recent": after})
                for span, after in (
                    (plan.recent, False),
                    (Window(monday_before(plan.recent.end), unseen.end), True),
                )
                for week in _by_week(spec, older, by_twin.predictions, span, as_of)
                if week.complete
            ),
            *_by_week(spec, newer, realised, served, as_of),
        ),
        earlier=None if earlier is None else _against(earlier, champion, newer, answers),
        fresh=newer.assign(**{PREDICTION: scored.answers}),
        served=predicted.where(own),
        held_out=by_twin.where(inside(older, plan.recent)),
        by_twin=by_twin,
    )


def _answers(
    version: ModelVersion, champion: ModelSpec, rows: pd.DataFrame
) -> tuple[Scored, Floats | None]:
    """The predictions of the model that serves, and their standard deviations if it has them.

    Arguments:
        version: the champion, or the version that it replaced.
        champion: its declaration, by whose names the columns of the rows are called.
        rows: of the frame that both share.
    """
    from pipelines.training.columns import feature_matrix
    from pipelines.training.score import score
    from pipelines.training.uncertainty import standard_deviations

    own, spec = rows_of_version(version.spec, champion, rows), version.spec
    pipeline = version.load_pipeline()
    deviations = None
    if not spec.classes:
        deviations = standard_deviations(pipeline, feature_matrix(spec, own))
    return score(pipeline, spec, own), deviations


def _by_week(
    spec: ModelSpec, rows: pd.DataFrame, predictions: Floats, span: Window, as_of: datetime
) -> list[WeekPerformance]:
    """The weeks that begin in a span and have labels; rows outside of the span are not there."""
    found = (
        week_performance(spec, rows, predictions, monday, as_of)
        for monday in mondays(span)
        if monday + WEEK <= span.end or span.end == as_of
    )
    return [week for week in found if week is not None]


def _against(
    earlier: ModelVersion,
    champion: ModelVersion,
    rows: pd.DataFrame,
    answers: Floats,
) -> EarlierVersion | None:
    """The comparison on all labelled rows; ``None`` where it is not defined.

    It is not defined either where the two versions cannot share a frame.
    """
    from pipelines.gates.recent_window.comparison import compare_utilities
    from pipelines.training.fit import label_numbers
    from pipelines.training.metrics import primary_metric
    from pipelines.training.row_sets import entity_days

    begin = max(earlier.plan.refit_until, champion.plan.refit_until).replace(tzinfo=None)
    known = rows["label"].notna().to_numpy(bool) & (decision_times(rows) >= begin).to_numpy(bool)
    part, spec = rows[known].reset_index(drop=True), champion.spec
    if not len(part) or not set(other_names(spec, earlier.spec).values()) <= set(rows.columns):
        return None
    metric, label = primary_metric(spec), label_numbers(part["label"], spec.classes)
    try:
        comparison = compare_utilities(
            metric,
            metric.utilities(label, _answers(earlier, spec, part)[0].predictions, part),
            metric.utilities(label, answers[known], part),
            entity_days(spec.points.keys, part),
            strict=spec.gates.recent_window.strict,
        )
    except Undefined:
        return None
    since = utc(decision_times(part).iloc[0].to_pydatetime().replace(tzinfo=UTC))
    return EarlierVersion(earlier.number, comparison, since)
