"""What an earlier release stored is read, verified and understood by today's code.

The files of a release are made once, by `make.py`, and never again. When a test here fails, the
format changed: see `docs/decisions/0016-how-a-stored-format-changes.md`.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import FormatError
from pipelines.core.formats import seal, unseal
from pipelines.core.records import Record, sha256_text
from tests.golden.stored import STORED_CLASSES, VERSION_FILES, Golden, added_field

RELEASES = sorted(path for path in Path(__file__).parent.iterdir() if path.name[0].isdigit())


@pytest.fixture(scope="module", params=RELEASES, ids=lambda path: path.name)
def golden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Golden:
    folder = tmp_path_factory.mktemp("golden") / request.param.name
    shutil.copytree(request.param, folder)
    return Golden(folder)


def test_the_ledger_is_read_verified_and_replayed(golden: Golden) -> None:
    golden.check_ledger()


def test_a_version_is_read_and_its_digests_are_what_they_were(golden: Golden) -> None:
    golden.check_version()


def test_features_that_were_materialized_still_are(golden: Golden) -> None:
    golden.check_online()


def test_a_snapshot_and_the_prediction_log_are_read(golden: Golden) -> None:
    golden.check_data()


def test_step_records_evidence_and_plan_are_read(golden: Golden) -> None:
    golden.check_records()


@pytest.mark.parametrize("kind", STORED_CLASSES, ids=lambda kind: kind.__qualname__)
def test_a_field_with_a_default_may_be_added_to(kind: type[Record], golden: Golden) -> None:
    with added_field(kind):
        assert "added_later" in kind.model_fields
        golden.check()
    golden.check_ledger()


def _bump(path: Path) -> None:
    """Write a JSON file as a release with a newer schema would."""
    value = json.loads(path.read_text())
    assert value["schema"] == 1, path
    path.write_text(json.dumps(value | {"schema": 2}))


def _newer_entry(golden: Golden) -> None:
    with closing(sqlite3.connect(golden.database("ledger"))) as connection:
        connection.execute("DROP TRIGGER gauntlet_ledger_no_update")
        query = "SELECT body FROM gauntlet_ledger WHERE sequence = 1"
        (body,) = connection.execute(query).fetchone()
        newer = json.dumps(json.loads(body) | {"schema": 2})
        connection.execute(
            "UPDATE gauntlet_ledger SET body = ?, hash = ? WHERE sequence = 1",
            (newer, sha256_text(newer)),
        )
        connection.commit()


def _newer_state(golden: Golden) -> None:
    with closing(sqlite3.connect(golden.database("online"))) as connection:
        changed = "UPDATE online_view SET state = replace(state, '\"schema\": 1', '\"schema\": 2')"
        connection.execute(changed)
        connection.commit()


def _newer_row(golden: Golden) -> None:
    with closing(sqlite3.connect(golden.database("online"))) as connection:
        for key, row in connection.execute("SELECT key, row FROM online_row").fetchall():
            newer = b"\x02" + row[1:]
            connection.execute("UPDATE online_row SET row = ? WHERE key = ?", (newer, key))
        connection.commit()


def _newer_manifest(golden: Golden) -> None:
    (path,) = (golden.folder / "cache" / "snapshots").iterdir()
    newer = json.dumps(json.loads(unseal(path.read_bytes())) | {"schema": 2})
    path.write_bytes(seal(newer))


def _newer_log(golden: Golden) -> None:
    path = golden.folder / "store" / golden.expected["log"]["key"]
    table = pq.read_table(path)
    metadata = table.schema.metadata | {b"gauntlet.schema": b"2"}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def _newer_tags(golden: Golden) -> None:
    path = golden.folder / "tags.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"gauntlet.facts": '{"schema": 3}'}))


NEWER: dict[str, tuple[Callable[[Golden], None], Callable[[Golden], None]]] = {
    "a ledger entry": (_newer_entry, Golden.check_ledger),
    "the state of a stored view": (_newer_state, Golden.check_online),
    "a stored row": (_newer_row, Golden.check_online),
    "a snapshot's manifest": (_newer_manifest, Golden.check_data),
    "an object": (_newer_log, Golden.check_data),
    "a version": (_newer_tags, Golden.check_version),
    "a serving plan": (lambda golden: _bump(golden.folder / "plan.json"), Golden.check_records),
    "train": (lambda golden: _bump(golden.folder / "run" / "train.json"), Golden.check_records),
}


@pytest.mark.parametrize("what", NEWER)
def test_a_newer_schema_is_never_read_silently(what: str, golden: Golden, tmp_path: Path) -> None:
    change, check = NEWER[what]
    own = Golden(tmp_path / "own")
    shutil.copytree(golden.folder, own.folder, ignore=shutil.ignore_patterns("*.db*", "own_cache"))
    change(own)
    with pytest.raises(FormatError, match=f"{what} was written by a newer release") as caught:
        check(own)
    known = 2 if what == "a version" else 1
    assert caught.value.got == f"schema {known + 1}"
    assert caught.value.wanted == f"schema {known} or older"
    assert caught.value.where
    assert caught.value.hint


@pytest.mark.parametrize("name", VERSION_FILES)
def test_a_newer_file_of_a_version_is_never_read_silently(
    name: str, golden: Golden, tmp_path: Path
) -> None:
    folder = tmp_path / "version"
    shutil.copytree(golden.version, folder)
    _bump(folder / "extra_files" / name)
    from pipelines.packaging.version import read_record

    with pytest.raises(FormatError, match=f"{name} of a version was written by a newer release"):
        read_record(folder, name, VERSION_FILES[name])
