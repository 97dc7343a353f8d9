"""Prometheus metrics of the newest monitoring reports: gauges of the service, and a textfile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipelines.core.errors import FormatError, Unavailable
from pipelines.core.weeks import WEEK

if TYPE_CHECKING:
    from pipelines.monitoring.report import MonitorReport

log = logging.getLogger(__name__)

Sample = tuple[tuple[str, ...], float | None]


class ReportGauges(Collector):
    """Gauges of the newest report of each model, read at each scrape.

    Arguments:
        newest: gives the reports.
    """

    def __init__(self, newest: Callable[[], Iterable[MonitorReport]]) -> None:
        self._newest = newest

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges; values that are unknown are left out."""
        reports = list(self._newest())
        for name, description, labels, samples in _GAUGES:
            gauge = GaugeMetricFamily(
                f"gauntlet_monitor_{name}", description, labels=["model", *labels]
            )
            for report in reports:
                for values, value in samples(report):
                    if value is not None:
                        gauge.add_metric([report.model, *values], value)
            yield gauge


def newest_reports(folder: Path, models: Iterable[str]) -> Iterator[MonitorReport]:
    """The newest report of each model that has a readable one; a scrape does not fail for others.

    Arguments:
        folder: where monitoring writes its reports.
        models: their names.
    """
    from pipelines.flows.monitor.newest import newest_report

    for model in models:
        try:
            report = newest_report(folder, model)
        except (FormatError, OSError, ValueError) as error:
            log.warning("the newest monitoring report of %s cannot be read: %s", model, error)
        else:
            if report is not None:
                yield report


def write_textfile(path: Path, report: MonitorReport) -> None:
    """Write the gauges of a report for the textfile collector of Prometheus's node exporter.

    The file is replaced in one rename, so the collector never reads a part of it.

    Raises:
        Unavailable: the file cannot be written.
    """
    registry = CollectorRegistry()
    registry.register(ReportGauges(lambda: [report]))
    try:
        write_to_textfile(str(path), registry)
    except OSError as cause:
        raise Unavailable(
            "the metrics of a report cannot be written",
            where=str(path),
            got=cause.strerror or str(cause),
            wanted="a path in a folder that this account may write",
        ) from cause


def _health(report: MonitorReport) -> Iterator[Sample]:
    from pipelines.monitoring.report import Health

    for health in get_args(Health):
        yield (report.version, health), float(report.health == health)


def _as_of(report: MonitorReport) -> Iterator[Sample]:
    yield (), report.as_of.timestamp()


def _alarms(report: MonitorReport) -> Iterator[Sample]:
    yield (), float(len(report.alarms))


def _sizes(report: MonitorReport) -> Iterator[Sample]:
    for alarm in report.alarms:
        yield (alarm.name, alarm.cause.value, alarm.unit), alarm.size


def _costs(report: MonitorReport) -> Iterator[Sample]:
    for alarm in report.alarms:
        yield (alarm.name, alarm.cause.value, report.performance.metric), alarm.cost


def _age(report: MonitorReport) -> Iterator[Sample]:
    yield (), report.age.weeks * WEEK.total_seconds()


def _performance(report: MonitorReport) -> Iterator[Sample]:
    complete = [week for week in report.performance.weeks if week.complete]
    if complete:
        yield (report.performance.metric,), complete[-1].value


def _bound(report: MonitorReport) -> Iterator[Sample]:
    yield (report.performance.metric,), report.performance.bound


def _label_delay(report: MonitorReport) -> Iterator[Sample]:
    complete = [week for week in report.performance.weeks if week.complete]
    if complete:
        start = datetime.combine(complete[-1].start, datetime.min.time(), UTC)
        yield (), (report.as_of - start - WEEK).total_seconds()


def _silence(report: MonitorReport) -> Iterator[Sample]:
    for arrival in report.arrivals:
        yield (arrival.stream,), arrival.silent_for_s


def _ranges(report: MonitorReport) -> Iterator[Sample]:
    for part in report.ranges:
        if part.weeks:
            yield (part.source,), part.weeks[-1].share


_GAUGES: tuple[
    tuple[str, str, tuple[str, ...], Callable[[MonitorReport], Iterator[Sample]]], ...
] = (
    ("health", "1 for the health of the champion.", ("version", "health"), _health),
    ("as_of_seconds", "As-of of the newest report, in Unix time.", (), _as_of),
    ("alarms", "Alarms in the newest report.", (), _alarms),
    ("alarm_size", "Size of an alarm.", ("alarm", "cause", "unit"), _sizes),
    ("alarm_cost", "Loss a point, where it is known.", ("alarm", "cause", "metric"), _costs),
    ("age_seconds", "Since the end of the champion's training.", (), _age),
    ("performance", "Metric of the newest week with all labels.", ("metric",), _performance),
    ("performance_bound", "A week beyond it is an alarm.", ("metric",), _bound),
    ("label_delay_seconds", "Since the end of that week.", (), _label_delay),
    ("stream_silence_seconds", "Since the newest row of a stream.", ("stream",), _silence),
    ("training_range_share", "Rows in the training range.", ("source",), _ranges),
)
