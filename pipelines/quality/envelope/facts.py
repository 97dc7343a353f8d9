"""What the rows of one chunk contribute to envelopes, and where it is kept.

Facts of a chunk depend on its rows alone. So those of the chunks whose rows have not changed are
read, and a weekly retraining measures its newest rows only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ConfigDict

from pipelines.core.records import Record, digest_of
from pipelines.core.time import MICROSECOND, Window
from pipelines.core.weeks import monday_before
from pipelines.data.events import Progress
from pipelines.data.kept_files import KeptFiles
from pipelines.data.week_sums import WeekSum
from pipelines.spec.streams import Stream

FORMAT = 3  # a higher number makes all kept facts obsolete


class NumberFacts(Record):
    """The values of a column that are there: at least one.

    ``beyond`` are those below ``low`` or above ``high``, ``None`` if there are too many of them.
    ``often`` is how often each of them occurs.
    """

    model_config = ConfigDict(allow_inf_nan=True, ser_json_inf_nan="constants")

    there: int
    least: float
    low: float
    median: float
    high: float
    most: float
    beyond: tuple[float, ...] | None = None
    often: tuple[int, ...] = ()

    def outside(self, low: float, high: float) -> int | None:
        """How many values are below ``low`` or above ``high``; ``None``: the facts do not say."""
        if low <= self.least and self.most <= high:
            return 0
        if self.beyond is None or not (low <= self.low and self.high <= high):
            return None
        pairs = zip(self.beyond, self.often, strict=True)
        return sum(often for value, often in pairs if not low <= value <= high)


class ChunkFacts(Record):
    """The rows of a chunk; the defaults are those of no rows."""

    rows: int = 0
    hours: int = 0  # with rows
    days: int = 0
    missing: dict[str, int] = {}  # rows without a value, by column
    numbers: dict[str, NumberFacts] = {}
    texts: dict[str, dict[str, int]] = {}  # rows of each text, of columns with few texts


@dataclass(frozen=True)
class KeptFacts:
    """The facts of the chunks of a stream, by everything that determines them.

    Arguments:
        files: has a file for each chunk.
        sums: what the stream holds; without sums nothing is kept.
        engine: version of the engine that measures the chunks.
        progress: called with short messages.
    """

    files: KeptFiles
    sums: Sequence[WeekSum]
    engine: str
    progress: Progress = lambda _: None

    def read(
        self, stream: Stream, tail: float, chunks: Sequence[Window]
    ) -> dict[Window, ChunkFacts]:
        """The facts of those of some chunks that are kept.

        Arguments:
            stream: the declaration.
            tail: the share of values below the low quantile, and above the high one.
            chunks: stretches of known time.
        """
        paths = {
            chunk: self.files.read(self._key(stream, tail, chunk), self.progress)
            for chunk in (chunks if self.sums else ())
        }
        return {
            chunk: ChunkFacts.model_validate_json(path.read_bytes())
            for chunk, path in paths.items()
            if path is not None
        }

    def write(self, stream: Stream, tail: float, measured: Mapping[Window, ChunkFacts]) -> None:
        """Keep the facts of chunks; arguments as for ``read``.

        Raises:
            Unavailable: the disk is full.
        """
        if not self.sums:
            return
        for chunk, facts in measured.items():
            content = facts.model_dump_json().encode()
            key = self._key(stream, tail, chunk)
            self.files.write(key, partial(Path.write_bytes, data=content))
        self.files.prune()

    def _key(self, stream: Stream, tail: float, chunk: Window) -> str:
        """A hash of the chunk, and of what the weeks hold in which its rows became known."""
        first, last = (monday_before(at).date() for at in (chunk.start, chunk.end - MICROSECOND))
        held = [one for one in self.sums if first <= one.known <= last]
        totals = (sum(getattr(one, part) for one in held) for part in ("rows", "high", "low"))
        return digest_of(
            {
                "chunk": [FORMAT, self.engine],
                "stream": stream.meaning(),
                "tail": tail,
                "window": str(chunk),
                "content": list(totals),
            }
        )
