"""Rewrites a skops file so that the same model gives the same bytes in every process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pipelines.core.files import atomic_file

_SCHEMA = "schema.json"


def make_canonical(path: Path) -> None:
    """Number objects and members in the order of the schema, drop times of day, and compress.

    skops names objects and members by their address in memory and stamps them with the present.
    Only names change, one to one, so the file loads to the same model. It stays hand-written: a
    version's content hash covers these bytes, and a run that is killed and fits again has to reach
    the same hash; skops has no option for reproducible files.
    """
    with ZipFile(path) as found:
        schema = json.loads(found.read(_SCHEMA))
        members = {name: found.read(name) for name in found.namelist() if name != _SCHEMA}
    objects: dict[int, int] = {}
    names: dict[str, str] = {}
    renumbered = _renumber(schema, objects, names)
    with atomic_file(path) as draft, ZipFile(draft, "w") as file:
        _put(file, _SCHEMA, json.dumps(renumbered).encode())
        for old, new in names.items():
            _put(file, new, members[old])


def _renumber(node: Any, objects: dict[int, int], names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renumber(part, objects, names) for part in node]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            made[key] = objects.setdefault(value, len(objects))
        elif key == "file" and isinstance(value, str):
            made[key] = names.setdefault(value, f"{len(names)}{Path(value).suffix}")
        else:
            made[key] = _renumber(value, objects, names)
    return made


def _put(file: ZipFile, name: str, content: bytes) -> None:
    entry = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    file.writestr(entry, content)
