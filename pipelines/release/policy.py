"""The policy: a pure function from findings and facts to a decision.

A policy lists the gates that have to pass and the findings that each of them must contain. A table
of rules, evaluated from the top, turns the gates' verdicts into an outcome. To require another
gate, add a policy with a new version and one more ``GateRequirement``, and keep the old one: the
ledger replays old decisions under the policy that made them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import Field

from pipelines.core.findings import Finding, Gate, Verdict, overall
from pipelines.core.records import Instant, Record, digest_of
from pipelines.predictions.segments import segment_words
from pipelines.release.policies import CURRENT, Case, Lane, Policy


class Outcome(StrEnum):
    """The outcome for a candidate. Only the first two change the champion."""

    PROMOTE = "promote"
    FIRST_VERSION = "first_version"
    PROMOTE_SEGMENTS = "promote_segments"
    START_ROLLOUT = "start_rollout"
    AWAIT_REVIEW = "await_review"
    REJECT = "reject"
    HOLD = "hold"
    SUPERSEDED = "superseded"
    DRY_RUN = "dry_run"

    @property
    def moves(self) -> bool:
        """Whether the candidate becomes champion."""
        return self in (Outcome.PROMOTE, Outcome.FIRST_VERSION)

    @property
    def words(self) -> str:
        """What became of the candidate, for names and tags."""
        return _WORDS[self]


_WORDS = {
    Outcome.PROMOTE: "promoted",
    Outcome.FIRST_VERSION: "promoted",
    Outcome.PROMOTE_SEGMENTS: "promoted for segments",
    Outcome.START_ROLLOUT: "passed offline",
    Outcome.AWAIT_REVIEW: "awaits approval",
    Outcome.REJECT: "rejected",
    Outcome.HOLD: "held",
    Outcome.SUPERSEDED: "void",
    Outcome.DRY_RUN: "dry run",
}


class Approval(Record):
    """A person's answer. It is valid only for the evidence that it was given for."""

    evidence: str = Field(description="Decision.evidence, as the reviewer saw it")
    approved: bool
    by: str = Field(min_length=1)
    at: Instant
    note: str = ""


class Facts(Record):
    """The facts that the policy needs in addition to the findings."""

    run: str
    candidate: str | None = Field(description="version in the registry; None: not registered")
    content: str = Field(default="", description="hash of the candidate's content")
    champion: str | None = Field(description="version the evidence was gathered against")
    champion_at_decision: str | None = Field(
        description="the lineage's champion at the moment of decision"
    )
    lane: Lane = Field(
        default="change",
        description="how the candidate is judged: as a changed recipe, as the champion's recipe on "
        "newer data, as the replacement of a champion that is worse than the naive forecast, or as "
        "an update of the champion; without a champion it makes no difference",
    )
    review: Literal["none", "required"] = "none"
    approval: Approval | None = None
    dry_run: bool = False
    rollout: Literal["none", "pending", "complete"] = Field(
        default="none",
        description="on live traffic: not declared, still to come, or over",
    )
    active_challenger: str | None = Field(
        default=None,
        description="another version that has the place",
    )
    segments: tuple[str, ...] = Field(default=(), description="that it is promoted for; none: all")
    segment_column: str = Field(default="", description="the key that these are values of")
    segment_champions: str = Field(default="", description="that a canary compared with, in words")
    segment_champions_at_decision: str = Field(default="", description="the lineage's, likewise")
    waived: tuple[str, ...] = Field(default=(), description="names of findings, spelled out")
    reason: str = Field(default="", description="why the run was asked for; a waiver needs one")
    requested_by: str = Field(default="", description="the person who started the run, if known")

    @property
    def origin(self) -> str:
        """The reason of the run and the person that started it; "" if neither is known."""
        by = f"by {self.requested_by}" if self.requested_by else ""
        return ", ".join(filter(None, (self.reason, by)))

    @property
    def case(self) -> Case:
        """The case of the requirements. Without a champion there is nothing to compare with."""
        if self.champion is None:
            return "first_version"
        if self.rollout != "complete":
            return "offline"
        return "segments" if self.segments else "rollout"


class GateVerdict(Record):
    """The verdict of one gate, and the names of the findings that kept it from passing."""

    gate: Gate
    required: bool
    verdict: Verdict
    findings: int = Field(description="findings that count: blocking and not waived")
    not_passed: tuple[str, ...] = ()
    missing: tuple[str, ...] = Field(default=(), description="needed findings that are not there")
    waived: tuple[str, ...] = ()


class Decision(Record):
    """The policy's decision on all findings."""

    outcome: Outcome
    case: Case
    reasons: tuple[str, ...]
    gates: tuple[GateVerdict, ...] = Field(description="in the order in which gates run")
    evidence: str = Field(description="digest of the findings and of what they are about")
    policy: str


