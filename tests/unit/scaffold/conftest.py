"""Small files of events whose roles are known."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.data.ingest.reading import ReadOptions
from pipelines.scaffold.examine import Examined, examined

Examine = Callable[..., Any]


@pytest.fixture
def examine(tmp_path: Path) -> Examine:
    """Examine a CSV file of a header and rows; keyword arguments are options of ``ReadOptions``."""

    @contextmanager
    def examine(header: str, rows: Sequence[str], **options: Any) -> Iterator[Examined]:
        file = tmp_path / "events.csv"
        file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        with examined(file, ReadOptions(**options)) as found:
            yield found

    return examine
