"""What made a version besides its declaration and data: this project's code, and libraries."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import Field

import pipelines
from pipelines.core.records import Record

_LIBRARIES = (
    *("numpy", "scipy", "pandas", "scikit-learn", "skops", "duckdb", "pyarrow"),
    "ibis-framework",
)


class Origin(Record):
    """``origin.json`` of a version."""

    release: str = Field(description="of this project")
    code: str = Field(description="hash over its source files")
    environment: dict[str, str] = Field(description="versions of Python and libraries; machine")


@cache
def present_origin() -> Origin:
    """The code and the environment of this process."""
    libraries = {name: found for name in _LIBRARIES if (found := _version(name))}
    return Origin(
        release=_version("gauntlet"),
        code=_code(Path(pipelines.__file__).parent),
        environment={
            "python": platform.python_version(),
            "machine": platform.machine(),
            **libraries,
        },
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _code(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        whole.update(path.relative_to(folder).as_posix().encode() + b"\0")
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
