"""Text from outside is quoted in one module for each language; see ``pipelines.core.markup``."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("pipelines", "plugins", "dags")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# What quotes text, and the modules that may use it.
QUOTING = {
    "html": {"pipelines/core/markup.py"},
    "html.escape": {"pipelines/core/markup.py"},
    "xml.sax.saxutils": set(),
    "markupsafe": set(),
    "rich.markup": set(),
    "urllib.parse.quote": {"pipelines/core/markup.py"},
    "urllib.parse.quote_plus": set(),
    "urllib.parse.urlencode": set(),
}
SQL = "pipelines/data/canonical.py"
MARKS = {'"': "SQL names", "'": "SQL text", "`": "Markdown code"}


def quoting(tree: ast.AST) -> Iterator[str]:
    """Modules and functions that a file imports or calls in order to quote."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in QUOTING)
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{one.name}" for one in node.names} | {str(node.module)}
            yield from sorted(names & QUOTING.keys())


def own_quoting(tree: ast.AST) -> Iterator[str]:
    """Quotes that are put into text by ``replace``."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="replace"), args=[ast.Constant(value=mark), *_]):
                if mark in MARKS:
                    yield MARKS[str(mark)]


def test_text_is_quoted_in_one_module_for_each_language() -> None:
    for path in SOURCES:
        name, tree = str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))
        others = [one for one in quoting(tree) if name not in QUOTING[one]]
        assert not others, f"{name}: use pipelines.core.markup or pipelines.cli.markup: {others}"
        if name != SQL:
            assert not [*own_quoting(tree)], f"{name}: use {SQL} or pipelines.core.markup"


def test_every_console_prints_codes_of_emoji_as_they_are() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Console" | "Output"), keywords=given):
                    off = ("emoji", "Constant(value=False)")
                    assert off in [(one.arg, ast.dump(one.value)) for one in given], path
