"""JSON that is read, and JSON that is refused with its line."""

import pytest

from pipelines.core.json_text import MOST_BYTES, JsonError, read_json


def test_plain_json_is_read() -> None:
    assert read_json(
        b'\xef\xbb\xbf{"a": [1, 2.5, null, true, "\\ud83d\\ude00"], "b": {"a": 1}}'
    ) == {
        "a": [1, 2.5, None, True, "\U0001f600"],
        "b": {"a": 1},
    }


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('{\n"a": 1,\n"b": 2,\n"a": 3}', 4, '"a" occurs twice in one object, first in line 2'),
        ('{"x": {"a": "a", "a": 1}}', 1, '"a" occurs twice'),
        ('[{"a": 1}, {"b": ["a", "b"],\n"\\u0062": 2}]', 2, '"\\u0062" occurs twice'),
        ('{"a": 1,\n}', 2, "double quotes"),
        ('{"a": NaN}', None, "NaN is not a number"),
        ('{"a": -Infinity}', None, "-Infinity is not a number"),
        ('{"a": ' + "9" * 5000 + "}", None, "digits"),
        ('{"a": "\\ud800"}', None, "half of a surrogate pair"),
        ("[" * 100_000, None, "nested too deeply"),
        ("", 1, "Expecting value"),
    ],
)
def test_anything_else_is_refused(text: str, line: int | None, message: str) -> None:
    with pytest.raises(JsonError) as caught:
        read_json(text.encode())
    assert message in str(caught.value)
    assert caught.value.line == line


def test_bytes_that_are_no_text_or_too_many_are_refused() -> None:
    with pytest.raises(JsonError, match="not UTF-8"):
        read_json(b'{"a": "\xff"}')
    with pytest.raises(JsonError, match="longer"):
        read_json(b" " * (MOST_BYTES + 1))
