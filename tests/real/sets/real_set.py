"""A published set: its folder, how it is imported, and the span of its backtest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

DATA = Path(__file__).parents[4] / "shared" / "data"
STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class RealSet:
    """One published set.

    Attributes:
        name: the model that is declared in ``tests/real/models/<name>.yaml``.
        folder: the folder of the set below ``../shared/data``.
        first: first Monday of its backtest.
        last: last Monday of its backtest.
        prepare: shapes the published files into event files below a folder, as a user would
            before ``gauntlet import``, and returns the file of each stream. Times stay on the
            clock they were published in wherever the import can read that clock. Rows are
            changed or left out only where a docstring says so.
        options: words of ``gauntlet import`` for each stream; none for a stream without.
    """

    name: str
    folder: str
    first: date
    last: date
    prepare: Callable[[Path], dict[str, Path]]
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        """Whether the files of the set are there."""
        return (DATA / self.folder).is_dir()
