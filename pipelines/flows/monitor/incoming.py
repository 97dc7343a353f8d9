"""The champion's suites on the rows that became known lately, and when rows arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.core.findings import Finding
from pipelines.core.time import Window
from pipelines.core.weeks import WEEK
from pipelines.monitoring.contract import CheckedWindow, failed
from pipelines.monitoring.report import Alarm, Arrival
from pipelines.packaging.version import SUITE, ModelVersion, SavedSuite, read_record
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis

    from pipelines.gates.contract.findings import Source
    from pipelines.quality.suite import Suite, SuiteRunner

Tables = Mapping[str, "ibis.Table"]


def check_windows(
    champion: ModelVersion,
    tables: Tables,
    identity: tuple[Finding, ...],
    as_of: datetime,
    weeks: int,
    runner: SuiteRunner,
) -> tuple[CheckedWindow, ...]:
    """The findings of both suites on the newest window, and on earlier ones while they fail.

    A window is as long as ``gates.contract.lookback``.

    Arguments:
        champion: has the suites.
        tables: canonical rows of every stream, as of ``as_of``.
        identity: findings about repeated events of the newest window.
        as_of: the end of the newest window.
        weeks: how far back to look.
        runner: runs the suites.

    Returns:
        Newest first.
    """
    length = champion.spec.gates.contract.lookback
    checked: list[CheckedWindow] = []
    for window in _windows(as_of, length, weeks):
        known = {name: _known_in(table, window) for name, table in tables.items()}
        found = (*_findings(champion, known, runner), *(() if checked else identity))
        checked.append(CheckedWindow(window.start, found))
        still = {one.name for one in failed(checked[0].findings)}
        if not still & {one.name for one in failed(found)}:
            break
    return tuple(checked)


def arrivals(tables: Tables, as_of: datetime, weeks: int) -> tuple[Arrival, ...]:
    """When rows of each stream arrived in the last weeks."""
    from pipelines.quality.arrival import pauses

    found = []
    for name, table in tables.items():
        own = pauses(table, as_of - weeks * WEEK)
        silent = None if own.newest is None else (as_of - own.newest).total_seconds()
        found.append(
            Arrival(
                stream=name,
                newest=own.newest,
                silent_for_s=silent,
                longest_pause_s=own.longest_s,
                pauses_s=own.weeks_s,
            )
        )
    return tuple(found)


def repeat_alarms(spec: ModelSpec, tables: Tables, as_of: datetime) -> tuple[Alarm, ...]:
    """Alarms of streams whose fresh rows repeat others, in the last ``monitor.weeks``.

    Columns of the id do not count, unless the model reads them.
    """
    from pipelines.monitoring.arrival import repeat_alarm
    from pipelines.quality.repeats import repeats_by_day

    window = Window(as_of - spec.monitor.weeks * WEEK, as_of)
    fresh, used = as_of - spec.gates.contract.lookback, spec.frame.columns_read()
    found = []
    for name, table in tables.items():
        stream = spec.streams[name]
        ids = {*stream.id} - used.get(name, frozenset())
        columns = [column for column in stream.columns if column not in ids]
        found.append(repeat_alarm(name, repeats_by_day(table, columns, window, fresh)))
    return tuple(alarm for alarm in found if alarm is not None)


def _windows(as_of: datetime, length: timedelta, weeks: int) -> Iterator[Window]:
    end = as_of
    while end > as_of - weeks * WEEK:
        yield Window(end - length, end)
        end -= length


def _known_in(table: ibis.Table, window: Window) -> ibis.Table:
    """The rows that became known after the start of a window, and until its end."""
    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    return table.filter((table.known_time > start) & (table.known_time <= end))


def _findings(champion: ModelVersion, known: Tables, runner: SuiteRunner) -> list[Finding]:
    from pipelines.gates.contract.findings import contract_findings

    own = read_record(champion.folder, SUITE, SavedSuite).suite
    suites: dict[Source, Suite] = {"suite": own, "envelope": champion.envelope}
    return contract_findings(suites, known, runner, champion.spec.points.stream)
