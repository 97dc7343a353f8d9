"""Imports of one stream take turns, and find each other's rows."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.adapters.lock.file import FileLock
from pipelines.core.errors import LockedError, SpecError
from pipelines.core.time import FixedClock, parse_instant
from pipelines.data.ingest.files import ImportReport
from pipelines.data.ingest.reading import ReadOptions
from pipelines.flows.import_events import ImportCollaborators, import_events
from pipelines.spec.model import ModelSpec
from tests.support.imports import COLUMNS, Imports
from tests.support.sales import sales_model

__all__ = ["sales_model"]
HEAD = "sale,shop,units,price,sold_at,told_at\n"
LINES = [
    f"s{at:04},a,1,1,2026-01-{1 + at % 28:02}T10:00:00Z,2026-02-01T00:00:00Z\n" for at in range(400)
]


@pytest.fixture
def imports(tmp_path: Path, sales_model: Callable[..., ModelSpec]) -> Imports:
    return Imports(tmp_path, sales_model(columns=COLUMNS))


def collaborators(imports: Imports) -> ImportCollaborators:
    lock = FileLock(imports.folder / "locks", FixedClock(parse_instant("2026-03-01")))
    return ImportCollaborators(
        load_spec=lambda _: imports.spec,
        open_store=lambda _: imports.store,
        lock=lambda model, lineage: lock.hold(model, lineage, "a test"),
    )


def test_parallel_imports_find_each_others_rows(imports: Imports) -> None:
    files = [
        imports.file(HEAD + "".join(LINES), "all.csv"),
        imports.file(HEAD + "".join(LINES[::2]), "half.csv"),
        imports.file(HEAD + "".join(LINES[1::3]), "third.csv"),
    ]
    reports: list[ImportReport] = []

    def run(file: Path) -> None:
        found = import_events("sales", "sales", [file], ReadOptions(), collaborators(imports))
        reports.append(found)

    threads = [threading.Thread(target=run, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 3
    assert sum(report.written for report in reports) == 400
    assert len({row["sale"] for row in imports.rows()}) == len(imports.rows()) == 400


@pytest.mark.parametrize("lineage", ["live"])
def test_an_import_does_not_write_while_a_retraining_is_at_work(
    imports: Imports, lineage: str
) -> None:
    file, works_with = imports.file(HEAD + LINES[0]), collaborators(imports)
    with works_with.lock("sales", lineage), pytest.raises(LockedError):
        import_events("sales", "sales", [file], ReadOptions(), works_with, wait_s=0.1)
    assert list(imports.store.list("")) == []
    assert import_events("sales", "sales", [file], ReadOptions(), works_with).written == 1


@pytest.mark.parametrize(
    ("stream", "source", "message"),
    [
        ("sale", {}, "is it 'sales'"),
        ("sales", {"source": {"kind": "postgres", "table": "sales"}}, "add the rows to the table"),
    ],
)
def test_a_stream_that_no_file_can_be_imported_into(
    tmp_path: Path,
    sales_model: Callable[..., ModelSpec],
    stream: str,
    source: dict[str, Any],
    message: str,
) -> None:
    imports = Imports(tmp_path, sales_model(columns=COLUMNS, **source))
    with pytest.raises(SpecError) as raised:
        import_events("sales", stream, [Path("x.csv")], ReadOptions(), collaborators(imports))
    assert message in str(raised.value)
