"""Rows of live metrics by entity and day, from the log, matured labels and business events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.core.arrays import Floats, Integers, Mask
from pipelines.core.time import utc
from pipelines.data.reader import EventReader
from pipelines.outcomes.events import (
    CODE,
    COUNT,
    DAY,
    DAY_OF,
    LATE,
    TOTAL,
    MetricEvents,
    measure_events,
    outcome_events,
    sum_by_day,
)
from pipelines.outcomes.log import NO_DAY, EntityLog
from pipelines.outcomes.metric_rows import MetricRows
from pipelines.spec.frame import FrameSpec
from pipelines.spec.live_metrics import ERROR_SHARE, LATENCY, OF_THE_LOG
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import OwnRowLabel
from pipelines.spec.rollout import LiveMeasure, Rollout
from pipelines.spec.training import Metric

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from pipelines.training.metrics import RowMetric


@dataclass(frozen=True)
class MetricSource:
    """The data that live metrics are computed from.

    Arguments:
        spec: the declaration of the challenger.
        rollout: its rollout.
        tables: the streams that the metrics need, as known at ``as_of``.
        as_of: the instant that the metrics refer to.
        versions: version numbers of the challenger arm and of the control arm.
        classes: labels of a classifier; empty for a regression.
    """

    spec: ModelSpec
    rollout: Rollout
    tables: Mapping[str, ibis.Table]
    as_of: datetime
    versions: tuple[str, str]
    classes: tuple[str, ...] = ()

    def metric_rows(
        self, name: str, log: EntityLog, meant: Any, began: datetime, end: datetime
    ) -> MetricRows:
        """Return the rows of one live metric.

        Arguments:
            name: name of the live metric.
            log: the answers in the arms.
            meant: version assigned to each row's arm, shape (rows,).
            began: start of day 0.
            end: end of the period; business measures include the days that end by then.
        """
        if name in self.rollout.measures:
            return self._measure_rows(self.rollout.measures[name], log, began, end)
        rows, days = log.rows, log.days(began)
        matured = np.ones(len(rows), np.bool_)
        if name == LATENCY:
            value = rows["latency_ms"].to_numpy(np.float64)
        elif name == ERROR_SHARE:
            value = (rows["version"].to_numpy(object) != meant).astype(np.float64)
        else:
            value, matured = self.losses(name, log)
        code = rows["code"].to_numpy(np.int64)
        return MetricRows(code, days, value, matured, np.ones(len(rows)))

    def losses(self, name: str, log: EntityLog) -> tuple[Floats, Mask]:
        """Return the loss of each answer, NaN without a label, and whether its label matured."""
        labels = self._labels(log)
        matured = labels["matured_at"].to_numpy("datetime64[us]") <= _naive_utc(self.as_of)
        known = np.asarray(matured & labels["label"].notna().to_numpy())
        value = np.full(len(log.rows), np.nan)
        if known.any():
            value[known] = self._loss(name, log, labels, known)
        return value, np.asarray(matured, np.bool_)

    def pre_period(self, name: str, log: EntityLog, began: datetime, length: timedelta) -> Floats:
        """Return the mean of a metric for each entity before the rollout, by code.

        A label counts only if its whole horizon lies before ``began``: later events may depend on
        the arms.

        Arguments:
            name: name of the live metric.
            log: all answers that were returned to callers in the period.
            began: end of the period.
            length: length of the period.

        Returns:
            Means by entity code; NaN for an entity without a value.
        """
        many = len(log.entities)
        start = began - length
        if name in self.rollout.measures:
            everybody = np.arange(many, dtype=np.int64)
            first = np.zeros(many, np.int64)
            measure = self.rollout.measures[name]
            found = self._daily_rows(measure, log.entities, everybody, first, start, began)
            return _entity_means(found, many)
        before = log.within(start, began - (self._horizon if name not in OF_THE_LOG else DAY * 0))
        meant = np.full(len(before.rows), self.versions[1], object)
        return _entity_means(self.metric_rows(name, before, meant, start, began), many)

    @property
    def _horizon(self) -> timedelta:
        return self.spec.label.horizon

    def _loss(self, name: str, log: EntityLog, labels: pd.DataFrame, known: Mask) -> Floats:
        from pipelines.training.fit import label_numbers

        measure = loss_measure(self.spec, name)
        rows = labels[known]
        if measure.denominator not in (None, "label"):
            served = [json.loads(text) for text in log.rows["features"].to_numpy(object)[known]]
            rows = rows.copy(deep=False)
            rows[measure.denominator] = [one.get(measure.denominator) for one in served]
        numbers = label_numbers(rows["label"], self.classes)
        predictions = log.rows["prediction"].to_numpy(np.float64)[known]
        return 0.0 - measure.utilities(numbers, predictions, rows)

    def _labels(self, log: EntityLog) -> pd.DataFrame:
        """Return ``label`` and ``matured_at`` of each row, in the order of the rows."""
        import ibis

        from pipelines.features.request_frame import logged_frame

        keys = list(self.spec.points.keys)
        requested = log.entities.iloc[log.rows["code"].to_numpy()].reset_index(drop=True)
        requested["decision_time"] = log.rows["event_time"].to_numpy("datetime64[us]")
        if not len(requested):
            return requested.assign(label=[], matured_at=np.array([], "datetime64[us]"))
        bare = without_features(self.spec)
        tables = {name: self.tables[name] for name in bare.streams}
        requests = ibis.memtable(requested.drop_duplicates())
        found = logged_frame(bare, tables, requests, self.as_of).to_pandas()
        found["decision_time"] = found["decision_time"].astype("datetime64[us]")
        # Decision points may coincide; their labels are the same.
        found = found.drop_duplicates([*keys, "decision_time"])
        return requested.merge(found, on=[*keys, "decision_time"], how="left", sort=False)

    def late_ratio(self, log: EntityLog, began: datetime, end: datetime) -> MetricRows | None:
        """Return the share of late events among the events that the outcome is computed from.

        Each row is a ratio for one entity and day: events known after their delay over all events.
        The day on which an entity enters its arm is left out.

        Returns:
            The rows, or None if the outcome is not computed from events.
        """
        events = outcome_events(self.spec, self.rollout)
        if events is None:
            return None
        entered = log.enrolment_day(began)
        found = self._daily_sums(events, log.entities, began, end)
        code, day = (found[name].to_numpy(np.int64) for name in (CODE, DAY_OF))
        mine = day > entered[code]
        late, count = (found[name].to_numpy(np.float64)[mine] for name in (LATE, COUNT))
        return MetricRows(code[mine], day[mine], late, np.ones(len(late), np.bool_), count)

    def _measure_rows(
        self, measure: LiveMeasure, log: EntityLog, began: datetime, end: datetime
    ) -> MetricRows:
        """Return one row per entity and day, from the day on which the entity entered its arm.

        The whole of that first day counts.
        """
        entered = log.enrolment_day(began)
        codes = np.flatnonzero(entered < NO_DAY).astype(np.int64)
        return self._daily_rows(measure, log.entities, codes, entered[codes], began, end)

    def _daily_rows(
        self,
        measure: LiveMeasure,
        entities: pd.DataFrame,
        codes: Integers,
        entered: Integers,
        began: datetime,
        end: datetime,
    ) -> MetricRows:
        import pandas as pd

        last = int((utc(end) - utc(began)) // DAY)  # number of complete days
        spans = np.maximum(last - entered, 0)
        grid = pd.DataFrame(
            {
                CODE: np.repeat(codes, spans),
                DAY_OF: np.concatenate([np.arange(0), *(np.arange(one, last) for one in entered)]),
            }
        ).astype("int64")
        sums = self._daily_sums(measure_events(self.spec, measure), entities, began, end)
        found = grid.merge(sums[[CODE, DAY_OF, TOTAL, COUNT]], on=[CODE, DAY_OF], how="left")
        total, count = (found[name].fillna(0.0).to_numpy(np.float64) for name in (TOTAL, COUNT))
        day = found[DAY_OF].to_numpy(np.int64)
        over = _naive_utc(began) + (day + 1) * np.timedelta64(DAY) + np.timedelta64(measure.delay)
        matured = np.asarray(over <= _naive_utc(self.as_of), np.bool_)
        mean = measure.aggregate == "mean"
        value = np.where(matured, count if measure.aggregate == "count" else total, np.nan)
        there = count > 0 if mean else np.ones(len(found), np.bool_)
        weight = count if mean else np.ones(len(found))
        return MetricRows(
            found[CODE].to_numpy(np.int64)[there],
            day[there],
            value[there],
            matured[there],
            weight[there],
        )

    def _daily_sums(
        self, events: MetricEvents, entities: pd.DataFrame, began: datetime, end: datetime
    ) -> pd.DataFrame:
        """Sum the events of the given entities by their code and day."""
        from pipelines.features.frame import as_known

        table = as_known(self.tables[events.stream], self.as_of)
        sums = sum_by_day(events, self.spec, table, began, end)
        return sums.merge(
            entities.assign(**{CODE: np.arange(len(entities))}),
            on=list(events.key_columns),
            how="inner",
        )


@contextmanager
def open_metric_source(
    events: EventReader,
    spec: ModelSpec,
    as_of: datetime,
    versions: tuple[str, str],
    names: tuple[str, ...],
    classes: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
) -> Iterator[MetricSource]:
    """Open the data for some live metrics of a version, as a context manager.

    Arguments:
        events: reader of the streams.
        spec: the declaration of the challenger; it must have a rollout.
        as_of: the instant that the metrics refer to.
        versions: version numbers of the challenger arm and of the control arm.
        names: names of the metrics.
        classes: labels of a classifier; empty for a regression.
        also: further streams to open.

    Raises:
        ValueError: the declaration has no rollout.
    """
    if spec.rollout is None:
        raise ValueError("the declaration has no rollout")
    measured = {one.stream for name, one in spec.rollout.measures.items() if name in names}
    labelled = any(name not in (*OF_THE_LOG, *spec.rollout.measures) for name in names)
    wanted = measured | set(also) | (set(without_features(spec).streams) if labelled else set())
    needed = {name: spec.streams[name] for name in sorted(wanted)}
    about = (spec, spec.rollout)
    if not wanted:
        yield MetricSource(*about, {}, as_of, versions, classes)
        return
    with events.tables(events.snapshot(needed, as_of), needed) as tables:
        yield MetricSource(*about, tables, as_of, versions, classes)


def without_features(spec: ModelSpec) -> FrameSpec:
    """Return a frame of the model's decision points and labels only, with their streams."""
    wanted = {spec.points.stream}
    if not isinstance(spec.label, OwnRowLabel):
        wanted.add(spec.label.stream)
    streams = {name: spec.streams[name] for name in sorted(wanted)}
    return FrameSpec(streams, spec.points, spec.label, features=())


def loss_measure(spec: ModelSpec, name: str) -> RowMetric:
    """Return a per-row metric with the parameters that the model declares for it."""
    from pipelines.training.metrics import RowMetric, guardrail_metric, primary_metric

    metric = Metric(name)
    if spec.metric.name is metric:
        return primary_metric(spec)
    guards = [guard for guard in spec.guardrails if guard.name is metric]
    return guardrail_metric(spec, guards[0]) if guards else RowMetric(metric)


def _entity_means(found: MetricRows, many: int) -> Floats:
    """Return the sum of values over the sum of weights for each entity, by code."""
    if found.weight is None:
        raise ValueError("the metric has no weights")
    usable = found.matured & ~np.isnan(found.value)
    total = np.bincount(found.entity[usable], found.value[usable], many)
    weight = np.bincount(found.entity[usable], found.weight[usable], many)
    return np.asarray(np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan))


def _naive_utc(value: datetime) -> np.datetime64:
    return np.datetime64(utc(value).replace(tzinfo=None), "us")
