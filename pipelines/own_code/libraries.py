"""The installed libraries that own code imports."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    packages_distributions,
    version,
)

from pipelines.core.errors import SpecError


def check_libraries(files: Mapping[str, str]) -> None:
    """Check that each import is of the standard library or of an installed package.

    Arguments:
        files: source by file name.

    Raises:
        SpecError: a package is not installed, or its files can change without a new version.
    """
    for place, library in _imports(files):
        providers = _providers().get(library, [])
        if not providers:
            raise SpecError(
                f"{library} is not installed",
                where=place,
                got=f"import {library}",
                wanted="the standard library, or an installed package",
                hint="install the package, or put the module into models/code/ and import it as "
                f"from .{library} import ...",
            )
        changing = [name for name in providers if _is_editable(name)]
        if changing:
            raise SpecError(
                "own code cannot be reproduced",
                where=place,
                got=f"{library} is installed as editable: its files are not hashed",
                wanted="a package that is installed by version",
                hint="install a built version of the package, or move the module to models/code/",
            )


def libraries_of(files: Mapping[str, str]) -> set[str]:
    """Top-level names that files import from outside the standard library."""
    return {library for _, library in _imports(files)}


def distributions_of(files: Mapping[str, str]) -> set[str]:
    """Names of the installed distributions that files import."""
    return {name for library in libraries_of(files) for name in _providers().get(library, [])}


def library_versions(*modules: Mapping[str, str]) -> dict[str, str]:
    """The installed version of each distribution that files import.

    Arguments:
        modules: source by file name, of each function.
    """
    names = {name for files in modules for name in distributions_of(files)}
    return {name: version(name) for name in sorted(names)}


def _imports(files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Place and top-level name of each import outside the standard library."""
    for name, text in files.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found = [node.module or ""]
            else:
                continue
            for module in found:
                library = module.partition(".")[0]
                if library not in sys.stdlib_module_names:
                    yield f"models/code/{name}:{node.lineno}", library


@cache
def _providers() -> Mapping[str, list[str]]:
    return packages_distributions()


@cache
def _is_editable(name: str) -> bool:
    try:
        origin = distribution(name).read_text("direct_url.json")
    except PackageNotFoundError:
        return False
    return bool(origin and json.loads(origin).get("dir_info", {}).get("editable"))
