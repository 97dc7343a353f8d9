"""Reads JSON that people write, and refuses what other readers would understand differently."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

MOST_BYTES = 10 << 20
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|\n', re.DOTALL)


class JsonError(ValueError):
    """JSON that is refused.

    Arguments:
        message: what is wrong.
        line: its line, from 1; ``None`` when it has none.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def read_json(content: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        JsonError: when it is no JSON, a key occurs twice in an object, a number is not finite, a
            text is not Unicode, or the whole is too large or too deep.
    """
    if len(content) > MOST_BYTES:
        raise JsonError(f"the text is longer than {MOST_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_not_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as cause:
        line = content[: cause.start].count(b"\n") + 1
        raise JsonError(f"the text is not UTF-8: {cause.reason}", line) from cause
    except UnicodeEncodeError as cause:
        raise JsonError("a text contains half of a surrogate pair") from cause
    except json.JSONDecodeError as cause:
        raise JsonError(cause.msg, cause.lineno) from cause
    except _RepeatedKey as cause:
        key, first, second = _first_repeated(text)
        problem = f"the key {key} occurs twice in one object, first in line {first}"
        raise JsonError(problem, second) from cause
    except RecursionError as cause:
        raise JsonError("the text is nested too deeply") from cause
    except ValueError as cause:  # a number of thousands of digits, or one that is not finite
        raise JsonError(str(cause).partition(";")[0]) from cause
    return value


class _RepeatedKey(Exception):  # noqa: N818 - never leaves this module
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _RepeatedKey
    return found


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _first_repeated(text: str) -> tuple[str, int, int]:
    """The first repeated key of valid JSON as it is written, and the lines of both."""
    keys: list[dict[str, int] | None] = []  # of each open object, by line; None for a list
    line, before = 1, ""
    for part in (match[0] for match in _TOKEN.finditer(text)):
        if part == "\n":
            line += 1
            continue
        if part in "{[":
            keys.append({} if part == "{" else None)
        elif part in "}]":
            keys.pop()
        elif part != "," and before in ("{", ",") and keys and (own := keys[-1]) is not None:
            name = str(json.loads(part))
            if name in own:
                return part, own[name], line
            own[name] = line
        before = part
    raise JsonError("a key occurs twice in one object")
