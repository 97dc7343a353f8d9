"""YAML that is read, and YAML that is refused with its line: ambiguous, hostile, or no YAML."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import SpecError
from pipelines.spec.yaml_source.yaml_file import LARGEST_FILE, read_nodes, value_of


def read(folder: Path, content: str | bytes) -> Any:
    path = folder / "file.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return value_of(read_nodes(path))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("\ufeffa: 1", {"a": 1}),
        ("a: [1, -2.5, 1e-3, .5, 2., ~, True]", {"a": [1, -2.5, 1e-3, 0.5, 2.0, None, True]}),
        ("a: 2025-10-20", {"a": "2025-10-20"}),
        ("a: 2025-99-99", {"a": "2025-99-99"}),
        ("a: ['no', \"0123\", '12:30']", {"a": ["no", "0123", "12:30"]}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("a: !!str 12", {"a": "12"}),
    ],
)  # fmt: skip
def test_plain_yaml_is_read(text: str, value: Any, tmp_path: Path) -> None:
    assert read(tmp_path, text) == value


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "'a' occurs twice, first in line 1"),
        ("a:\n  x: 1\n  'x': 2", 3, "'x' occurs twice, first in line 2"),
        ("a: {x: 1, x: 2}", 1, "'x' occurs twice"),
        ("<<: {a: 1}\n<<: {b: 1}", 2, "occurs twice"),
        ("a: 1\nb: no", 2, "write 'no' in quotes for the text, or false"),
        ("on: 1", 1, "'on' is not accepted here"),
        ("a: [SE, NO]", 1, "'NO' is not accepted here"),
        ("a: 12:30:00", 1, "base 60"),
        ("a: 0123", 1, "octal"),
        ("a: 0o17", 1, "octal"),
        ("a: 1_000", 1, "ignore _"),
        ("a: .nan", 1, "not a finite number"),
        ("a: 1e999", 1, "too large"),
        ("a: " + "9" * 5000, 1, "too large"),
        ("a: !!int abc", 1, "is none"),
        ("a: !!python/object:os.system x", 1, "not supported"),
        ("a: !!binary eA==", 1, "not supported"),
        ("a: !!set {x}", 1, "not supported"),
        ("a: 1\nb: *x", 2, "undefined alias"),
        ("a: &x [*x]", 1, "contains it"),
        ("? [a]\n: b", 1, "a key is a list"),
        ("a: 1\n---\nb: 2", 2, "another document"),
        ("a:\n - [", 2, "while parsing"),
        ("a: 1\nb: \0", 2, "control character U+0000"),
        ('a: "\\0"', 1, "control character"),
        ('a: "\\ud800"', 1, "control character"),
        ("[" * 10_000, 1, "nested more than"),
        ("- " * 10_000, 1, "nested more than"),
    ],
)
def test_anything_else_is_refused_with_its_line(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    assert caught.value.where == f"{tmp_path / 'file.yaml'}:{line}"
    assert message in caught.value.got
    str(caught.value).encode()


def test_aliases_count_as_often_as_they_occur(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)
    )
    with pytest.raises(SpecError, match="more than 100,000 values"):
        read(tmp_path, bomb)


def test_a_file_that_is_too_large_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="larger than"):
        read(tmp_path, b"#" * (LARGEST_FILE + 1))
    with pytest.raises(SpecError, match="not UTF-8"):
        read(tmp_path, b"a: \xff")
    with pytest.raises(SpecError, match="No such file"):
        read_nodes(tmp_path / "absent.yaml")
    with pytest.raises(SpecError, match="directory"):
        read_nodes(tmp_path)
