"""Numbered policies: which gates have to pass, and which findings each of them must contain.

Each policy is the one before it with some requirements added or replaced, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Gate
from pipelines.core.records import Record

Case = Literal["first_version", "offline", "rollout", "segments"]
Lane = Literal["change", "refresh", "emergency", "update"]
BOTH: tuple[Case, ...] = ("first_version", "offline")
ALL: tuple[Case, ...] = (*BOTH, "rollout")
OFFLINE: tuple[Case, ...] = ("offline", "rollout")
LANES: tuple[Lane, ...] = ("change", "refresh", "emergency", "update")
CHANGE: tuple[Lane, ...] = ("change",)
REFRESH: tuple[Lane, ...] = ("refresh",)
EMERGENCY: tuple[Lane, ...] = ("emergency",)
UPDATE: tuple[Lane, ...] = ("update",)


class GateRequirement(Record):
    """A gate that has to pass in some cases of some lanes.

    ``required_findings`` lists findings that it must contain, by name or prefix of the name. If
    any of several findings is enough, they are separated by bars: ``recent_window.primary|...``.
    """

    gate: Gate
    cases: tuple[Case, ...] = BOTH
    required_findings: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = LANES


class Policy(Record):
    """A numbered set of requirements. It is never edited after a decision was made under it."""

    version: str
    requirements: tuple[GateRequirement, ...]


def _requires(
    gate: Gate, finding: str = "", cases: tuple[Case, ...] = BOTH, lanes: tuple[Lane, ...] = LANES
) -> GateRequirement:
    names = (finding,) if finding else ()
    return GateRequirement(gate=gate, cases=cases, required_findings=names, lanes=lanes)


_Requirements = Mapping[str, GateRequirement]

_POLICY_1: _Requirements = {
    "suite": _requires(Gate.CONTRACT, "contract.suite"),
    "envelope": _requires(Gate.CONTRACT, "contract.envelope", ("offline",)),
    "availability": _requires(Gate.AVAILABILITY),
    "first version": _requires(Gate.RECENT_WINDOW, "recent_window.baseline", ("first_version",)),
    "comparison": _requires(Gate.RECENT_WINDOW, "recent_window.primary", ("offline",)),
}
_BETTER_OR_REFRESH = "recent_window.primary|recent_window.refresh"

# A year's error budget; a refresh of the champion's recipe may pass without being better.
_POLICY_2: _Requirements = {
    **_POLICY_1,
    "comparison": _requires(Gate.RECENT_WINDOW, _BETTER_OR_REFRESH, ("offline",)),
    "budget": _requires(Gate.BUDGET, "budget.spent", ("offline",)),
}

# Where a rollout is declared, the canary promotes; the offline gates only admit to it.
_POLICY_3: _Requirements = {
    **_POLICY_2,
    "suite": _requires(Gate.CONTRACT, "contract.suite", ALL),
    "envelope": _requires(Gate.CONTRACT, "contract.envelope", OFFLINE),
    "availability": _requires(Gate.AVAILABILITY, cases=ALL),
    "comparison": _requires(Gate.RECENT_WINDOW, _BETTER_OR_REFRESH, OFFLINE),
    "budget": _requires(Gate.BUDGET, "budget.spent", OFFLINE),
    "canary": _requires(Gate.CANARY, "canary.primary", ("rollout",)),
}

# Lanes: a changed recipe is shown to be better and pays for its try; a refresh is judged by what
# its champion's age costs; a champion that is worse than the naive forecast is replaced by any
# candidate that is better than both.
_POLICY_4: _Requirements = {
    **_POLICY_3,
    "comparison": _requires(Gate.RECENT_WINDOW, "recent_window.primary", OFFLINE, CHANGE),
    "budget": _requires(Gate.BUDGET, "budget.spent", OFFLINE, CHANGE),
    "harm": _requires(Gate.RECENT_WINDOW, "recent_window.maturity", OFFLINE, REFRESH),
    "refresh": _requires(Gate.REFRESH, "refresh.looks_better", OFFLINE, REFRESH),
    "canary": _requires(Gate.CANARY, "canary.primary", ("rollout",), CHANGE),
    "week": _requires(Gate.CANARY, "canary.primary|canary.refresh_week", ("rollout",), REFRESH),
    "better": _requires(Gate.RECENT_WINDOW, "recent_window.primary", OFFLINE, EMERGENCY),
    "useful": _requires(Gate.RECENT_WINDOW, "recent_window.baseline", OFFLINE, EMERGENCY),
}

# A first version with history is judged by a replay of past weeks instead of one recent window.
_BETTER_THAN_NAIVE = "recent_window.baseline|recent_window.replay"
_POLICY_5: _Requirements = {
    **_POLICY_4,
    "first version": _requires(Gate.RECENT_WINDOW, _BETTER_THAN_NAIVE, ("first_version",)),
}

# An update of the champion between retrainings: its harm is bounded, and nothing else is asked.
_POLICY_6: _Requirements = {
    **_POLICY_5,
    "harm of an update": _requires(Gate.RECENT_WINDOW, "recent_window.maturity", OFFLINE, UPDATE),
    "not worse": _requires(Gate.UPDATE, "update.not_worse", OFFLINE, UPDATE),
    "answers": _requires(Gate.UPDATE, "update.answers", OFFLINE, UPDATE),
    "labels": _requires(Gate.UPDATE, "update.labels", OFFLINE, UPDATE),
    "error": _requires(Gate.UPDATE, "update.error", OFFLINE, UPDATE),
}

# A canary that does not promote for all may promote for the segments that it shows to gain; offline
# the version passed what every challenger passes.
_POLICY_7: _Requirements = {
    **{
        name: one.model_copy(update={"cases": (*one.cases, "segments")})
        if "rollout" in one.cases and one.gate is not Gate.CANARY
        else one
        for name, one in _POLICY_6.items()
    },
    "segments": _requires(Gate.CANARY, "canary.segment_gain", ("segments",)),
}

_ALL = (
    ("1", _POLICY_1),
    ("2", _POLICY_2),
    ("3", _POLICY_3),
    ("4", _POLICY_4),
    ("5", _POLICY_5),
    ("6", _POLICY_6),
    ("7", _POLICY_7),
)
POLICIES = {
    version: Policy(version=version, requirements=tuple(requirements.values()))
    for version, requirements in _ALL
}
CURRENT = POLICIES["7"]


def policy_of(version: str) -> Policy:
    """The policy with this version.

    Raises:
        IntegrityError: this release does not have it.
    """
    if version not in POLICIES:
        raise IntegrityError(
            "a decision was made under a policy that this program does not have",
            got=f"policy {version!r}",
            wanted=f"one of {sorted(POLICIES)}",
            hint="replay it with the release of Gauntlet that made the decision",
        )
    return POLICIES[version]