_BOUND = ("run", "candidate", "content", "champion", "waived", "reason")


def evidence_digest(findings: Sequence[Finding], facts: Facts) -> str:
    """The hash that an approval is bound to: findings (in any order), models, lane and waivers."""
    about = facts.as_json()
    bound = {key: about[key] for key in _BOUND}
    if facts.lane != "change":  # release 0.1.0 had no lanes
        bound["lane"] = facts.lane
    bound |= {"segments": list(facts.segments)} if facts.segments else {}
    return digest_of({**bound, "findings": sorted(finding.digest for finding in findings)})


def decide(findings: Sequence[Finding], facts: Facts, policy: Policy = CURRENT) -> Decision:
    """Judge a candidate.

    Every blocking finding counts, even if the policy does not require its gate. A waived finding
    counts as absent. A gate whose required findings are all waived therefore has no data, and a
    waiver alone cannot make a gate pass.

    Arguments:
        findings: all findings of the run, in any order.
        facts: the run, versions, approval and waivers that the findings refer to.
        policy: the requirements.
    """
    gates = tuple(_gate_verdicts(findings, facts, policy))
    judged = _Judged(gates, facts, evidence_digest(findings, facts), tuple(findings))
    outcome, reasons = _apply(judged)
    return Decision(
        outcome=outcome,
        case=facts.case,
        reasons=(*reasons, *_remarks(findings, facts)),
        gates=gates,
        evidence=judged.evidence,
        policy=policy.version,
    )


@dataclass(frozen=True)
class _Judged:
    """The input of the rules."""

    gates: tuple[GateVerdict, ...]
    facts: Facts
    evidence: str
    findings: tuple[Finding, ...]

    @property
    def approval(self) -> Approval | None:
        """The approval, if it was given for this evidence."""
        given = self.facts.approval
        return given if given is not None and given.evidence == self.evidence else None


_MOST_NAMES = 3
_Rule = Callable[[_Judged], Iterable[str]]


def _failed(judged: _Judged) -> Iterable[str]:
    return _reasons_of(judged, {Verdict.FAIL})


def _unproven(judged: _Judged) -> Iterable[str]:
    return _reasons_of(judged, set(Verdict) - {Verdict.PASS})


def _reasons_of(judged: _Judged, verdicts: set[Verdict]) -> Iterable[str]:
    stopped = False
    for gate in judged.gates:
        if stopped and not gate.findings:
            continue  # a gate after one that did not pass was not reached: not a reason
        stopped = stopped or gate.verdict is not Verdict.PASS
        if gate.verdict in verdicts:
            against = f" because of {_some(gate.not_passed)}" if gate.not_passed else ""
            missing = f"; no finding {_either(gate.missing)}" if gate.missing else ""
            nothing = "; no finding that counts" if not gate.findings else ""
            yield f"{gate.gate}: {gate.verdict}{against}{missing or nothing}"
            if gate.gate in (Gate.REFRESH, Gate.UPDATE):
                names = set(gate.not_passed)
                yield from (one.reason for one in judged.findings if one.name in names)


def _superseded(judged: _Judged) -> Iterable[str]:
    facts = judged.facts
    if facts.champion != facts.champion_at_decision:
        yield (
            f"the evidence was gathered against {_named(facts.champion)}, "
            f"and now {_named(facts.champion_at_decision)} is champion"
        )
    known, now = facts.segment_champions, facts.segment_champions_at_decision
    if facts.rollout == "complete" and known != now:
        yield "the champion of a segment changed after the evidence was gathered"


def _dry(judged: _Judged) -> Iterable[str]:
    if judged.facts.dry_run:
        yield "every gate passed; a dry run changes nothing"


def _unregistered(judged: _Judged) -> Iterable[str]:
    if judged.facts.candidate is None:
        yield "every gate passed, and the candidate is not in the registry"


def _refused(judged: _Judged) -> Iterable[str]:
    approval = judged.approval
    if judged.facts.review == "required" and approval is not None and not approval.approved:
        yield f"refused by {approval.by}" + (f": {approval.note}" if approval.note else "")


def _unreviewed(judged: _Judged) -> Iterable[str]:
    if judged.facts.review == "required" and judged.approval is None:
        yield "every gate passed; the declaration asks for a person's approval"
        if judged.facts.approval is not None:
            yield f"the approval of {judged.facts.approval.by} was given for other evidence"


def _occupied(judged: _Judged) -> Iterable[str]:
    facts = judged.facts
    if (
        facts.case == "offline"
        and facts.rollout == "pending"
        and facts.active_challenger is not None
    ):
        yield f"every offline gate passed, and version {facts.active_challenger} is on trial"


