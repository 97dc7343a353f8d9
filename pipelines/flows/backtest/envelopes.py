"""The envelopes of the versions that a backtest puts into force, on the data of later Mondays."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pipelines.backtest.reasons import Reason, against
from pipelines.backtest.versions import Version
from pipelines.core.errors import DataError
from pipelines.core.files import write_bytes
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Record, digest_of
from pipelines.core.time import Window, instant_text
from pipelines.data.reader import EventReader
from pipelines.data.snapshot import Snapshot
from pipelines.flows.retrain.contract import envelope_suites, fresh_rows
from pipelines.gates.contract.findings import contract_findings
from pipelines.quality.arrival import with_arrival
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis

    from pipelines.quality.suite import Suite, SuiteRunner


class _Checked(Record):
    """The findings against the data of one Monday."""

    reasons: tuple[Reason, ...]


_FORMAT = StoredFormat("a check of a backtest", _Checked)


class ChampionEnvelopes:
    """Checks the data of Mondays against envelopes of earlier versions; a context manager.

    Results are kept in a folder. The events are read when a result is missing, once for all.

    Arguments:
        events: reads the streams.
        spec: the declaration.
        snapshot: the events of the whole span.
        runner: answers expectations.
        folder: where results are kept, by content.
    """

    def __init__(
        self,
        events: EventReader,
        spec: ModelSpec,
        snapshot: Snapshot,
        runner: SuiteRunner,
        folder: Path,
    ) -> None:
        self.events, self.spec, self.snapshot = events, spec, snapshot
        self.runner, self.folder = runner, folder
        self._open = ExitStack()
        self._tables: Mapping[str, ibis.Table] | None = None
        self._weeks: dict[datetime, Mapping[str, ibis.Table]] = {}
        self._suites: dict[Window, Suite | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def against(self, at: datetime, champion: Version) -> tuple[Reason, ...]:
        """The findings of a champion's envelope against what became known before a Monday."""
        window = Window(champion.judged.train.start, champion.as_of)
        key = digest_of(
            {
                "snapshot": self.snapshot.id,
                "gate": self.spec.gates.contract.as_json(),
                "excluded": [one.as_json() for one in self.spec.split.exclude],
                "trained": str(window),
                "at": instant_text(at),
            }
        )
        path = self.folder / key[:2] / f"{key}.json"
        if path.is_file():
            return _FORMAT.from_text(path.read_bytes(), str(path)).reasons
        found = self._check(window, at)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, _FORMAT.to_text(_Checked(reasons=found)).encode())
        return found

    def _check(self, window: Window, at: datetime) -> tuple[Reason, ...]:
        suite, default = self._suite(window), self.spec.points.stream
        if suite is None:
            return ()
        return against(contract_findings(suite, self._fresh(at), self.runner, "envelope", default))

    def _fresh(self, at: datetime) -> Mapping[str, ibis.Table]:
        """The fresh rows of a Monday as tables of their own, which queries compile faster on."""
        if at not in self._weeks:
            fresh = fresh_rows(self.spec, self._opened(), at)
            self._weeks[at] = {
                name: self._open.enter_context(with_arrival(one).cache())
                for name, one in fresh.items()
            }
        return self._weeks[at]

    def _suite(self, window: Window) -> Suite | None:
        """The envelope of one span; ``None`` where its data are too thin for one."""
        if window not in self._suites:
            try:
                suite = envelope_suites(self.spec, self.snapshot, self._opened(), window)
            except DataError:
                suite = None
            self._suites[window] = suite
        return self._suites[window]

    def _opened(self) -> Mapping[str, ibis.Table]:
        if self._tables is None:
            spec = self.spec
            stored = self._open.enter_context(self.events.tables(self.snapshot, spec.streams))
            self._tables = {
                name: self._open.enter_context(one.cache()) for name, one in stored.items()
            }
        return self._tables
