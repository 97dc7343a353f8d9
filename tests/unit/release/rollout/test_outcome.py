"""The words for the end of a trial come from the ledger's findings and from nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.release.ledger import NewEntry
from pipelines.release.rollout.outcome import rollout_outcome
from pipelines.release.rollout.transition import Stage, Transition


def found(name: str, verdict: Verdict, gate: Gate = Gate.CANARY) -> Finding:
    return Finding(gate=gate, name=f"{gate}.{name}", verdict=verdict, reason="measured")


def entry(*findings: Finding, stage: Stage = Stage.ENDED) -> NewEntry:
    return NewEntry(
        model="demand",
        kind="rollout",
        run="run.ended.0",
        as_of=datetime(2026, 3, 2, tzinfo=UTC),
        champion_before="1",
        champion_after="1",
        reasons=("harm is shown, rolled back",),
        findings=findings,
        transition=Transition(challenger="2", stage=stage, salt="spring"),
    )


HARM = found("harm.packs_sold.region.north", Verdict.FAIL)
UNEQUAL = found("sample_ratio.assigned", Verdict.FAIL)


@pytest.mark.parametrize(
    ("findings", "wanted"),
    [
        ((HARM,), "rolled back"),
        ((HARM, UNEQUAL), "void"),
        ((found("primary", Verdict.PASS), found("guardrail.errors", Verdict.FAIL)), "inconclusive"),
        ((found("harm.errors", Verdict.NO_DATA),), "inconclusive"),
        ((found("realised_gain", Verdict.INCONCLUSIVE),), "kept"),
        ((found("errors", Verdict.FAIL, Gate.SHADOW),), "failed in shadow"),
        ((found("requests", Verdict.NO_DATA, Gate.SHADOW),), "failed in shadow"),
        ((), "void"),
    ],
)
def test_how_it_ended(findings: tuple[Finding, ...], wanted: str) -> None:
    assert rollout_outcome(entry(*findings)) == wanted


def test_what_goes_on_has_not_ended() -> None:
    assert rollout_outcome(entry(HARM, stage=Stage.CANARY)) == ""