def _admitted(judged: _Judged) -> Iterable[str]:
    facts = judged.facts
    if facts.case == "offline" and facts.rollout == "pending" and facts.lane != "emergency":
        yield "every offline gate passed: live traffic decides"


def _first(judged: _Judged) -> Iterable[str]:
    if judged.facts.case == "first_version":
        yield "there was no champion in this lineage, and every gate of a first version passed"


def _for_segments(judged: _Judged) -> Iterable[str]:
    if (facts := judged.facts).case == "segments":
        words = segment_words(facts.segment_column, facts.segments)
        yield f"shown to gain in {words}, and promoted there only"


def _passed(judged: _Judged) -> Iterable[str]:
    if judged.facts.lane == "emergency":
        yield (
            "the champion is worse than the naive forecast, and the candidate is better than both; "
            "every gate passed"
        )
        return
    if judged.facts.lane == "update":
        yield "updated: the champion learned newer points, and has not been shown to be better"
        return
    if judged.facts.lane != "refresh":
        yield "every gate passed"
        return
    tested = any(one.name == "refresh.tested" for one in judged.findings)
    claim = "" if tested else ", which has not been shown to be better"
    yield f"refreshed: the same recipe on newer data{claim}"
    yield from (one.reason for one in judged.findings if one.gate is Gate.REFRESH and one.blocking)


# Evaluated from the top; the first rule that gives a reason decides. The last one always does.
_RULES: tuple[tuple[Outcome, _Rule], ...] = (
    (Outcome.REJECT, _failed),
    (Outcome.HOLD, _unproven),
    (Outcome.SUPERSEDED, _superseded),
    (Outcome.DRY_RUN, _dry),
    (Outcome.HOLD, _unregistered),
    (Outcome.REJECT, _refused),
    (Outcome.AWAIT_REVIEW, _unreviewed),
    (Outcome.HOLD, _occupied),
    (Outcome.START_ROLLOUT, _admitted),
    (Outcome.FIRST_VERSION, _first),
    (Outcome.PROMOTE_SEGMENTS, _for_segments),
    (Outcome.PROMOTE, _passed),
)


def _apply(judged: _Judged) -> tuple[Outcome, tuple[str, ...]]:
    for outcome, rule in _RULES[:-1]:
        if reasons := tuple(rule(judged)):
            return outcome, reasons
    outcome, rule = _RULES[-1]
    return outcome, tuple(rule(judged))


def _gate_verdicts(
    findings: Sequence[Finding], facts: Facts, policy: Policy
) -> Iterable[GateVerdict]:
    waived = set(facts.waived) if facts.reason.strip() else set()
    requirements = [
        requirement
        for requirement in policy.requirements
        if facts.case in requirement.cases and facts.lane in requirement.lanes
    ]
    for gate in Gate:
        blocking = [f for f in findings if f.gate is gate and f.blocking]
        counting = [finding for finding in blocking if finding.name not in waived]
        required = any(requirement.gate is gate for requirement in requirements)
        if not required and not counting:
            continue
        required_findings = [
            required
            for requirement in requirements
            if requirement.gate is gate
            for required in requirement.required_findings
        ]
        missing = [
            required
            for required in required_findings
            if not any(_meets(f.name, required) for f in counting)
        ]
        verdict = overall(counting)
        if missing and verdict is not Verdict.FAIL:
            verdict = Verdict.NO_DATA
        yield GateVerdict(
            gate=gate,
            required=required,
            verdict=verdict,
            findings=len(counting),
            not_passed=tuple(sorted({f.name for f in counting if f.verdict is not Verdict.PASS})),
            missing=tuple(missing),
            waived=tuple(sorted({f.name for f in blocking if f.name in waived})),
        )


def _remarks(findings: Sequence[Finding], facts: Facts) -> Iterable[str]:
    """Remarks about waivers, shown for every outcome."""
    names = {finding.name for finding in findings if finding.blocking}
    for name in facts.waived:
        if not facts.reason.strip():
            yield f"the waiver of {name} counts for nothing: it has no reason"
        elif name in names:
            yield f"{name} was waived: {facts.reason}"
        else:
            yield f"the waiver of {name} met no blocking finding of that name"


def _some(names: Sequence[str]) -> str:
    """The first few names, and the number of the others."""
    shown, more = names[:_MOST_NAMES], len(names) - _MOST_NAMES
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _either(required_findings: Sequence[str]) -> str:
    return ", ".join(required.replace("|", " or ") for required in required_findings)


def _meets(name: str, required: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in required.split("|"))


def _named(version: str | None) -> str:
    return "no version" if version is None else f"version {version}"
