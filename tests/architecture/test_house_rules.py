"""The house rules. Each message gives the reason of its rule."""

import ast
import contextlib
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "pipelines").rglob("*.py"))
LONGEST = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
CLOCKS = {"now", "utcnow", "today", "time", "monotonic"}
MAY_READ_THE_CLOCK = {"pipelines/wiring.py", "pipelines/cli/failures.py"}
MOST_FILES = 20  # of a folder
UNIT_TESTS = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))


def names() -> list[str]:
    return [str(path.relative_to(ROOT)) for path in SOURCES]


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", names())
def test_a_module_has_one_subject(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").count("\n")
    assert lines <= LONGEST, f"{name} has {lines} lines: split it by subject"
    assert Path(name).stem not in VAGUE, f"{name}: name the module for what it holds"


@pytest.mark.parametrize("name", names())
def test_a_module_reports_what_it_holds(name: str) -> None:
    assert ast.get_docstring(tree_of(name)), f"{name} has no docstring"


def test_a_class_has_a_name_of_its_own() -> None:
    modules: dict[str, list[str]] = {}
    for name in names():
        for node in tree_of(name).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules.setdefault(node.name, []).append(name)
    shared = {name: found for name, found in modules.items() if len(found) > 1}
    assert not shared, f"one word for one thing: rename the less central of each: {shared}"


@pytest.mark.parametrize("top", ["pipelines", "tests", "deploy", "benchmarks"])
def test_a_folder_is_read_in_one_look(top: str) -> None:
    folders = {path.parent for path in (ROOT / top).rglob("*.py")}
    sizes = {
        str(folder.relative_to(ROOT)): len([*folder.glob("*.py")])
        - (folder / "__init__.py").exists()
        for folder in folders
    }
    large = {folder: size for folder, size in sizes.items() if size > MOST_FILES}
    assert not large, f"more than {MOST_FILES} files: make folders by subject: {large}"


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_unit_test_has_the_path_of_its_module(path: Path) -> None:
    """So that both are found from each other, and both are moved or renamed together."""
    name = path.relative_to(ROOT / "tests" / "unit")
    module = ROOT / "pipelines" / name.with_name(name.name.removeprefix("test_"))
    assert module.exists(), f"{path.relative_to(ROOT)}: there is no {module.relative_to(ROOT)}"


def test_the_product_raises_errors_of_its_own() -> None:
    """An ``assert`` is gone under ``python -O``, and its message does not help."""
    found = [
        f"{name}:{node.lineno}"
        for name in names()
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Assert)
    ]
    assert not found, f"asserts in the product: raise an error instead: {found}"


def test_exceptions_to_the_rules_are_files_that_exist() -> None:
    gone = [name for name in MAY_READ_THE_CLOCK if not (ROOT / name).exists()]
    assert not gone, f"MAY_READ_THE_CLOCK names {gone}"


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


@pytest.mark.parametrize("name", names())
def test_time_and_chance_are_passed_in(name: str) -> None:
    """A run that reads the wall clock or a global generator cannot be replayed."""
    if name in MAY_READ_THE_CLOCK:
        return
    for line, call in calls(tree_of(name)):
        owner, _, method = call.rpartition(".")
        assert not (method in CLOCKS and owner.split(".")[-1] in {"datetime", "date", "time"}), (
            f"{name}:{line} reads the wall clock by {call}(): take a Clock or as_of as an argument"
        )
        assert not call.startswith(("np.random.seed", "numpy.random.seed", "random.")), (
            f"{name}:{line} uses a global generator: take a seed or a numpy Generator"
        )


OUTSIDE = sorted(
    str(path.relative_to(ROOT))
    for folder in ("benchmarks", "dags", "deploy", "plugins")
    for path in (ROOT / folder).rglob("*.py")
)


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_a_script_takes_from_the_product_is_there(name: str) -> None:
    """Scripts are type-checked only here, and a benchmark is run once a month."""
    tree = tree_of(name)
    modules: dict[str, ModuleType] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pipelines":
            source = importlib.import_module(str(node.module))
            for taken in node.names:
                with contextlib.suppress(ModuleNotFoundError):
                    importlib.import_module(f"{node.module}.{taken.name}")
                where = f"{name}:{node.lineno}: {node.module} has no {taken.name}"
                assert hasattr(source, taken.name), where
                found = getattr(source, taken.name)
                if isinstance(found, ModuleType):
                    modules[taken.asname or taken.name] = found
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            where = f"{name}:{node.lineno}: {node.value.id} has no {node.attr}"
            assert module is None or hasattr(module, node.attr), where


def test_scripts_have_names_of_their_own() -> None:
    """Scripts import each other by bare names: of two with one name, the first wins."""
    names = [path.stem for path in (ROOT / "deploy").rglob("*.py") if path.stem != "__main__"]
    assert sorted(set(names)) == sorted(names), "two scripts under deploy/ have the same name"


def test_the_project_speaks_of_itself_alone() -> None:
    """No registry's address and no absolute path of one machine is in a file."""
    address = re.compile(
        "py" + r"pi\.org|python" + r"hosted|registry\.npm" + "js|deb" + r"\.debian"
    )
    suffixes = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".lock", ".txt", ""}
    tops = [path for path in ROOT.iterdir() if path.name == ".ci" or path.name[0] != "."]
    for path in (path for top in tops for path in (top, *top.rglob("*"))):
        if path.suffix in suffixes and path.is_file() and path.stat().st_size < 1_000_000:
            found = address.search(path.read_text(encoding="utf-8", errors="replace"))
            assert not found, f"{path.relative_to(ROOT)} names a package registry: {found}"
