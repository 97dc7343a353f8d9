"""Reads a module of ``models/code/`` with everything that it imports there; runs none of it.

What makes a module impossible to reproduce is an error with file and line: an import of a file that
would not be hashed, and calls that read or run something else than the hashed text.
"""

from __future__ import annotations

import ast
import dis
import io
import tokenize
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from types import CodeType

from pipelines.core.errors import SpecError

LARGEST_FILE = 1 << 18  # bytes
PRODUCT = "pipelines"
# They import, or run, what no reader of the text can name.
_UNFOLLOWED = {"builtins", "importlib", "pkgutil", "runpy"}
_REFUSED_NAMES = {"__import__", "eval", "exec", "open"}
_READS_OF_GLOBALS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}


def read_function(folder: Path, function: str, where: str) -> dict[str, str]:
    """The source of a function's module and of the modules that it imports, by file name.

    Arguments:
        folder: ``models/code``.
        function: ``module:function``.
        where: place in the declaration, for errors.

    Raises:
        SpecError: a file cannot be read, the function is not in it, or it cannot be reproduced.
    """
    module, _, name = function.partition(":")
    files: dict[str, str] = {}
    trees: dict[str, ast.Module] = {}
    open_modules = [(module, where)]
    while open_modules:
        current, place = open_modules.pop()
        path = folder / f"{current}.py"
        if path.name in files:
            continue
        files[path.name], trees[current] = _read(path, place)
        open_modules += _imports_of(trees[current], path)
    known = sorted(_top_level_names(trees[module]))
    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise SpecError(
            f"there is no function {name}",
            where=where,
            got=f"{folder / module}.py defines {', '.join(known) or 'nothing'}",
            wanted=f"def {name}(...) at the top level of the module",
            hint=f"did you mean {module}:{near[0]}?" if near else "correct the name",
        )
    return dict(sorted(files.items()))


def _read(path: Path, where: str) -> tuple[str, ast.Module]:
    if path.stem == "__init__":
        raise _refused(
            "the module __init__",
            where,
            wanted="a module of another name: the package's __init__.py stays empty",
        )
    if not path.is_file():
        there = sorted(one.stem for one in path.parent.glob("*.py"))
        raise SpecError(
            f"there is no module {path.stem}",
            where=where,
            got=str(path),
            wanted=f"one of {there}" if there else "a file with that name",
            hint="own code is in the folder code/ beside the declaration",
        )
    content = path.read_bytes()
    if len(content) > LARGEST_FILE:
        raise _refused(f"a file of more than {LARGEST_FILE:,} bytes", str(path))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as cause:
        line = content[: cause.start].count(b"\n") + 1
        raise _refused(f"text that is not UTF-8: {cause.reason}", f"{path}:{line}") from cause
    encoding = _encoding(content, path)
    if encoding != "utf-8":
        raise _refused(f"text in {encoding}", f"{path}:1", wanted="UTF-8 without a byte order mark")
    try:
        tree = ast.parse(text)
        code = compile(tree, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as cause:
        line = getattr(cause, "lineno", None) or 1
        raise SpecError(
            "a module is not valid Python",
            where=f"{path}:{line}",
            got=getattr(cause, "msg", None) or str(cause) or type(cause).__name__,
        ) from cause
    _check_names(code, path)
    return text, tree


def _encoding(content: bytes, path: Path) -> str:
    """The encoding that Python reads a file in."""
    try:
        return tokenize.detect_encoding(io.BytesIO(content).readline)[0]
    except SyntaxError as cause:
        raise _refused(str(cause), f"{path}:1", wanted="UTF-8") from cause


def _imports_of(tree: ast.Module, path: Path) -> Iterator[tuple[str, str]]:
    """The modules beside it that a module imports, each with the place of its import."""
    for node in ast.walk(tree):
        place = f"{path}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                _check_library(alias.name.partition(".")[0], path.parent, place)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            _check_library((node.module or "").partition(".")[0], path.parent, place)
        elif isinstance(node, ast.ImportFrom):
            if node.level > 1 or "." in (node.module or ""):
                raise _refused(
                    "an import from outside the folder of own code",
                    place,
                    wanted="modules are files directly in models/code/, imported as "
                    "from .module import name",
                )
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((name, place) for name in names)


def _check_names(code: CodeType, path: Path) -> None:
    """Refuse reads of built-in functions; an argument or variable of a function hides its name."""
    for step in dis.get_instructions(code):
        if step.opname in _READS_OF_GLOBALS and step.argval in _REFUSED_NAMES:
            line = step.positions.lineno if step.positions else None
            raise _refused(
                f"{step.argval}()",
                f"{path}:{line or code.co_firstlineno}",
                wanted="code whose result follows from its text and its arguments alone",
                hint="write the values into the module, or into parameters of the declaration",
            )
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            _check_names(inner, path)


def _check_library(name: str, folder: Path, place: str) -> None:
    if (folder / f"{name}.py").exists():
        raise _refused(
            f"import {name}, which is a file of the same folder",
            place,
            wanted=f"from .{name} import ..., so that the file is hashed and stored as well",
        )
    if name == PRODUCT:
        raise _refused(
            "an import of Gauntlet",
            place,
            wanted="code that also runs where Gauntlet is not installed",
        )
    if name in _UNFOLLOWED:
        raise _refused(
            f"an import of {name}, with which a module imports or runs what its text does not name",
            place,
            wanted="import statements",
        )


def _top_level_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield from (alias.asname or alias.name for alias in node.names)


def _refused(got: str, where: str, *, wanted: str = "", hint: str = "") -> SpecError:
    return SpecError(
        "own code cannot be reproduced", where=where, got=got, wanted=wanted, hint=hint
    )
