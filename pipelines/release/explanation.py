"""Why a decision was made, in the sentences of its findings instead of their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipelines.core.counts import counted
from pipelines.core.findings import Finding, Verdict, reasons_against
from pipelines.release.ledger import Entry
from pipelines.release.policy import Decision, GateVerdict

MOST_SENTENCES = 2  # of one gate


def explain_decision(decision: Decision, findings: Sequence[Finding]) -> tuple[str, ...]:
    """One sentence or a few for each reason of a decision.

    The reasons in the ledger name findings, because a replay has to reproduce them. Here, each gate
    that did not pass gives the reasons of its findings. Findings with the same reason count as one:
    a feed that stopped fails every check of its stream.

    Arguments:
        decision: the decision.
        findings: all findings that it is based on.
    """
    gates = {gate.gate.value: gate for gate in decision.gates if gate.verdict is not Verdict.PASS}
    found: list[str] = []
    for reason in decision.reasons:
        gate = gates.get(reason.partition(":")[0])
        if gate is None or not gate.not_passed:
            found.append(reason)
        else:
            found += _sentences(gate, findings)
    return tuple(dict.fromkeys(found))


def explain_entry(entry: Entry) -> tuple[str, ...]:
    """The reasons of an entry; those of a judgement in sentences."""
    return explain_decision(entry.decision, entry.findings) if entry.decision else entry.reasons


def _sentences(gate: GateVerdict, findings: Sequence[Finding]) -> Iterator[str]:
    """The reasons of a gate's findings that count and did not pass, the worst first."""
    names = set(gate.not_passed)
    reasons = reasons_against(one for one in findings if one.name in names)
    yield from reasons[:MOST_SENTENCES]
    left = len(reasons) - MOST_SENTENCES
    if left > 0:
        yield f"{counted(left, 'more check')} of {gate.gate} did not pass"
