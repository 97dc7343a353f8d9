"""Everything that commands leave behind, in a form that two homes can be compared by."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.flows.workspace import WRITTEN
from pipelines.release.ledger import chain_errors
from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.release.rollout.segment_champions import segment_alias
from pipelines.settings import Settings
from pipelines.wiring import connect

MODEL = "demand"


def print_state(home: Path, store: Path) -> None:
    """Print the state of a home and its store as JSON."""
    print(json.dumps(state_of(home, store), sort_keys=True, default=str))


def state_of(home: Path, store: Path) -> dict[str, Any]:
    """Ledger, aliases, versions with their hashes, rows of the stores, and unfinished files."""
    if not (home / "ledger.db").exists():
        return {"files": _files(store), "drafts": _drafts(home, store)}
    parts = connect(Settings())
    chains = {one: parts.ledger.entries(MODEL, one) for one in parts.ledger.lineages(MODEL)}
    versions = parts.registry.versions(MODEL)
    changes = [one.segments for chain in chains.values() for one in chain if one.segments]
    segments = {segment_alias(value) for change in changes for value in change.values}
    return {
        "ledger": {one: [entry.as_json() for entry in chain] for one, chain in chains.items()},
        "chain_errors": [str(error) for one in chains.values() for error in chain_errors(one)],
        "aliases": {
            name: parts.registry.alias(MODEL, name) for name in (CHAMPION, CHALLENGER, *segments)
        },
        "versions": {info.version: info.as_json() for info in versions},
        "tags": {info.version: parts.registry.tags(MODEL, info.version) for info in versions},
        "online": _online(home / "online.db"),
        "witness": _files(home / "witness"),
        "runs": _files(home / "runs"),
        "releases": _files(home / "releases"),
        "reports": _files(home / "monitor"),
        "alerts": _files(home / "alerts") | {"sent": _text(home / "alerts.jsonl")},
        "mlflow": _mlflow(home / "mlflow.db"),
        "made": _files(home.parent / "files"),
        "files": _files(store),
        "drafts": _drafts(home, store),
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _mlflow(database: Path) -> list[str]:
    """Every run that is not deleted, and every version of every registered model."""
    queries = (
        "SELECT 'run', name, status, lifecycle_stage FROM runs WHERE lifecycle_stage = 'active'",
        "SELECT 'version', name, version, status FROM model_versions",
    )
    with closing(sqlite3.connect(database)) as connection:
        return sorted(str(row) for query in queries for row in connection.execute(query))


def _files(folder: Path) -> dict[str, str]:
    """The hash of each file by its path; of a table its sorted rows."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(_content(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".draft" not in path.as_posix()
    }


def _content(path: Path) -> bytes:
    if path.name == WRITTEN:  # the bytes of a table depend on the order of its rows
        listed = json.loads(path.read_bytes())["record"]["files"]
        tables = {"sha256": "of a table"}
        files = [one | tables if one["name"].endswith(".parquet") else one for one in listed]
        return json.dumps(files).encode()
    if path.suffix != ".parquet":
        return path.read_bytes()
    rows = pd.read_parquet(path).drop(columns="latency_ms", errors="ignore")
    return rows.sort_values([*rows.columns], ignore_index=True).to_csv().encode()


def _drafts(*folders: Path) -> list[str]:
    """Unfinished files.

    An empty draft folder, a draft in the cache, or a draft that is a second name of a complete
    object, is removed by the next write next to it.
    """
    return sorted(
        path.relative_to(folder).as_posix()
        for folder in folders
        for draft in folder.rglob(".draft*")
        for path in draft.rglob("*")
        if path.is_file() and path.stat().st_nlink == 1 and folder / "cache" not in path.parents
    )


def _online(database: Path) -> list[str]:
    """The rows of each table, as text; row numbers are drawn anew in each materialization."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        return sorted(_rows(connection))


def _rows(connection: sqlite3.Connection) -> Iterator[str]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            yield f"{table}: " + ", ".join(str(value) for value in row)
