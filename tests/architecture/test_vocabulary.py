"""One word for one thing, and the field's word: words that names and prose must not use."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("pipelines", "dags", "plugins", "deploy", "benchmarks", "tests")
SOURCES = sorted(
    path
    for folder in CODE
    for path in (ROOT / folder).rglob("*.py")
    if path != Path(__file__)  # it names the banned words
)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

# Words that a name must not contain, with the word to use instead.
BANNED_NAMES = {
    "asked": "requested, required",
    "asking": "requesting",
    "beside": "challenger, alongside",
    "desk": "endpoint",
    "dossier": "inputs",
    "elsewhen": "offset",
    "exam": "evaluation",
    "exams": "evaluations",
    "glance": "check",
    "nobody": "none",
    "presence": "availability",
    "said": "reported, text",
    "says": "reports",
    "seen": "observed",
    "somebody": "user",
    "spoken": "text",
    "standing": "current",
    "stands": "status",
    "stood": "was",
    "tell": "report, log",
    "tells": "reports",
    "thinned": "subsample",
    "told": "reported, summary",
    "who": "entities, units",
    "whoever": "user",
    "whom": "entity",
}

# Phrases that prose must not contain: docstrings, comments, messages and pages.
BANNED_PROSE = {
    "he": r"\b[Hh]e\b",
    "him": r"\b[Hh]im(?:self)?\b",
    "his": r"\b[Hh]is\b",
    "is told": r"\b(?:is|are|was|were|be) told\b",
    "nobody": r"\b[Nn]obody\b",
    "somebody": r"\b[Ss]omebody\b",
    "whoever": r"\b[Ww]hoever\b",
    "whom": r"\b[Ww]hom\b",
}


def split(name: str) -> list[str]:
    """The words of an identifier, in lower case.

    >>> split("RetrainReport"), split("_is_told")
    (['retrain', 'report'], ['is', 'told'])
    """
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return [part.lower() for part in parts]


def defined(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each definition: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def named() -> Iterator[tuple[str, str]]:
    """Each banned word that a name has, and where."""
    for path in SOURCES:
        place = path.relative_to(ROOT)
        names = [(1, place.stem), *defined(ast.parse(path.read_text(encoding="utf-8")))]
        for line, name in names:
            for word in BANNED_NAMES.keys() & set(split(name)):
                yield word, f"{place}:{line} {name}"


def written() -> Iterator[tuple[str, str]]:
    """Each banned phrase in a source file or a page, and where."""
    for path in [*SOURCES, *PAGES]:
        place = path.relative_to(ROOT)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for phrase, pattern in BANNED_PROSE.items():
                if re.search(pattern, line):
                    yield phrase, f"{place}:{number} {line.strip()[:80]}"


def by_word(found: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = {}
    for word, place in found:
        places.setdefault(word, []).append(place)
    return places


def test_names_use_the_words_of_the_field() -> None:
    report = [
        f"{word!r}; use {BANNED_NAMES[word]}:\n  " + "\n  ".join(places[:20])
        for word, places in sorted(by_word(named()).items())
    ]
    assert not report, "\n".join(report)


def test_prose_is_plain() -> None:
    report = [
        f"{word!r}:\n  " + "\n  ".join(places[:20])
        for word, places in sorted(by_word(written()).items())
    ]
    assert not report, "\n".join(report)
