"""Mutated declarations and suites: either they load, or one error names what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.errors import SpecError
from pipelines.quality.suite import load_suite
from pipelines.spec.load import load_model

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "models" / "demand.yaml").read_text(encoding="utf-8")
TREE: dict[str, Any] = yaml.safe_load(TEXT)
SUITE: dict[str, Any] = json.loads((ROOT / "expectations" / "demand.json").read_bytes())
SPEC = load_model(ROOT / "models" / "demand.yaml")
FEW = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

TOKENS = [
    "", "~", "no", "on", "0", "-1", "1e999", "0123", "12:30", ".nan", "!!int abc", "&a", "*a",
    "<<: *a", "{", "}", "[", "]", ": ", "- ", "---", "\t", "\0", "\n", "'", '"\\ud800"', "?", "0d",
    "1s", "999999999d", "99999999999d", "2025-99-99", "0001-01-01T00:00:00+01:00", "../x", "#", "|",
]  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from([
        "0d", "1s", "100000d", "9" * 400 + "d", "x" * 300, "[/bold]", "../x", "event_time", "Label",
        "count", "@hourly", "* * * * *", "61 * * * *", 10**400, -1, 0, 1e308, "Mars/Base", "é",
        "sklearn.x", "sklearn..", "pharmacy / 0", "pharmacy ** 9", "(" * 300,
    ]),
    st.just([]),
    st.just({}),
    st.lists(st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=8), st.integers(), max_size=2),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, tree: Any) -> Any:
    """The tree with a few of its parts replaced, removed or repeated."""
    copy = json.loads(json.dumps(tree))
    for _ in range(draw(st.integers(1, 3))):
        node = copy
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and draw(st.integers(0, 3)):
                node = node[key]
                continue
            change = draw(st.sampled_from(["replace", "remove", "rename", "repeat"]))
            if change == "remove":
                del node[key]
            elif change == "repeat" and isinstance(node, list):
                node.append(node[key])
            elif change == "rename" and isinstance(node, dict):
                node[draw(st.text(max_size=70))] = node.pop(key)
            else:
                node[key] = draw(VALUES)
            break
    return copy


def loads_or_is_refused(path: Path, load: Callable[[Path], object]) -> None:
    """Any exception but ``SpecError`` fails the test."""
    message = str(path)
    try:
        load(path)
    except SpecError as error:
        message = str(error)
    assert str(path) in message.encode().decode()


@FEW
@given(tree=mutated(TREE))
def test_a_changed_declaration_loads_or_is_refused_by_name(tree: Any, tmp_path: Path) -> None:
    path = tmp_path / "demand.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), "utf-8", "replace")
    loads_or_is_refused(path, load_model)


@FEW
@given(data=st.data())
def test_a_declaration_with_inserted_text_loads_or_is_refused_by_name(
    data: st.DataObject, tmp_path: Path
) -> None:
    text = TEXT
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.integers(0, 12))
        text = text[:start] + data.draw(st.sampled_from(TOKENS)) + text[end:]
    path = tmp_path / "demand.yaml"
    path.write_text(text, encoding="utf-8")
    loads_or_is_refused(path, load_model)


@FEW
@given(suite=mutated(SUITE))
def test_a_changed_suite_loads_or_is_refused_by_name(suite: Any, tmp_path: Path) -> None:
    path = tmp_path / "demand.json"
    path.write_text(json.dumps(suite), encoding="utf-8")
    loads_or_is_refused(path, lambda path: load_suite(path, SPEC))


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 10_000, b"- a: b", b"null", b"{}"])
def test_a_file_that_is_no_declaration_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "demand.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"demand\.yaml"):
        load_model(path)
