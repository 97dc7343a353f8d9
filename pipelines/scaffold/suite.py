"""The first suite of expectations: what holds for every row of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pipelines.scaffold.column_types import Column
from pipelines.scaffold.profile import FileProfile
from pipelines.scaffold.roles import Roles

_ROOM = 0.5  # of the range of the label that new values may lie outside of it
_MOSTLY = 0.99


def suite_text(name: str, stream: str, profile: FileProfile, roles: Roles) -> str:
    """The suite as JSON, in the form of Great Expectations.

    Keys, label and id are critical: a row without them stops a run. Ranges and categories warn.
    """
    suite = {
        "name": name,
        "meta": {"about": "Written by `gauntlet init`. Critical stops a run; warning is shown."},
        "expectations": list(_expectations(stream, profile, roles)),
    }
    return json.dumps(suite, indent=2, ensure_ascii=False) + "\n"


def _expectations(stream: str, profile: FileProfile, roles: Roles) -> Iterator[dict[str, Any]]:
    def expect(kind: str, severity: str, why: str, **kwargs: Any) -> dict[str, Any]:
        meta = {"stream": stream, "why": f"guess: {why}"}
        return {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity, "meta": meta}

    stored = [one for one in profile.columns if one.name not in _times(roles)]
    critical = {*roles.entity.value, *roles.id.value, roles.label.text}
    for one in stored:
        if not one.missing:
            yield expect(
                "column_values_to_not_be_null",
                "critical" if one.name in critical else "warning",
                "no row of the file lacks it",
                column=one.name,
            )
    if len(roles.id.value) == 1:
        yield expect(
            "column_values_to_be_unique",
            "critical",
            "no value is in the file twice",
            column=roles.id.value[0],
        )
    label = profile.column(roles.label.text)
    if label.is_number:
        low, high = _range(label)
        yield expect(
            "column_values_to_be_between",
            "warning",
            f"the file has {label.smallest} to {label.largest}",
            column=label.name,
            min_value=low,
            max_value=high,
            mostly=_MOSTLY,
        )
    for one in stored:
        if len(one.values) > 1:
            yield expect(
                "column_values_to_be_in_set",
                "warning",
                "the file has no other value",
                column=one.name,
                value_set=list(one.values),
                mostly=_MOSTLY,
            )


def _times(roles: Roles) -> set[str]:
    return {roles.event_time.text, roles.known_time.text}


def _range(label: Column) -> tuple[float, float]:
    low, high = float(label.smallest), float(label.largest)
    room = _ROOM * (high - low)
    return (0.0 if low >= 0 else low - room), high + room
