"""The leak probe: recomputes the features of sampled points from data known at their instant."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa
from ibis import _

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.names import Column, internal
from pipelines.core.records import Record
from pipelines.core.time import EARLIEST, MICROSECOND, Window, epoch_us
from pipelines.core.weeks import WEEK, monday_before
from pipelines.features.decision_points import decision_points
from pipelines.features.engine.interval_join import AT
from pipelines.features.engine.time_grid import instant, micros, span
from pipelines.features.frame import build_frame
from pipelines.features.reach import Reach, reaches, reaches_by_keys, within_reach
from pipelines.spec.features import WindowFeature
from pipelines.spec.fields import ColumnType
from pipelines.spec.frame import FrameSpec
from pipelines.spec.points import OwnRowLabel

Build = Callable[[FrameSpec, Mapping[str, ibis.Table], datetime], ibis.Table]
Point = tuple[Any, ...]

NAME = "availability.leak_probe"
_ROW, _HASH, _REQUESTED = internal("row"), internal("hash"), internal("requested")
_WEEK, _RANK = internal("week"), internal("rank")
PROBE = internal("leak_probe")  # the key that separates the sampled points


class ProbedWeek(Record):
    """What the probe found at the sampled points of a week.

    Arguments:
        points: how many were sampled.
        unequal: how many of them differ.
        differing: an example of each feature that differs.
        missing: an example of a point that production would not have had, or not as often.
    """

    points: int
    unequal: int = 0
    differing: dict[str, str] = {}
    missing: str = ""


def probe_leaks(
    spec: FrameSpec,
    streams: Mapping[str, ibis.Table],
    frame: ibis.Table,
    as_of: datetime,
    *,
    sample: int = 32,
    seed: int = 0,
    build: Build = build_frame,
) -> list[Finding]:
    """Check that the frame's features can be computed from data known at each point's instant.

    Points of each week are sampled, as many of one as of another, and checked by ``probe_weeks``.

    Arguments:
        spec, streams, frame, as_of, seed, build: as for ``probe_weeks``.
        sample: number of points, at least 1; up to one more for each week.

    Returns:
        One finding. If it fails, its reason names the features that differ and shows an example.
    """
    weeks = frame.select(_week(frame).name(_WEEK)).distinct().count().to_pyarrow().as_py()
    each = points_a_week(sample, weeks)
    found = probe_weeks(spec, streams, frame, as_of, each=each, seed=seed, build=build)
    return [leak_finding(list(found.values()))]


def points_a_week(sample: int, weeks: int) -> int:
    """How many points of each week are sampled, so that together they are ``sample`` or more."""
    return -(-sample // max(weeks, 1))


def probe_weeks(
    spec: FrameSpec,
    streams: Mapping[str, ibis.Table],
    frame: ibis.Table,
    as_of: datetime,
    *,
    each: int,
    seed: int = 0,
    build: Build = build_frame,
) -> dict[datetime, ProbedWeek]:
    """Compare sampled points of a frame with what was known at their instants.

    Each sampled point has its own copy of the streams, restricted to rows whose known time is not
    after the point. The columns of an ``own_row`` label are empty until the label is known. All
    copies are built in one pass and separated by an additional key. Each feature then has to equal
    the frame's value exactly; missing equals missing.

    The probe detects features that depend on later rows: an ignored known time, a row replaced by
    a later correction, a statistic over the whole table, or an outcome used before it was known.
    It cannot detect a row that was changed in place before it was ingested.

    Arguments:
        spec: the declaration.
        streams: the streams that the frame was built from.
        frame: rows as returned by ``build``, of all points of the frame or of some weeks.
        as_of: the instant of the run.
        each: number of points of a week, at least 1, chosen by a hash of ``seed`` and the point.
        seed: seed of the sample.
        build: function that builds frames.

    Returns:
        The weeks with points, by their Monday.
    """
    chosen = _sample(spec, frame, each, seed)
    if not chosen:
        return {}
    keys = list(spec.points.keys)
    names = [name for name in spec.feature_names if name not in keys]
    times = [point[-1].replace(tzinfo=UTC) for point in _points(chosen, keys)]
    first, last = min(times), max(times)
    features = replace(spec, label=None)
    near = within_reach(streams, reaches(features), Window(first, last + MICROSECOND))
    probes = _probes(spec, near, chosen, as_of)
    keyed = _with_key(spec)
    # The copies are small and read several times, so cache them after one pass over each stream.
    cut = {name: _cut(spec, name, near[name], probes).cache() for name in reaches(keyed)}
    at = probes.select(PROBE, instant(probes[AT]).name(_REQUESTED)).distinct()
    rebuilt = build(keyed, cut, as_of)
    again = (
        rebuilt.join(at, PROBE)
        .filter(_.decision_time == _[_REQUESTED])
        .select(PROBE, *keys, "decision_time", *names)
    )
    wanted = frame.join(ibis.memtable(chosen), [*keys, "decision_time"], how="semi")
    before = _rows(wanted.select(*keys, "decision_time", *names), keys)
    # A copy may also contain other points of the same keys; compare only its own point.
    number = {point: index for index, point in enumerate(_points(chosen, keys))}
    after: dict[Point, list[Point]] = defaultdict(list)
    for row in again.to_pyarrow().to_pylist():
        point = tuple(row[name] for name in (*keys, "decision_time"))
        if number.get(point) == row[PROBE]:
            after[point].append(tuple(row[name] for name in names))
    weeks: dict[datetime, dict[Point, list[Point]]] = defaultdict(dict)
    for point, rows in before.items():
        weeks[monday_before(point[-1].replace(tzinfo=UTC))][point] = rows
    return {
        monday: _compare(names, keys, points, after) for monday, points in sorted(weeks.items())
    }


def leak_finding(weeks: Sequence[ProbedWeek]) -> Finding:
    """The finding of the probe about all weeks of a frame."""
    points, unequal = (sum(getattr(one, n) for one in weeks) for n in ("points", "unequal"))
    differing: dict[str, str] = {}
    for week in weeks:
        differing = week.differing | differing
    missing = next((week.missing for week in weeks if week.missing), "")
    if not points:
        return _finding(Verdict.NO_DATA, "there is no decision point to probe", 0)
    if differing:
        first = min(differing)
        reason = (
            f"features that use later data than production had: {', '.join(sorted(differing))}; "
            f"for example {first} at {differing[first]}"
        )
    elif missing:
        reason = f"decision points that production would not have had; for example {missing}"
    else:
        reason = f"{points} points have the same features from what was known at their instant"
    return _finding(Verdict.FAIL if unequal else Verdict.PASS, reason, points, unequal)


def _week(frame: ibis.Table) -> Any:
    """The number of a point's week, from Monday to Monday."""
    first = epoch_us(monday_before(EARLIEST))
    return (micros(frame["decision_time"]) - first) // span(WEEK)


