"""Findings about rows that a database committed after a run had read past their known time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.time import duration_text
from pipelines.data.snapshot import Snapshot
from pipelines.spec.streams import PostgresSource, Stream


def late_row_findings(
    snapshot: Snapshot, streams: Mapping[str, Stream], since: datetime
) -> Iterable[Finding]:
    """One finding for each stream with late rows in its fresh stretch. It is shown, not counted.

    Arguments:
        snapshot: of the run.
        streams: declarations by name.
        since: zoned start of the fresh stretch.
    """
    for name, stream in streams.items():
        taken = snapshot.streams[name]
        late = [one.late for one in taken.objects if one.late and one.late.read_until > since]
        if not late or not isinstance(stream.source, PostgresSource):
            continue
        rows, settle = sum(one.rows for one in late), stream.source.settle
        # Rows younger than `settle` are not read, so a late row was committed that much later.
        delays = [one.read_until - one.earliest + settle for one in late if one.earliest]
        text = f"at least {duration_text(max(delays))}" if delays else "an unknown time"
        yield make_finding(
            f"contract.late.{name}",
            Verdict.FAIL,
            f"{name}: {rows:,} rows were committed after the table had been read past their known "
            f"time, the slowest {text} after it. Earlier runs did not have them; this run does. "
            f"`source.settle` is {duration_text(settle)}: declare more than the slowest needs",
            Measurement(value=rows, threshold=0, unit="rows", rows=taken.rows),
            blocking=False,
        )
