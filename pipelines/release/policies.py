"""Numbered policies: which gates have to pass, and which findings each of them has to bring."""

from __future__ import annotations

from typing import Literal

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Gate
from pipelines.core.records import Record

Case = Literal["first_version", "offline", "rollout"]
BOTH: tuple[Case, ...] = ("first_version", "offline")
ALL: tuple[Case, ...] = (*BOTH, "rollout")
OFFLINE: tuple[Case, ...] = ("offline", "rollout")


class GateRequirement(Record):
    """A gate that has to pass. ``needs`` are findings it must bring, by name or its beginning.

    A need that any of several findings meets names them all: ``recent_window.primary|...``.
    """

    gate: Gate
    cases: tuple[Case, ...] = BOTH
    required_findings: tuple[str, ...] = ()


class Policy(Record):
    """A numbered set of demands. Never edited once a decision was made under it."""

    version: str
    requirements: tuple[GateRequirement, ...]


POLICIES = {
    policy.version: policy
    for policy in (
        Policy(
            version="1",
            requirements=(
                GateRequirement(gate=Gate.CONTRACT, required_findings=("contract.suite",)),
                GateRequirement(
                    gate=Gate.CONTRACT,
                    cases=("offline",),
                    required_findings=("contract.envelope",),
                ),
                GateRequirement(gate=Gate.AVAILABILITY),
                GateRequirement(
                    gate=Gate.RECENT_WINDOW,
                    cases=("first_version",),
                    required_findings=("recent_window.baseline",),
                ),
                GateRequirement(
                    gate=Gate.RECENT_WINDOW,
                    cases=("offline",),
                    required_findings=("recent_window.primary",),
                ),
            ),
        ),
        # A year's error budget; a refresh of the champion's recipe may pass without being better.
        Policy(
            version="2",
            requirements=(
                GateRequirement(gate=Gate.CONTRACT, required_findings=("contract.suite",)),
                GateRequirement(
                    gate=Gate.CONTRACT,
                    cases=("offline",),
                    required_findings=("contract.envelope",),
                ),
                GateRequirement(gate=Gate.AVAILABILITY),
                GateRequirement(
                    gate=Gate.RECENT_WINDOW,
                    cases=("first_version",),
                    required_findings=("recent_window.baseline",),
                ),
                GateRequirement(
                    gate=Gate.RECENT_WINDOW,
                    cases=("offline",),
                    required_findings=("recent_window.primary|recent_window.refresh",),
                ),
                GateRequirement(
                    gate=Gate.BUDGET, cases=("offline",), required_findings=("budget.spent",)
                ),
            ),
        ),
        # Where a rollout is declared, the canary promotes and the offline gates only admit to it.
        Policy(
            version="3",
            requirements=(
                GateRequirement(
                    gate=Gate.CONTRACT, cases=ALL, required_findings=("contract.suite",)
                ),
                GateRequirement(
                    gate=Gate.CONTRACT, cases=OFFLINE, required_findings=("contract.envelope",)
                ),
                GateRequirement(gate=Gate.AVAILABILITY, cases=ALL),
                GateRequirement(
                    gate=Gate.RECENT_WINDOW,
                    cases=("first_version",),
                    required_findings=("recent_window.baseline",),
                ),
                GateRequirement(
                    gate=Gate.RECENT_WINDOW,
                    cases=OFFLINE,
                    required_findings=("recent_window.primary|recent_window.refresh",),
                ),
                GateRequirement(
                    gate=Gate.BUDGET, cases=OFFLINE, required_findings=("budget.spent",)
                ),
                GateRequirement(
                    gate=Gate.CANARY, cases=("rollout",), required_findings=("canary.primary",)
                ),
            ),
        ),
    )
}
CURRENT = POLICIES["3"]


def policy_of(version: str) -> Policy:
    """The policy with this version.

    Raises:
        IntegrityError: this program does not know it.
    """
    if version not in POLICIES:
        raise IntegrityError(
            "a decision was made under a policy that this program does not have",
            got=f"policy {version!r}",
            wanted=f"one of {sorted(POLICIES)}",
            hint="replay it with the release of Gauntlet that made the decision",
        )
    return POLICIES[version]