def _sample(spec: FrameSpec, frame: ibis.Table, each: int, seed: int) -> pa.Table:
    """Return up to ``each`` distinct points of every week, as keys and decision time."""
    keys = list(spec.points.keys)
    points = frame.filter([_[key].notnull() for key in keys]).select(*keys, "decision_time")
    text: Any = ibis.literal(str(seed))
    for name in (*keys, "decision_time"):
        text = text + "|" + points[name].cast("string")
    hashed = points.mutate(text.hexdigest("md5").name(_HASH), _week(points).name(_WEEK)).distinct()
    by_hash = ibis.window(group_by=_WEEK, order_by=_HASH)
    ranked = hashed.mutate(ibis.row_number().over(by_hash).name(_RANK)).filter(_[_RANK] < each)
    chosen: pa.Table = ranked.order_by([_WEEK, _RANK]).drop(_WEEK, _HASH, _RANK).to_pyarrow()
    return chosen


def _points(chosen: pa.Table, keys: Sequence[Column]) -> list[Point]:
    return [tuple(row[n] for n in (*keys, "decision_time")) for row in chosen.to_pylist()]


def _probes(
    spec: FrameSpec, streams: Mapping[str, ibis.Table], chosen: pa.Table, as_of: datetime
) -> ibis.Table:
    """Return the sampled points with their number, instant and all keys of their features."""
    keys = list(spec.points.keys)
    by = {key for feature in spec.window_features for key in feature.by}
    numbered = chosen.append_column(PROBE, pa.array(range(chosen.num_rows), pa.int64()))
    sampled = ibis.memtable(numbered)
    sampled = sampled.mutate(**{AT: micros(sampled["decision_time"])}).drop("decision_time")
    extra = sorted(by - set(keys))
    if not extra:
        return sampled
    # Only event points have columns other than their keys, and event points need no grid cells.
    points = decision_points(spec, streams, {}, as_of).select(*keys, AT, *extra)
    return sampled.join(points, [*keys, AT]).distinct()


