"""Every path that DuckDB reads or writes names one file, whatever characters it contains."""

from __future__ import annotations

from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import SpecError
from pipelines.data.engines.tables import read_parquet, write_parquet
from pipelines.data.paths import (
    database_path,
    files_sql,
    read_path,
    written_path,
)

NAMES = (
    "sales[12]",
    "sales1",
    "sales2",
    "sales*",
    "s?les",
    "{sales,other}",
    "it's",
    'two "words"',
    """it's "both" """,
    "per%20cent",
    "~home",
    "$HOME",
    "[!a]",
    "[",
    "]",
    "a]b[c",
    "dt=2025-01-01",
    "back\\slash",
    "Łódź 日本",
    "line\nbreak",
)


def test_a_file_is_read_and_no_other_that_its_name_would_match_as_a_pattern(
    tmp_path: Path,
) -> None:
    for folder in NAMES:
        if "\\" in folder:
            continue
        for name in NAMES:
            if "\\" in name and any(one in folder + name for one in "*?["):
                continue
            path = tmp_path / folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"v\n{NAMES.index(folder)}-{NAMES.index(name)}\n")
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(paths) > 300
    for path in paths:
        found = duckdb.sql(f"SELECT v FROM read_csv({read_path(path)}, columns={{'v': 'VARCHAR'}})")
        wanted = f"{NAMES.index(path.parent.name)}-{NAMES.index(path.name)}"
        assert found.fetchall() == [(wanted,)], path


def test_files_are_read_as_one_relation_with_their_own_paths(tmp_path: Path) -> None:
    paths = [tmp_path / "zone=[a]*" / f"{name}.parquet" for name in NAMES if "\\" not in name]
    paths[0].parent.mkdir()
    for number, path in enumerate(paths):
        pq.write_table(pa.table({"v": [number]}), path)
    found = duckdb.sql(f"SELECT * FROM {files_sql(paths, 'file')} ORDER BY v")
    assert found.columns == ["v", "file"]
    assert found.fetchall() == list(enumerate(map(str, paths)))


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_written_to_that_path_and_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / f"{name}.parquet"
    path.parent.mkdir()
    write_parquet(ibis.memtable({"v": [1, 2]}), path)
    assert list(path.parent.iterdir()) == [path]
    read = read_parquet(ibis.duckdb.connect(), path)
    assert read.columns == ("v",)
    assert read.execute()["v"].tolist() == [1, 2]


def test_a_name_is_read_below_a_linked_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link[1]").symlink_to(tmp_path / "real")
    pq.write_table(pa.table({"v": [1]}), tmp_path / "real" / "a?.parquet")
    found = duckdb.sql(f"SELECT v FROM {files_sql([tmp_path / 'link[1]' / 'a?.parquet'])}")
    assert found.fetchall() == [(1,)]


def test_a_relative_path_is_no_address_and_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("~a", "s3:b", "file:c"):
        duckdb.sql(f"COPY (SELECT 1) TO {written_path(name)}")
        assert duckdb.sql(f"FROM read_csv({read_path(name)}, header=true)").fetchall() == [(1,)]
        assert (tmp_path / name).is_file()


def test_what_duckdb_cannot_name_is_refused_with_the_path() -> None:
    with pytest.raises(SpecError, match="backslash"):
        read_path("/data/a\\b[1].csv")
    with pytest.raises(SpecError, match="TMPDIR"):
        database_path(Path("/scratch/what?/x.duckdb"))
