"""Imports own code from the source in a declaration, as a package that is named by its hash.

Each set of files is a package of its own, ``gauntlet_code_<hash>``. So the code of a candidate and
that of a champion, which may differ, are loaded at once, and a pickle or skops file
names the code that it needs. The files are written to a folder of this process, because worker
processes, tracebacks and MLflow's ``code_paths`` need files.
"""

from __future__ import annotations

import atexit
import importlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.core.errors import IntegrityError, SpecError
from pipelines.core.files import atomic_folder, working_folder
from pipelines.core.records import digest_of
from pipelines.own_code.declared import OwnFunction
from pipelines.own_code.libraries import check_libraries

PACKAGE = "gauntlet_code_"
CODE_ERRORS = (Exception, SystemExit)  # what own code may raise; sys.exit must not end a command
_HASH_DIGITS = 32
_lock = threading.RLock()


def package_name(files: Mapping[str, str]) -> str:
    """The name of the package of these files; it changes with every byte of them."""
    return PACKAGE + digest_of(dict(files))[:_HASH_DIGITS]


def is_own(module: str) -> bool:
    """Whether a module, or a dotted name in it, is own code."""
    return module.startswith(PACKAGE)


def load_function(own: OwnFunction, where: str) -> Callable[..., Any]:
    """Import the function of a declaration.

    Arguments:
        own: with a function.
        where: place in the declaration, for errors.

    Raises:
        SpecError: its module cannot be imported, or needs what is not installed.
        Unavailable: its files cannot be written, such as on a full disk.
    """
    name = (own.function or "").partition(":")[2]
    module_name = f"{package_name(own.files)}.{own.own_module}"
    if module_name not in sys.modules:
        check_libraries(own.files)
    wanted = "a module whose import runs to its end, and all packages that it imports"
    with _lock:
        put_package(own.files)
        with errors_of_code("a module cannot be imported", where, wanted=wanted):
            module = importlib.import_module(module_name)
    found = getattr(module, name, None)
    if not callable(found):
        raise SpecError(
            f"{own.function} is not a function",
            where=where,
            got=type(found).__name__,
            wanted="a function or a class",
        )
    loaded: Callable[..., Any] = found
    return loaded


def put_package(files: Mapping[str, str]) -> Path:
    """Write files as a package of this process, and import it: its modules come from there alone.

    Returns:
        The package's folder.
    """
    with _lock:
        root = _root(os.getpid())
        folder = root / package_name(files)
        if not folder.is_dir():
            with atomic_folder(folder) as draft:
                draft.mkdir(parents=True)
                for name, text in {"__init__.py": "", **files}.items():
                    (draft / name).write_bytes(text.encode())
            importlib.invalidate_caches()
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        importlib.import_module(folder.name)  # its __init__.py is empty
        return folder


@contextmanager
def packages_of(folder: Path) -> Iterator[None]:
    """Import the packages in the code folder of a model directory from verified copies.

    Within the block MLflow may put the folder into ``sys.path``. Other threads wait, because MLflow
    replaces the list.

    Arguments:
        folder: the code folder; it need not exist.

    Raises:
        IntegrityError: the files of a package do not have the hash in its name.
    """
    with _lock:
        for package in sorted(folder.glob(f"{PACKAGE}*")):
            files = read_package(package)
            if package_name(files) != package.name:
                raise IntegrityError(
                    "the code of a version is not what was stored",
                    where=str(package),
                    got=package_name(files),
                    wanted=package.name,
                )
            put_package(files)
        try:
            yield
        finally:
            added = folder.resolve()
            sys.path = [entry for entry in sys.path if Path(entry).resolve() != added]


def read_package(folder: Path) -> dict[str, str]:
    """The files of a package, as they are in a declaration: without an empty ``__init__.py``."""
    texts = {path.name: path.read_bytes().decode() for path in sorted(folder.glob("*.py"))}
    return {name: text for name, text in texts.items() if text or name != "__init__.py"}


def folder_of(package: str) -> Path:
    """The folder of a package that was loaded in this process.

    Raises:
        IntegrityError: it was not.
    """
    folder = _root(os.getpid()) / package
    if not folder.is_dir():
        raise IntegrityError("own code was not loaded by this process", got=package)
    return folder


@contextmanager
def errors_of_code(message: str, where: str, *, wanted: str = "") -> Iterator[None]:
    """Report what own code raises within the block, ``sys.exit`` included.

    Arguments:
        message: of the error.
        where: place in the declaration, for an error that comes from no line of own code.
        wanted: what the code has to do.

    Raises:
        SpecError: the code raised an exception.
    """
    try:
        yield
    except CODE_ERRORS as cause:
        raise SpecError(
            message,
            where=place_in_code(cause) or where,
            got=f"{type(cause).__name__}: {cause}",
            wanted=wanted,
        ) from cause


def place_in_code(error: BaseException) -> str:
    """File and line in own code where an error came from, or empty."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if is_own(path.parent.name):
            return f"models/code/{path.name}:{frame.lineno}"
    if isinstance(error, SyntaxError) and error.filename:
        path = Path(error.filename)
        return f"models/code/{path.name}:{error.lineno}" if is_own(path.parent.name) else ""
    return ""


@cache
def _root(process: int) -> Path:
    """A folder of this process, which is removed when the process ends.

    Arguments:
        process: its id; a forked process has another one, and a folder of its own.
    """
    stack = ExitStack()
    root = stack.enter_context(working_folder("gauntlet-code-"))

    def remove() -> None:
        if os.getpid() == process:
            stack.close()

    atexit.register(remove)
    return root