def _cut(spec: FrameSpec, name: str, table: ibis.Table, probes: ibis.Table) -> ibis.Table:
    """Return the rows of a stream for each probe: known in time, recent enough, and of its keys.

    They have the columns that the frame reads.
    """
    read = {"event_time", "known_time", *spec.columns_read()[name]}
    declared = [column for column in table.columns if column in read]
    table = table.select(declared)
    reach = reaches(spec).get(name, Reach())
    spans = _longest_spans(reaches_by_keys(spec).get(name, {}))
    shared = frozenset.intersection(*spans) if spans else frozenset[Column]()
    columns = sorted(frozenset[Column]().union(*spans))
    requested = probes.select(PROBE, AT, *columns).distinct()
    requested = requested.rename({f"probe:{column}": column for column in (AT, *columns)})
    # A probe of event points may have several values of a column that is not in the points' key.
    often = len(spans) > 1 and not {*columns} <= {*spec.points.keys}
    if often:
        table = table.mutate(**{_ROW: ibis.row_number()})

    def same(keys: Iterable[Column]) -> list[Any]:
        return [table[key] == requested[f"probe:{key}"] for key in sorted(keys)]

    def young(span_before: timedelta) -> Any:
        found = micros(table["event_time"]) >= requested[f"probe:{AT}"] - span(span_before)
        if reach.own:  # the point's own row may have an event time before any window
            return found | (micros(table["known_time"]) == requested[f"probe:{AT}"])
        return found

    known = micros(table["known_time"]) <= requested[f"probe:{AT}"]
    of_keys = [ibis.and_(*same(keys - shared), young(before)) for keys, before in spans.items()]
    cut = table.join(requested, [*same(shared), known, ibis.or_(*of_keys)])
    if often:  # keep a row once even if it matches a probe several times
        cut = cut.select(*table.columns, PROBE, f"probe:{AT}").distinct().drop(_ROW)
    label = spec.label
    if reach.own and isinstance(label, OwnRowLabel):
        known_label = micros(cut[label.known_at]) <= cut[f"probe:{AT}"]
        cut = cut.mutate(
            **{
                label.column: ibis.ifelse(known_label, cut[label.column], None),
                label.known_at: ibis.ifelse(known_label, cut[label.known_at], None),
            }
        )
    return cut.select(*declared, PROBE)


def _longest_spans(
    spans: Mapping[frozenset[Column], timedelta],
) -> dict[frozenset[Column], timedelta]:
    """How far back each set of keys is read, without sets whose rows another one reads as well."""
    return {
        keys: before
        for keys, before in spans.items()
        if not any(other < keys and spans[other] >= before for other in spans)
    }


def _with_key(spec: FrameSpec) -> FrameSpec:
    """Return the declaration with the number of the probe as an additional column and key.

    It has no label: only features are compared.
    """
    streams = {
        name: stream.model_copy(update={"columns": {**stream.columns, PROBE: ColumnType.INTEGER}})
        for name, stream in spec.streams.items()
    }
    features = tuple(
        feature.model_copy(update={"by": (*feature.by, PROBE)})
        if isinstance(feature, WindowFeature)
        else feature
        for feature in spec.features
    )
    # The keys are part of a view's name, so the settings of the views move to the new names.
    serving = spec.serving and spec.serving.model_copy(
        update={
            "views": {
                with_key.view: spec.serving.of(feature.view)
                for feature, with_key in zip(spec.features, features, strict=True)
                if isinstance(feature, WindowFeature) and isinstance(with_key, WindowFeature)
            }
        }
    )
    points = spec.points.model_copy(update={"keys": (*spec.points.keys, PROBE)})
    return FrameSpec(streams=streams, points=points, label=None, features=features, serving=serving)


def _rows(table: ibis.Table, keys: Sequence[Column]) -> dict[Point, list[Point]]:
    rows: dict[Point, list[Point]] = defaultdict(list)
    width = len(keys) + 1
    for row in table.to_pyarrow().to_pylist():
        values = tuple(row.values())
        rows[values[:width]].append(values[width:])
    return rows


def _compare(
    names: Sequence[str],
    keys: Sequence[Column],
    before: Mapping[Point, list[Point]],
    after: Mapping[Point, list[Point]],
) -> ProbedWeek:
    differing: dict[str, str] = {}
    gone: list[str] = []
    unequal = 0
    for point, rows in sorted(before.items(), key=lambda item: str(item[0])):
        place = ", ".join(f"{k}={v}" for k, v in zip((*keys, "decision_time"), point, strict=True))
        again = after.get(point, [])
        if len(again) != len(rows):
            gone.append(f"{place}: {len(rows)} rows in the frame, {len(again)} from what was known")
        pairs = zip(_sorted(rows), _sorted(again), strict=False)
        found = [
            (n, a, b) for x, y in pairs for n, a, b in zip(names, x, y, strict=True) if _other(a, b)
        ]
        for name, was, now in found:
            differing.setdefault(
                name, f"{place}: {was!r} in the frame, {now!r} from what was known"
            )
        unequal += bool(found) or len(again) != len(rows)
    return ProbedWeek(
        points=len(before), unequal=unequal, differing=differing, missing=next(iter(gone), "")
    )


def _sorted(rows: Sequence[Point]) -> list[Point]:
    return sorted(rows, key=lambda row: tuple(map(str, row)))


def _other(one: Any, two: Any) -> bool:
    both_nan = all(isinstance(value, float) and math.isnan(value) for value in (one, two))
    return not both_nan and one != two


def _finding(verdict: Verdict, reason: str, rows: int, unequal: int | None = None) -> Finding:
    return make_finding(
        NAME,
        verdict,
        reason,
        Measurement(value=unequal, threshold=0, unit="points that differ", rows=rows),
    )
