"""Regular expressions of Python, written for RE2 where both mean the same.

DuckDB matches with RE2, whose syntax is nearly that of Python's ``re``. But its ``\\w``, ``\\d``
and ``\\s`` know ASCII only, its ``$`` does not match before a last line break, and ``[[:alpha:]]``
is a class. A pattern is therefore parsed by Python and written anew, with characters as numbers.
"""

from __future__ import annotations

import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_CLASSES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}
_LINE_BREAK = r"\x{a}"


class _Unequal(Exception):  # noqa: N818
    """A part of a pattern means something else in RE2, or nothing."""


def re2_pattern(pattern: str) -> str | None:
    """Write a pattern of Python for RE2, for a search that returns only whether there is a match.

    Arguments:
        pattern: as for ``re.search``.

    Returns:
        The pattern for RE2; ``None`` if RE2 cannot decide the same, as with lookaheads,
        backreferences, word boundaries and flags such as ``(?i)``, or if Python refuses it.
    """
    try:
        parsed = parser.parse(pattern)
        if parsed.state.flags != re.UNICODE:
            return None
        written = _sequence(parsed, last=True)
        pc.match_substring_regex(pa.array([""]), written)  # RE2 limits the size of a pattern
    except (re.error, _Unequal, pa.ArrowInvalid, OverflowError, RecursionError):
        return None
    return written


def _sequence(parts: Any, last: bool) -> str:
    """Write the parts of a pattern; ``last`` if nothing of the whole pattern follows them."""
    final = len(parts) - 1
    return "".join(
        _part(kind, argument, last and index == final)
        for index, (kind, argument) in enumerate(parts)
    )


def _part(kind: Any, argument: Any, last: bool) -> str:
    written = _WRITERS.get(kind)
    if written is None:
        raise _Unequal
    return written(argument, last)


def _group(argument: Any, last: bool) -> str:
    _, added_flags, removed_flags, body = argument
    if added_flags or removed_flags:
        raise _Unequal
    return f"(?:{_sequence(body, last)})"


def _branches(argument: Any, last: bool) -> str:
    return f"(?:{'|'.join(_sequence(branch, last) for branch in argument[1])})"


def _repeat(argument: Any, _: bool) -> str:
    """A repeat, greedy or not: whether there is a match does not depend on it."""
    least, most, body = argument
    limit = "" if most is op.MAXREPEAT else most
    return f"(?:{_sequence(body, last=False)}){{{least},{limit}}}"


def _anchor(argument: Any, last: bool) -> str:
    if argument in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return r"\A"
    if argument is op.AT_END_STRING:
        return r"\z"
    if argument is op.AT_END and last:  # it may consume the line break: nothing follows
        return rf"{_LINE_BREAK}?\z"
    raise _Unequal


def _set(members: Any, _: bool) -> str:
    negated = "^" if members[0][0] is op.NEGATE else ""
    return f"[{negated}{''.join(_member(kind, value) for kind, value in members)}]"


def _member(kind: Any, value: Any) -> str:
    if kind is op.NEGATE:
        return ""
    if kind is op.LITERAL:
        return _character(value)
    if kind is op.RANGE:
        return f"{_character(value[0])}-{_character(value[1])}"
    if kind is op.CATEGORY and value in _CLASSES:
        return _class(_CLASSES[value])
    raise _Unequal


def _character(code: int) -> str:
    return f"\\x{{{code:x}}}"


@cache
def _class(name: str) -> str:
    """The ranges of all characters that Python counts to a class such as ``\\w``."""
    matches = re.compile(name).match
    inside = [code for code in range(sys.maxunicode + 1) if matches(chr(code))]
    gaps = [(before, after) for before, after in pairwise(inside) if after != before + 1]
    starts = [inside[0], *(after for _, after in gaps)]
    ends = [*(before for before, _ in gaps), inside[-1]]
    return "".join(
        f"{_character(start)}-{_character(end)}" for start, end in zip(starts, ends, strict=True)
    )


_WRITERS: dict[Any, Callable[[Any, bool], str]] = {
    op.LITERAL: lambda code, _: _character(code),
    op.NOT_LITERAL: lambda code, _: f"[^{_character(code)}]",
    op.ANY: lambda *_: f"[^{_LINE_BREAK}]",
    op.IN: _set,
    op.BRANCH: _branches,
    op.SUBPATTERN: _group,
    op.MAX_REPEAT: _repeat,
    op.MIN_REPEAT: _repeat,
    op.AT: _anchor,
}
