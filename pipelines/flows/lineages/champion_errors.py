"""The errors of the champions of two lineages on the same points, week by week."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from pipelines.core.errors import SpecError
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK
from pipelines.flows.frames import window_rows
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.flows.versions import rows_of_version
from pipelines.packaging.version import ModelVersion
from pipelines.release.broken_windows.exclusions import with_exclusions
from pipelines.release.lineage_comparison.comparison import (
    ChampionErrors,
    ComparedWeek,
    LineageComparison,
)
from pipelines.spec.combine import common_spec
from pipelines.spec.model import ModelSpec
from pipelines.stats.undefined import Undefined

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.core.arrays import Floats

SAME, NONE = "the same version", "a lineage has no champion"
NOT_MATURED = "labels have not matured"
NO_LABELS = "no point has a label"
OTHER_MEASURE = "label, metric or keys are declared otherwise than in the first week"


class _Pair(NamedTuple):
    """The champions after a week's decisions, and the points that they are scored on."""

    place: int
    first: ModelVersion
    second: ModelVersion
    window: Window


@dataclass(frozen=True)
class _ScoredWeek:
    """Labelled points with the predictions of both champions."""

    window: Window
    rows: pd.DataFrame
    first: Floats
    second: Floats


def with_errors(
    comparison: LineageComparison, collaborators: RetrainCollaborators
) -> LineageComparison:
    """Score both champions of each week on the points from its instant to the next one.

    The models that serve are scored. A week counts when all its labels have matured. Events are
    read as of the instant at which the last such week had matured, so that a comparison which is
    repeated later gives the same result. All weeks have one label, metric and keys: those of the
    first week that counts.

    Raises:
        IntegrityError: a version is not what was registered.
        DataError: events are missing or contradict their declaration.
        Unavailable: registry or event store does not answer.
    """
    weeks, problems = list(comparison.weeks), dict[int, str]()
    pairs = list(_pairs(comparison, collaborators, problems))
    if pairs:
        as_of = max(pair.window.end + pair.first.plan.maturity for pair in pairs)
        scored = list(_scored(pairs, as_of, collaborators, problems))
        spec = pairs[0].first.spec
        for place, week in scored:
            weeks[place] = weeks[place].model_copy(
                update={"errors": _errors(spec, [week], comparison.level)}
            )
        comparison = comparison.model_copy(
            update={
                "data_as_of": as_of,
                "metric": spec.metric.name.value,
                "total": _errors(spec, [week for _, week in scored], comparison.level),
            }
        )
    for place, problem in problems.items():
        weeks[place] = weeks[place].model_copy(update={"no_errors": problem})
    return comparison.model_copy(update={"weeks": tuple(weeks)})


def _pairs(
    comparison: LineageComparison,
    collaborators: RetrainCollaborators,
    problems: dict[int, str],
) -> Iterator[_Pair]:
    """The weeks that can be scored; why another one cannot goes to ``problems``."""
    versions, model = collaborators.versions, comparison.model
    now, loaded = collaborators.clock.now(), dict[str, ModelVersion]()
    measured: ModelSpec | None = None
    for place, (week, end) in enumerate(_spans(comparison.weeks)):
        one, other = week.champions
        if one is None or other is None:
            problems[place] = NONE
            continue
        if one == other:
            problems[place] = SAME
            continue
        gone = [n for n in (one, other) if n not in loaded and not versions.exists(model, n)]
        if gone:
            problems[place] = f"version {gone[0]} was removed"
            continue
        for number in (one, other):
            if number not in loaded:
                loaded[number] = versions.load(model, number)
        first, second = loaded[one], loaded[other]
        trained = max(first.plan.refit_until, second.plan.refit_until)
        if first.spec.label != second.spec.label:
            problems[place] = "their labels are declared differently"
        elif end + first.plan.maturity > now:
            problems[place] = NOT_MATURED
        elif trained >= end:
            problems[place] = "one of them was trained on these points"
        elif measured is not None and _measure(first.spec) != _measure(measured):
            problems[place] = OTHER_MEASURE
        else:
            measured = measured or first.spec
            yield _Pair(place, first, second, Window(max(week.as_of, trained), end))


