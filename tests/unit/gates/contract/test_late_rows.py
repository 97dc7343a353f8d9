"""Late rows of the fresh stretch are counted and shown, with the declared settling time."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.core.findings import Finding, Verdict
from pipelines.data.events import LateRows
from pipelines.data.snapshot import Snapshot, SnapshotObject, StreamSnapshot
from pipelines.gates.contract.late_rows import late_row_findings
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model

__all__ = ["sales_model"]

NOW = datetime(2026, 2, 1, tzinfo=UTC)
READ = NOW - timedelta(hours=1)
MODEL = {"kind": "postgres", "table": "sales"}


def findings(spec: ModelSpec, *late: LateRows | None) -> list[Finding]:
    objects = tuple(
        SnapshotObject(key=str(number), sha256="", size=1, etag="", rows=10, late=one)
        for number, one in enumerate(late)
    )
    taken = StreamSnapshot(
        rows=20, content_hash="", first_event=None, last_event=None, objects=objects
    )
    snapshot = Snapshot(as_of=NOW, streams={"sales": taken})
    return list(late_row_findings(snapshot, spec.streams, NOW - timedelta(days=7)))


def late(rows: int, before: timedelta | None, read_until: datetime = READ) -> LateRows:
    earliest = None if before is None else read_until - before
    return LateRows(rows=rows, earliest=earliest, read_until=read_until)


def test_fresh_late_rows_are_counted_and_shown(sales_model: Callable[..., ModelSpec]) -> None:
    old = late(100, timedelta(days=3), NOW - timedelta(days=8))
    spec = sales_model(source=MODEL | {"settle": "10m"})
    [found] = findings(spec, old, late(2, timedelta(seconds=30)), None, late(1, None))
    assert (found.name, found.verdict, found.blocking) == ("contract.late.sales", "fail", False)
    assert (found.value, found.rows) == (3, 20)
    assert "3 rows were committed after the table had been read" in found.reason
    assert "at least 10m30s after it" in found.reason
    assert "`source.settle` is 10m" in found.reason


@pytest.mark.parametrize("source", [MODEL, {"kind": "files"}])
def test_without_fresh_late_rows_there_is_no_finding(
    source: dict[str, str], sales_model: Callable[..., ModelSpec]
) -> None:
    old = late(100, timedelta(days=3), NOW - timedelta(days=8))
    assert findings(sales_model(source=source), None, old) == []


def test_a_delay_that_is_unknown_is_not_guessed(sales_model: Callable[..., ModelSpec]) -> None:
    [found] = findings(sales_model(source=MODEL), late(1, None))
    assert found.verdict is Verdict.FAIL
    assert "the slowest an unknown time after it" in found.reason
