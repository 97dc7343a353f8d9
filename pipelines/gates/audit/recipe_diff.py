"""What differs between two declarations, one line for each difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.core.records import canonical_json, sha256_text


def recipe_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Differences between two declarations as JSON, by dotted path.

    Lists of parts that have names (features) are compared by name, so that an insertion is one
    line and not a line for each part behind it.

    >>> recipe_changes({"split": {"train": "84d"}}, {"split": {"train": "28d"}})
    ('split.train: "84d" -> "28d"',)
    """
    return tuple(_changes("", before, after))


def _changes(path: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    old, new = _named(before), _named(after)
    if old is None or new is None:
        yield f"{path}: {_short(before)} -> {_short(after)}"
        return
    for key in [*old, *(key for key in new if key not in old)]:
        inner = f"{path}.{key}" if path else key
        if key not in new:
            yield f"{inner}: removed"
        elif key not in old:
            yield f"{inner}: added {_short(new[key])}"
        else:
            yield from _changes(inner, old[key], new[key])


def _named(value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    if isinstance(value, list | tuple) and value and all(_name(part) for part in value):
        names = {_name(part): part for part in value}
        return names if len(names) == len(value) else None
    return None


def _name(part: Any) -> str:
    return str(part.get("name") or part.get("column") or "") if isinstance(part, Mapping) else ""


def _short(value: Any) -> str:
    if isinstance(value, str) and "\n" in value:  # a module of own code
        return f"{len(value.splitlines())} lines, sha256 {sha256_text(value)[:12]}"
    text = canonical_json(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
