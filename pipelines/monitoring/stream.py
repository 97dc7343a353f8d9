"""Monitoring as an event stream: the alarms and measurements of each report as rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.findings import Interval
from pipelines.core.time import instant_text
from pipelines.data.canonical import ARROW_TYPES, stored_types
from pipelines.data.events import OBJECT_SCHEMA, SCHEMA_KEY, stream_prefix
from pipelines.data.objects import ObjectStore
from pipelines.monitoring.report import MonitorReport
from pipelines.spec.fields import ColumnType
from pipelines.spec.streams import FilesSource, Stream

MONITOR = "monitor"
_TEXTS = ("report", "version", "kind", "name", "subject", "unit", "cause")
_NUMBERS = ("value", "low", "high", "threshold", "cost")
Row = dict[str, Any]


def monitor_stream(model: str) -> Stream:
    """The declaration of a model's reports, which are stored under ``<store>/monitor/<model>``.

    ``as_of`` is the instant of the report and ``recorded_at`` the time at which the store had the
    row. ``kind`` is ``health`` (``name`` has it, ``subject`` the recommended action), ``alarm``,
    ``performance``, ``drift``, ``training_range`` or ``age``. ``at`` is since when an alarm lasts,
    or the start of the week that a value is about.
    """
    return Stream(
        source=FilesSource(path=f"{MONITOR}/{model}"),
        event_time="as_of",
        known_time="recorded_at",
        id=("report", "kind", "name", "subject", "at"),
        columns={
            **dict.fromkeys(_TEXTS, ColumnType.STRING),
            **dict.fromkeys(_NUMBERS, ColumnType.FLOAT),
            "at": ColumnType.TIMESTAMP,
        },
    )


def write_report(store: ObjectStore, report: MonitorReport, known: datetime) -> str:
    """Add the rows of a report to the stream, once; the key of their object.

    Arguments:
        store: the object store of the model.
        report: its rows are written unless those of its instant are there.
        known: when the rows can be read.

    Raises:
        Unavailable: the store does not answer or is full.
    """
    stream = monitor_stream(report.model)
    instant = instant_text(report.as_of)
    same: Row = {
        "as_of": report.as_of,
        "recorded_at": max(known, report.as_of),
        "report": f"{report.model} {instant}",
        "version": report.version,
    }
    types = {name: ARROW_TYPES[kind] for name, kind in stored_types(stream).items()}
    table = pa.Table.from_pylist([{**same, **row} for row in rows_of(report)], pa.schema(types))
    written = io.BytesIO()
    marked = table.replace_schema_metadata({SCHEMA_KEY: str(OBJECT_SCHEMA)})
    pq.write_table(marked, written, compression="zstd")
    name = f"dt={report.as_of:%Y-%m-%d}/{instant.replace(':', '')}.parquet"
    return store.write(f"{stream_prefix(MONITOR, stream)}{name}", written.getvalue()).key


def rows_of(report: MonitorReport) -> Iterator[Row]:
    """The rows of a report; keys that are absent are null."""
    at, unit = report.as_of, report.performance.metric
    action = report.action.kind.value
    yield {"kind": "health", "name": report.health, "subject": action, "at": at}
    yield {"kind": "age", "name": "weeks", "subject": "champion", "at": at, "unit": "weeks"} | {
        "value": report.age.weeks,
        "cost": report.age.cost,
    }
    for alarm in report.alarms:
        yield {
            "kind": "alarm",
            "name": alarm.name,
            "subject": alarm.subject,
            "unit": alarm.unit,
            "cause": alarm.cause.value,
            "value": alarm.size,
            **_ends(alarm.interval),
            "threshold": alarm.threshold,
            "cost": alarm.cost,
            "at": alarm.since or at,
        }
    for week in report.performance.weeks:
        yield {
            "kind": "performance",
            "name": unit,
            "subject": "held_out" if week.held_out else "champion",
            "unit": unit,
            "value": week.value,
            **_ends(week.interval),
            "threshold": report.performance.bound,
            "at": datetime.combine(week.start, datetime.min.time(), UTC),
        }
    for drift in report.drift:
        same = {"kind": "drift", "name": drift.column, "subject": "training"}
        same |= {"unit": drift.method}
        for judged in drift.weeks:
            yield {
                **same,
                "value": judged.distance,
                "threshold": drift.threshold,
                "at": judged.week,
            }
    for part in report.ranges:
        for checked in part.weeks:
            yield {
                "kind": "training_range",
                "name": "share",
                "subject": part.source,
                "unit": "share",
                "value": checked.share,
                **_ends(checked.interval),
                "at": checked.start,
            }


def _ends(interval: Interval | None) -> Row:
    return {} if interval is None else {"low": interval.low, "high": interval.high}
