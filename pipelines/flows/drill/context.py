"""What all cells of a drill share: the champion, its data as of an instant, and the suites."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.core.findings import Finding, Verdict
from pipelines.flows.drill.event_copies import EventCopies
from pipelines.flows.retrain.run import RetrainCollaborators
from pipelines.packaging.version import ModelVersion
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan

INGESTION, TRAINING = "ingestion", "training"  # steps that refuse what they cannot use
CHECKS = (
    "suite",
    "envelope",
    "identity",
    "leak_probe",
    "recent_window",
    "online",
    "parity",
    "canary",
)
_ORDER = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.NO_DATA, Verdict.FAIL)


@dataclass(frozen=True)
class DrillContext:
    """An opened drill.

    Arguments:
        champion: the version whose data and recipe are drilled.
        as_of: the instant of the data.
        plan: training spans and recent window as of that instant.
        suite: the hand-written suite.
        envelope: of a version that was trained one lookback earlier.
        copies: the events.
        folder: for scratch files.
        collaborators: those of a retraining; ledger and registry are only read.
        checks: names of ``CHECKS`` that take part; tests leave some out.
    """

    champion: ModelVersion
    as_of: datetime
    plan: SplitPlan
    suite: Mapping[str, Any]
    envelope: Mapping[str, Any]
    copies: EventCopies
    folder: Path
    collaborators: RetrainCollaborators
    checks: frozenset[str] = frozenset(CHECKS)

    @property
    def spec(self) -> ModelSpec:
        """The champion's declaration."""
        return self.champion.spec

    @property
    def lookback(self) -> timedelta:
        """How long before as-of rows are fresh."""
        return self.spec.gates.contract.lookback


Verdicts = Mapping[str, Verdict]


def verdicts(findings: Iterable[Finding]) -> Verdicts:
    """The verdicts of blocking findings, by name."""
    return {one.name: one.verdict for one in findings if one.blocking}


def turned(findings: Iterable[Finding], without_fault: Verdicts) -> tuple[Finding, ...]:
    """The blocking findings that do not pass and have a worse verdict than without the fault."""
    return tuple(
        one
        for one in findings
        if one.blocking
        and _ORDER.index(one.verdict) > _ORDER.index(without_fault.get(one.name, Verdict.PASS))
    )


Checks = Mapping[str, Callable[[], Iterable[Finding]]]


def run_checks(chosen: frozenset[str], checks: Checks) -> tuple[Finding, ...]:
    """The findings of the checks that take part, in their order."""
    return tuple(finding for name, check in checks.items() if name in chosen for finding in check())
