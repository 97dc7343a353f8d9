"""Nothing but ``pass`` moves a candidate forward, whatever the findings are."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.findings import Finding, Gate, Verdict, overall
from pipelines.release.ledger import Entry, NewEntry, chain_errors, replay
from pipelines.release.policies import CURRENT
from pipelines.release.policy import Approval, Facts, decide, evidence_digest

NAMES = (
    "contract.suite.sales.price.not_null",
    "contract.envelope.sales.price.range",
    "availability.leak_probe",
    "recent_window.primary",
    "budget.spent",
    "recent_window.baseline",
    "recent_window.slice.region.north",
    "audit.sign_flip",
    "canary.harm",
)
REFRESHED = (*NAMES[:3], "recent_window.maturity", "refresh.looks_better", "refresh.stop")
AT = datetime(2026, 1, 5, tzinfo=UTC)
# Mostly passing findings, so that promotions are not rare.
VERDICTS = st.sampled_from([*[Verdict.PASS] * 12, *Verdict])


@st.composite
def finding_sets(draw: st.DrawFn) -> tuple[Finding, ...]:
    names = draw(st.lists(st.sampled_from(NAMES), max_size=4)) + list(
        draw(st.sampled_from([NAMES[:5], NAMES[:6], NAMES, REFRESHED]))
    )
    return tuple(
        Finding(
            gate=Gate(name.split(".")[0]),
            name=name,
            verdict=draw(VERDICTS),
            reason="a test says so",
            blocking=draw(st.sampled_from([True, True, True, False])),
            value=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        )
        for name in names
    )


@st.composite
def fact_sets(draw: st.DrawFn, findings: tuple[Finding, ...]) -> Facts:
    versions = st.sampled_from([None, "1", "2"])
    champion = draw(versions)
    facts = Facts(
        run="r",
        candidate=draw(st.sampled_from(["3", "3", "3", None])),
        champion=champion,
        champion_at_decision=draw(st.just(champion) | versions),
        lane=draw(st.sampled_from(["change", "change", "refresh"])),
        review=draw(st.sampled_from(["none", "none", "required"])),
        dry_run=draw(st.sampled_from([False, False, False, True])),
        waived=tuple(draw(st.lists(st.sampled_from(NAMES), max_size=2))),
        reason=draw(st.sampled_from(["", "known"])),
    )
    if draw(st.booleans()):
        approval = Approval(
            evidence=evidence_digest(findings, facts), approved=draw(st.booleans()), by="ada", at=AT
        )
        facts = facts.model_copy(update={"approval": approval})
    return facts


@given(st.data())
def test_worse_evidence_never_promotes(data: st.DataObject) -> None:
    findings = data.draw(finding_sets())
    facts = data.draw(fact_sets(findings))
    before = decide(findings, facts)
    which = data.draw(st.integers(0, len(findings) - 1))
    worse = findings[which].model_copy(
        update={"verdict": data.draw(st.sampled_from([v for v in Verdict if v != Verdict.PASS]))}
    )
    if findings[which].verdict is not Verdict.PASS:
        return
    after = decide((*findings[:which], worse, *findings[which + 1 :]), facts)
    assert before.outcome.moves or not after.outcome.moves, (before, after)


@given(st.data())
def test_evidence_that_is_taken_away_never_promotes(data: st.DataObject) -> None:
    """Unless it spoke against the candidate: then the gap has to be filled by a needed finding."""
    findings = data.draw(finding_sets())
    facts = data.draw(fact_sets(findings))
    before = decide(findings, facts)
    which = data.draw(st.integers(0, len(findings) - 1))
    if findings[which].verdict is not Verdict.PASS:
        return
    after = decide((*findings[:which], *findings[which + 1 :]), facts)
    assert before.outcome.moves or not after.outcome.moves, (before, after)


@given(st.data())
def test_only_pass_moves(data: st.DataObject) -> None:
    findings = data.draw(finding_sets())
    facts = data.draw(fact_sets(findings))
    decision = decide(findings, facts)
    if not decision.outcome.moves:
        return
    waived = set(facts.waived) if facts.reason else set()
    assert overall(f for f in findings if f.name not in waived) is Verdict.PASS
    demanded = {
        one.gate
        for one in CURRENT.requirements
        if decision.case in one.cases and facts.lane in one.lanes
    }
    assert demanded <= {f.gate for f in findings if f.blocking and f.name not in waived}
    assert facts.champion == facts.champion_at_decision
    assert facts.candidate is not None
    assert not facts.dry_run
    assert facts.review == "none" or (facts.approval is not None and facts.approval.approved)


@given(st.data())
def test_the_order_of_findings_does_not_matter(data: st.DataObject) -> None:
    findings = data.draw(finding_sets())
    facts = data.draw(fact_sets(findings))
    assert decide(data.draw(st.permutations(findings)), facts) == decide(findings, facts)


@given(st.data())
def test_an_entry_survives_its_spelling_and_replays(data: st.DataObject) -> None:
    findings = data.draw(finding_sets())
    facts = data.draw(fact_sets(findings))
    decision = decide(findings, facts)
    draft = NewEntry(
        model="m",
        kind="decision",
        run="r",
        as_of=AT,
        champion_before=None,
        champion_after=None,
        reasons=decision.reasons,
        decision=decision,
        facts=facts,
        findings=findings,
    )
    entry = Entry.append_to(draft, None, AT)
    again = Entry.from_body(entry.body, entry.hash, "here")
    assert again == entry
    assert again.body == entry.body
    assert chain_errors([again]) == ()
    assert replay(again) == decision
