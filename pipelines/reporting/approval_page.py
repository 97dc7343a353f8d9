"""The approval request for a version that awaits review, as a short page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from pipelines.core.counts import counted
from pipelines.core.findings import Finding, Gate
from pipelines.core.markup import markdown_text
from pipelines.core.records import Record
from pipelines.release.ledger import Entry
from pipelines.release.policy import Outcome
from pipelines.reporting.markdown import (
    SIGNS,
    interval_text,
    number,
    sentence,
    signed_number,
    table,
)

_DECIDES = ("primary", "baseline", "corrected_gain", "guardrail", "slice")


class ApprovalRequest(Record):
    """A version that awaits review, and the evidence hash that an answer has to name."""

    model: str
    version: str
    evidence: str = Field(description="Decision.evidence")
    page: str = Field(description="Markdown: what was found, gate by gate")


def approval_request(chain: Sequence[Entry], entry: Entry) -> ApprovalRequest:
    """The approval request for an entry that awaits review.

    Arguments:
        chain: a model's ledger, oldest first; earlier requests for the version are listed as void.
    """
    if entry.decision is None:
        raise ValueError("the entry has no decision")
    evidence, version = entry.decision.evidence, str(entry.candidate)
    champion = f"version {entry.champion_before}" if entry.champion_before else "no champion"
    bound = f"An answer counts for the evidence `{evidence}` and for no other."
    parts = [
        f"Version {version} of `{entry.model}` against {champion}. {bound}",
        *_void(chain, entry, evidence),
        table(("what", "", "gain", "interval", "wanted", "in words"), [*_rows(entry)]),
    ]
    page = "\n\n".join(parts)
    return ApprovalRequest(model=entry.model, version=version, evidence=evidence, page=page)


def _void(chain: Iterable[Entry], entry: Entry, evidence: str) -> Iterator[str]:
    """A note that earlier evidence hashes of the version were replaced."""
    former = dict.fromkeys(
        one.decision.evidence[:12]
        for one in chain
        if one.decision is not None
        and one.outcome == Outcome.AWAIT_REVIEW
        and one.candidate == entry.candidate
        and one.decision.evidence != evidence
    )
    if former:
        hashes = ", ".join(f"`{one}`" for one in former)
        yield f"**The evidence has changed: an answer for {hashes} does not count any more.**"


def _rows(entry: Entry) -> Iterator[tuple[str, ...]]:
    if entry.decision is None:
        raise ValueError("the entry has no decision")
    for kind in _DECIDES:
        for finding in entry.findings:
            if finding.gate is Gate.RECENT_WINDOW and finding.name.split(".")[1] == kind:
                yield _row(finding)
    for gate in entry.decision.gates:
        against = f"; not {', '.join(gate.not_passed)}" if gate.not_passed else ""
        waived = f"; waived: {', '.join(gate.waived)}" if gate.waived else ""
        result = f"{counted(gate.findings, 'check')}{against}{waived}"
        yield (
            f"gate {gate.gate.replace('_', ' ')}",
            SIGNS[gate.verdict],
            "",
            "",
            "",
            markdown_text(result),
        )


def _row(finding: Finding) -> tuple[str, ...]:
    return (
        markdown_text(" ".join(finding.name.split(".")[1:]).replace("_", " ")),
        SIGNS[finding.verdict] + ("" if finding.blocking else " (shown only)"),
        "" if finding.value is None else signed_number(finding.value),
        interval_text(finding.interval),
        "" if finding.threshold is None else number(finding.threshold),
        sentence(finding.reason),
    )