def _measure(spec: ModelSpec) -> tuple[object, ...]:
    """What has to be declared alike in weeks that are scored together."""
    metric = spec.metric.model_copy(update={"minimum_effect": 1.0})
    return spec.label, metric.digest, spec.points.keys


def _spans(weeks: Sequence[ComparedWeek]) -> Iterator[tuple[ComparedWeek, datetime]]:
    """Each week, and the instant of the next; the last one is as long as the one before it."""
    span: timedelta = WEEK
    for week, later in pairwise(weeks):
        span = later.as_of - week.as_of
        yield week, later.as_of
    if weeks:
        yield weeks[-1], weeks[-1].as_of + span


def _scored(
    pairs: Sequence[_Pair],
    as_of: datetime,
    collaborators: RetrainCollaborators,
    problems: dict[int, str],
) -> Iterator[tuple[int, _ScoredWeek]]:
    """The points of each week with both predictions, from one frame for each pair of recipes."""
    by_recipes: dict[tuple[str, str], list[_Pair]] = {}
    for pair in pairs:
        recipes = (pair.first.spec.recipe, pair.second.spec.recipe)
        by_recipes.setdefault(recipes, []).append(pair)
    for group in by_recipes.values():
        model = group[0].first
        try:
            common = common_spec(model.spec, group[0].second.spec)
        except SpecError as problem:
            problems |= {pair.place: problem.summary for pair in group}
            continue
        span = Window(group[0].window.start, group[-1].window.end)
        entries = collaborators.ledger.entries(model.model)
        known = with_exclusions(common, entries, as_of)
        collaborators.progress(f"reading the points from {span}")
        events = collaborators.open_events(common)
        snapshot = events.snapshot(common.streams, as_of, keep=False)
        with events.tables(snapshot, common.streams) as tables:
            rows = window_rows(events, known, snapshot, tables, span)
        for pair in group:
            week = _score_week(pair, model.spec, rows[rows["label"].notna()])
            if week is None:
                problems[pair.place] = NO_LABELS
            else:
                yield pair.place, week


def _score_week(pair: _Pair, spec: ModelSpec, labelled: pd.DataFrame) -> _ScoredWeek | None:
    """Both predictions of a week's points; ``None`` if no point has a label."""
    from pipelines.training.score import score
    from pipelines.training.split import inside

    rows = labelled[inside(labelled, pair.window)].reset_index(drop=True)
    if not len(rows):
        return None
    first, second = (
        score(
            version.load_pipeline(), version.spec, rows_of_version(version.spec, spec, rows)
        ).predictions
        for version in (pair.first, pair.second)
    )
    return _ScoredWeek(pair.window, rows, first, second)


def _errors(spec: ModelSpec, weeks: Sequence[_ScoredWeek], level: float) -> ChampionErrors | None:
    """The comparison on the points of some weeks; ``None`` if the metric is not defined there."""
    import numpy as np
    import pandas as pd

    from pipelines.gates.recent_window.comparison import compare_utilities
    from pipelines.training.fit import label_numbers
    from pipelines.training.metrics import primary_metric
    from pipelines.training.row_sets import entity_days

    if not weeks:
        return None
    rows = pd.concat([week.rows for week in weeks], ignore_index=True)
    label, metric = label_numbers(rows["label"], spec.classes), primary_metric(spec)
    rows = rows.assign(label=label)
    try:
        first, second = (
            metric.utilities(label, np.concatenate([getattr(week, name) for week in weeks]), rows)
            for name in ("first", "second")
        )
        values = metric.value(first), metric.value(second)
    except Undefined:
        return None
    interval = None
    try:
        found = compare_utilities(
            metric,
            second,
            first,
            entity_days(spec.points.keys, rows),
            strict=spec.gates.recent_window.strict,
        ).difference
        interval = None if found is None else found.interval(level)
    except Undefined:
        pass
    return ChampionErrors(
        start=weeks[0].window.start,
        end=weeks[-1].window.end,
        points=len(rows),
        first=values[0],
        second=values[1],
        gain=float((second - first).mean()),
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
    )
