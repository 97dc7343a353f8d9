"""Reads a YAML file as nodes, which have their file and line, and refuses what is ambiguous.

YAML 1.1 and 1.2 read some plain texts differently: ``no`` is false or a text, ``12:30`` is 750 or a
text, ``0123`` is 83 or 123. Those are errors, and the message says what to write instead. A plain
date is a text. A key that occurs twice in a mapping is an error, too: YAML readers keep the last.

The size of a file, its depth and the number of its nodes (with aliases expanded) are limited, so
that a hostile file is refused before it costs anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from pipelines.core.errors import SpecError

LARGEST_FILE = 1 << 20  # bytes; a declaration with a thousand features has 130,000
MOST_NODES = 100_000
DEEPEST = 40
_PREFIX = "tag:yaml.org,2002:"
_LARGEST_INTEGER = 2**63 - 1
_KINDS = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "float": re.compile(
        r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)"
    ),
}
_AMBIGUOUS = {
    "yes and no are booleans to some readers": r"(?i:yes|no|on|off)",
    "numbers that begin with 0 are octal to some readers": r"[-+]?0[0-9xXoObB][0-9a-fA-F_]*",
    "some readers ignore _ in numbers": r"[-+]?[0-9][0-9]*_[0-9_]*(\.[0-9_]*)?",
    "numbers with : are of base 60 to some readers": r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?",
    "it is not a finite number": r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}
_TEXT = re.compile("[\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


class _Refused(yaml.MarkedYAMLError):
    """A part of a file that is well-formed YAML and not accepted."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    """Composes nodes by the rules of YAML 1.2, within the limits."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name
        self._depth = self._count = 0
        self._sizes: dict[int, int] = {}  # nodes below each finished node, with aliases expanded

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node, counted; aliases count as often as they occur."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark, alias = event.start_mark, isinstance(event, yaml.AliasEvent)
        before = self._count
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Refused(f"the file is nested more than {DEEPEST} levels deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if alias and id(node) not in self._sizes:
            raise _Refused("an alias refers to a part that contains it", mark)
        self._count += self._sizes[id(node)] if alias else 1
        self._sizes.setdefault(id(node), self._count - before)
        if self._count > MOST_NODES:
            raise _Refused(f"the file has more than {MOST_NODES:,} values", mark)
        return node

    def compose_scalar_node(self, anchor: Any) -> Any:
        """The next scalar, which has one meaning."""
        node = super().compose_scalar_node(anchor)
        if problem := _scalar_problem(node):
            raise _Refused(problem, node.start_mark)
        return node

    def compose_sequence_node(self, anchor: Any) -> Any:
        """The next list."""
        return _of_kind("seq", super().compose_sequence_node(anchor))

    def compose_mapping_node(self, anchor: Any) -> Any:
        """The next mapping, without repeated keys, and with the entries that ``<<`` merges."""
        node = _of_kind("map", super().compose_mapping_node(anchor))
        keys: dict[tuple[type, Any], yaml.Node] = {}
        for key, _value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("a key is a list or a mapping", key.start_mark)
            first = keys.setdefault(_key(key), key)
            if first is not key:
                raise _Refused(
                    f"the key {key.value!r} occurs twice, first in line "
                    f"{first.start_mark.line + 1}",
                    key.start_mark,
                )
        own = []
        for key, value in node.value:
            if key.tag != _PREFIX + "merge":
                own.append((key, value))
                continue
            for one in _merged(value):
                if _key(one[0]) not in keys:
                    keys[_key(one[0])] = one[0]
                    own.append(one)
        node.value = own
        return node


for _kind, _pattern in (*_KINDS.items(), ("merge", re.compile("<<"))):
    _Loader.add_implicit_resolver(_PREFIX + _kind, re.compile(f"({_pattern.pattern})\\Z"), None)


def read_nodes(path: Path) -> yaml.Node | None:
    """The file as YAML nodes, whose marks contain its path; ``None`` for an empty file.

    Raises:
        SpecError: when the file cannot be read, is too large, or is not unambiguous YAML in UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as cause:
        raise _error(str(path), cause.strerror or str(cause)) from cause
    if len(content) > LARGEST_FILE:
        raise _error(str(path), f"the file is larger than {LARGEST_FILE:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = content[: cause.start].count(b"\n") + 1
        raise _error(f"{path}:{line}", f"the file is not UTF-8: {cause.reason}") from cause
    try:
        node: yaml.Node | None = _Loader(text, str(path)).get_single_node()
    except ReaderError as cause:
        line = text[: cause.position].count("\n") + 1
        got = f"the file contains the control character U+{cause.character:04X}"
        raise _error(f"{path}:{line}", got) from cause
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        problem = ", ".join(part for part in (cause.context, cause.problem) if part)
        raise _error(f"{path}:{mark.line + 1}" if mark else str(path), problem) from cause
    return node


def value_of(node: yaml.Node | None) -> Any:
    """The value of a node from ``read_nodes``."""
    if isinstance(node, yaml.MappingNode):
        return {value_of(key): value_of(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value_of(each) for each in node.value]
    return None if node is None else _scalar(node)


def place_of(node: yaml.Node) -> str:
    """File and line of a node's start."""
    return f"{node.start_mark.name}:{node.start_mark.line + 1}"


def entry(node: Any, key: str) -> Any:
    """The node under a key of a mapping node; ``None`` without such a node."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _scalar(node: yaml.Node) -> bool | int | float | str | None:
    kind, text = node.tag.removeprefix(_PREFIX), str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    return int(text) if kind == "int" else float(text) if kind == "float" else text


def _scalar_problem(node: yaml.ScalarNode) -> str:
    """Why a scalar is not accepted; empty when it is."""
    kind, text = node.tag.removeprefix(_PREFIX), node.value
    shown = repr(text[:40])
    if not _TEXT.fullmatch(text):
        return f"the text {shown} contains a control character"
    if kind in _KINDS:
        return _typed_problem(kind, text, shown)
    if kind not in ("str", "merge"):
        return f"the tag {node.tag} is not supported"
    for why, pattern in _AMBIGUOUS.items():
        if node.style is None and kind == "str" and re.fullmatch(pattern, text):
            return f"{shown} is not accepted here: {why}; {_remedy(text)}"
    return ""


def _typed_problem(kind: str, text: str, shown: str) -> str:
    """Why a text is not a value of its kind; empty when it is."""
    if not _KINDS[kind].fullmatch(text):
        return f"{shown} has the tag !!{kind} and is none"
    large = kind == "int" and (len(text) > 20 or abs(int(text)) > _LARGEST_INTEGER)
    if large or (kind == "float" and abs(float(text)) == float("inf")):
        return f"the number {shown} is too large"
    return ""


def _remedy(text: str) -> str:
    other = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(text.lower())
    return f"write '{text}' in quotes for the text" + (f", or {other}" if other else "")


def _of_kind(kind: str, node: yaml.Node) -> yaml.Node:
    if node.tag != _PREFIX + kind:
        raise _Refused(f"the tag {node.tag} is not supported", node.start_mark)
    return node


def _key(node: yaml.Node) -> tuple[type, Any]:
    value = _scalar(node)
    return type(value), value


def _merged(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """The entries of the mapping, or mappings, under a ``<<`` key."""
    for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        if not isinstance(each, yaml.MappingNode):
            raise _Refused("<< merges mappings only", each.start_mark)
        yield from each.value


def _error(where: str, got: str) -> SpecError:
    return SpecError("cannot read YAML", where=where, got=got)
