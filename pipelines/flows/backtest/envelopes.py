"""The envelopes of the versions that a backtest puts into force, on the data of later Mondays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pipelines.backtest.reasons import Reason, against
from pipelines.backtest.versions import Version
from pipelines.core.errors import DataError
from pipelines.core.files import write_bytes
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record, digest_of
from pipelines.core.time import Window, instant_text
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.backtest.contract import AT_ONCE
from pipelines.flows.retrain.contract import (
    AS_OF,
    envelope_chunks,
    envelope_suites,
    fresh_rows_each,
    kept_facts,
)
from pipelines.gates.contract.answers import answers_each
from pipelines.gates.contract.findings import findings_of
from pipelines.quality.arrival import with_arrival
from pipelines.quality.suite import streams_of
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis

    from pipelines.quality.envelope.chunks import StreamChunks
    from pipelines.quality.suite import GroupedSuiteRunner, Suite


class _Checked(Record):
    """The findings of an envelope against the data of some Mondays."""

    reasons: dict[Instant, tuple[Reason, ...]]


_FORMAT = StoredFormat("a check of a backtest", _Checked)


@dataclass(frozen=True)
class CheckedEvents:
    """What envelopes are made of and checked on.

    Arguments:
        events: reads the streams.
        snapshot: the events of the whole span.
        mondays: on which data are checked, in order.
        runner: answers expectations.
    """

    events: EventReader
    snapshot: Snapshot
    mondays: Sequence[datetime]
    runner: GroupedSuiteRunner


class ChampionEnvelopes:
    """Checks the data of Mondays against envelopes of earlier versions; a context manager.

    Results are kept in a folder. The events are read when a result is missing, once for all. An
    envelope is checked on many Mondays at once, because compiling its queries takes longer than
    running them.

    Arguments:
        checked: the events.
        spec: the declaration.
        folder: where results are kept, by content.
    """

    def __init__(self, checked: CheckedEvents, spec: ModelSpec, folder: Path) -> None:
        self.checked, self.spec, self.folder = checked, spec, folder
        self._open = ExitStack()
        self._tables: Mapping[str, ibis.Table] | None = None
        self._chunks: dict[datetime, Mapping[str, StreamChunks]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def against(self, at: datetime, champion: Version) -> tuple[Reason, ...]:
        """The findings of a champion's envelope against what became known before a Monday."""
        window = Window(champion.judged.train.start, champion.as_of)
        later = [monday for monday in self.checked.mondays if monday > window.end]
        first = later.index(at) // AT_ONCE * AT_ONCE
        mondays = later[first : first + AT_ONCE]
        path = self._path(window, mondays)
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            found = _Checked(reasons=self._check(window, mondays))
            write_bytes(path, _FORMAT.to_text(found).encode())
        return _FORMAT.from_text(path.read_bytes(), str(path)).reasons[at]

    def _path(self, window: Window, mondays: Sequence[datetime]) -> Path:
        key = digest_of(
            {
                "snapshot": self.checked.snapshot.id,
                "gate": self.spec.gates.contract.as_json(),
                "excluded": [one.as_json() for one in self.spec.split.exclude],
                "trained": str(window),
                "mondays": [instant_text(at) for at in mondays],
            }
        )
        return self.folder / key[:2] / f"{key}.json"

    def _check(
        self, window: Window, mondays: Sequence[datetime]
    ) -> dict[datetime, tuple[Reason, ...]]:
        suite = self._suite(window)
        if suite is None:
            return dict.fromkeys(mondays, ())
        parts = streams_of(suite, self.spec.points.stream)
        with ExitStack() as opened:
            fresh = {
                name: opened.enter_context(with_arrival(one).cache())
                for name, one in fresh_rows_each(self.spec, self._opened(), mondays).items()
            }
            answered = answers_each(parts, fresh, AS_OF, self.checked.runner)
        return {at: against(findings_of(parts, answered(at), "envelope", {})) for at in mondays}

    def _suite(self, window: Window) -> Suite | None:
        """The envelope of one span; ``None`` where its data are too thin for one."""
        tables, snapshot = self._opened(), self.checked.snapshot
        length = self.spec.gates.contract.lookback
        end = window.end + (self.checked.mondays[-1] - window.end) // length * length
        if end not in self._chunks:
            first = min(one.first_event for one in snapshot.streams.values() if one.first_event)
            span = Window(first, end)
            kept = kept_facts(self.checked.events, self.spec, snapshot, tables)
            self._chunks[end] = envelope_chunks(self.spec, snapshot, tables, span, kept)
        try:
            return envelope_suites(self.spec, snapshot, self._chunks[end], window)
        except DataError:
            return None

    def _opened(self) -> Mapping[str, ibis.Table]:
        if self._tables is None:
            checked, kept = self.checked, self._open.enter_context
            stored = kept(checked.events.tables(checked.snapshot, self.spec.streams))
            self._tables = {name: kept(one.cache()) for name, one in stored.items()}
        return self._tables
