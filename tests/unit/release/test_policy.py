"""The decision table, row by row."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.records import digest_of
from pipelines.release.policies import CURRENT, POLICIES, GateRequirement, policy_of
from pipelines.release.policy import Approval, Facts, Outcome, decide, evidence_digest

SUITE = "contract.suite.sales.price.not_null"
ENVELOPE = "contract.envelope.sales.price.range"
LEAK = "availability.leak_probe"
PRIMARY = "recent_window.primary"
FIRST = "recent_window.baseline"
SPENT = "budget.spent"
CHALLENGE = (SUITE, ENVELOPE, LEAK, PRIMARY, SPENT)
BOOTSTRAP = (SUITE, LEAK, FIRST)


def finding(name: str, verdict: str = "pass", blocking: bool = True) -> Finding:
    return Finding(
        gate=Gate(name.split(".", maxsplit=1)[0]),
        name=name,
        verdict=Verdict(verdict),
        reason="a test says so",
        blocking=blocking,
    )


def findings(names: Sequence[str], **changed: str) -> tuple[Finding, ...]:
    return tuple(finding(name, changed.get(name.split(".")[0], "pass")) for name in names)


def facts(**changed: Any) -> Facts:
    known = {
        "run": "r",
        "candidate": "4",
        "champion": "3",
        "champion_at_decision": "3",
        "content": "c" * 64,
    }
    return Facts.model_validate(known | changed)


GAIN = "canary.segment_gain.line.7"
FOR_SEVEN = {"rollout": "complete", "segments": ("7",)}


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        pytest.param((GAIN,), Outcome.PROMOTE_SEGMENTS, id="shown to gain"),
        pytest.param((), Outcome.HOLD, id="no such finding"),
        pytest.param(("canary.primary",), Outcome.HOLD, id="better for all is not the same"),
    ],
)
def test_a_promotion_for_segments_needs_a_finding_about_segments(
    found: tuple[str, ...], outcome: Outcome
) -> None:
    names = (*CHALLENGE, *found)
    assert decide(findings(names), facts(**FOR_SEVEN)).outcome is outcome


@pytest.mark.parametrize(
    ("column", "values", "named"),
    [
        ("line", ("7", "9"), "line 7, line 9"),
        ("", ("7", "9"), "7, 9"),
        ("", (" a", "b "), " a, b "),
    ],
)
def test_the_reason_names_the_column_unless_an_older_entry_has_none(
    column: str, values: tuple[str, ...], named: str
) -> None:
    known = facts(**FOR_SEVEN | {"segments": values, "segment_column": column})
    decision = decide(findings((*CHALLENGE, GAIN)), known)
    assert decision.reasons == (f"shown to gain in {named}, and promoted there only",)


def test_a_promotion_for_all_needs_more_than_a_segment_that_gains() -> None:
    decision = decide(findings((*CHALLENGE, GAIN)), facts(rollout="complete"))
    assert decision.outcome is Outcome.HOLD


def test_another_champion_of_a_segment_makes_the_evidence_void() -> None:
    changed = facts(**FOR_SEVEN, segment_champions_at_decision="line 7: version 2")
    decision = decide(findings((*CHALLENGE, GAIN)), changed)
    assert decision.outcome is Outcome.SUPERSEDED


def test_the_segments_are_part_of_what_a_decision_is_about() -> None:
    seven, nine = facts(segments=("7",)), facts(segments=("9",))
    assert evidence_digest((), seven) != evidence_digest((), nine)


NO_CHAMPION = {"champion": None, "champion_at_decision": None}


@pytest.mark.parametrize(
    ("found", "changed", "outcome"),
    [
        pytest.param(findings(CHALLENGE), {}, "promote", id="all pass"),
        pytest.param(findings(CHALLENGE, contract="fail"), {}, "reject", id="contract fails"),
        pytest.param(findings(CHALLENGE, availability="fail"), {}, "reject", id="a leak"),
        pytest.param(findings(CHALLENGE, recent_window="fail"), {}, "reject", id="worse"),
        pytest.param(
            findings(CHALLENGE, recent_window="inconclusive"), {}, "hold", id="cannot tell"
        ),
        pytest.param(findings(CHALLENGE, recent_window="no_data"), {}, "hold", id="no rows"),
        pytest.param(
            findings(CHALLENGE, contract="fail", recent_window="no_data"),
            {},
            "reject",
            id="a failure beats missing data",
        ),
        pytest.param((), {}, "hold", id="no finding at all"),
        *(
            pytest.param(
                findings([name for name in CHALLENGE if name != gone]), {}, "hold", id=f"no {gone}"
            )
            for gone in CHALLENGE
        ),
        pytest.param(
            (*findings(CHALLENGE), finding("recent_window.slice.region.north", "fail")),
            {},
            "reject",
            id="a slice is harmed",
        ),
        pytest.param(
            (*findings(CHALLENGE), finding("recent_window.slice.region.north", "fail", False)),
            {},
            "promote",
            id="a finding that is only shown",
        ),
        pytest.param(
            (*findings(CHALLENGE), finding("canary.harm", "fail")),
            {},
            "reject",
            id="a gate that was not required fails all the same",
        ),
        pytest.param(
            findings(CHALLENGE), {"champion_at_decision": "9"}, "superseded", id="champion changed"
        ),
        pytest.param(
            findings(CHALLENGE), {"champion_at_decision": None}, "superseded", id="champion gone"
        ),
        pytest.param(findings(CHALLENGE), {"dry_run": True}, "dry_run", id="dry run"),
        pytest.param(findings(CHALLENGE), {"candidate": None}, "hold", id="not registered"),
        pytest.param(findings(BOOTSTRAP), NO_CHAMPION, "first_version", id="first version"),
        pytest.param(
            findings(BOOTSTRAP),
            NO_CHAMPION | {"champion_at_decision": "1"},
            "superseded",
            id="two first ones",
        ),
        pytest.param(findings(CHALLENGE), NO_CHAMPION, "hold", id="first needs its own findings"),
        pytest.param(findings(BOOTSTRAP), {}, "hold", id="a bootstrap's findings beat no champion"),
        *(
            pytest.param(
                findings(BOOTSTRAP, **{gate: verdict}),
                NO_CHAMPION,
                outcome,
                id=f"first version, {gate} {verdict}",
            )
            for gate in ("contract", "availability", "recent_window")
            for verdict, outcome in (
                ("fail", "reject"),
                ("inconclusive", "hold"),
                ("no_data", "hold"),
            )
        ),
        pytest.param(
            findings(CHALLENGE), {"review": "required"}, "await_review", id="no approval yet"
        ),
        pytest.param(
            findings(CHALLENGE, contract="fail"),
            {"review": "required"},
            "reject",
            id="no approval is requested for a failure",
        ),
    ],
)
def test_the_table(found: tuple[Finding, ...], changed: dict[str, Any], outcome: str) -> None:
    decision = decide(found, facts(**changed))
    assert decision.outcome == outcome, decision.reasons
    assert decision.reasons, "a decision has no reason"


def approval(evidence: str, approved: bool = True) -> Approval:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return Approval(evidence=evidence, approved=approved, by="ada", at=at, note="looked at slices")


def test_an_approval_moves_only_the_evidence_it_was_given_for() -> None:
    requested = facts(review="required")
    evidence = decide(findings(CHALLENGE), requested).evidence
    given = requested.model_copy(update={"approval": approval(evidence)})
    assert decide(findings(CHALLENGE), given).outcome == Outcome.PROMOTE

    more = (*findings(CHALLENGE), finding("recent_window.guardrail.squared_error"))
    other = decide(more, given)
    assert other.outcome == Outcome.AWAIT_REVIEW
    assert "the approval of ada was given for other evidence" in other.reasons
    for change in ({"candidate": "5"}, {"content": "d" * 64}, {"waived": ("x",)}, {"run": "s"}):
        changed = given.model_copy(update=change)
        assert decide(findings(CHALLENGE), changed).outcome == Outcome.AWAIT_REVIEW, change


def test_a_refusal_rejects_and_names_the_person() -> None:
    requested = facts(review="required")
    evidence = evidence_digest(findings(CHALLENGE), requested)
    refused = requested.model_copy(update={"approval": approval(evidence, approved=False)})
    decision = decide(findings(CHALLENGE), refused)
    assert decision.outcome == Outcome.REJECT
    assert decision.reasons == ("refused by ada: looked at slices",)


def test_no_approval_overrules_a_gate() -> None:
    found = findings(CHALLENGE, recent_window="inconclusive")
    requested = facts(review="required")
    given = requested.model_copy(update={"approval": approval(evidence_digest(found, requested))})
    assert decide(found, given).outcome == Outcome.HOLD


def test_a_waiver_takes_one_finding_out_and_leaves_a_trace() -> None:
    harmed = finding("recent_window.slice.region.north", "fail")
    waived = {"waived": (harmed.name,), "reason": "the shop in the north closed"}
    decision = decide((*findings(CHALLENGE), harmed), facts(**waived))
    assert decision.outcome == Outcome.PROMOTE
    assert f"{harmed.name} was waived: the shop in the north closed" in decision.reasons
    window = next(gate for gate in decision.gates if gate.gate is Gate.RECENT_WINDOW)
    assert window.waived == (harmed.name,)


def test_a_waiver_without_a_reason_counts_for_nothing() -> None:
    harmed = finding("recent_window.slice.region.north", "fail")
    decision = decide((*findings(CHALLENGE), harmed), facts(waived=(harmed.name,), reason=" "))
    assert decision.outcome == Outcome.REJECT
    assert any("has no reason" in reason for reason in decision.reasons)


@pytest.mark.parametrize("name", CHALLENGE)
def test_waiving_what_a_gate_needs_leaves_it_without_data(name: str) -> None:
    waived = {"waived": (name,), "reason": "in a hurry"}
    assert decide(findings(CHALLENGE), facts(**waived)).outcome == Outcome.HOLD


def test_the_record_shows_gates_in_the_order_in_which_they_run() -> None:
    decision = decide(tuple(reversed(findings(CHALLENGE))), facts())
    assert [gate.gate for gate in decision.gates] == [
        Gate.CONTRACT,
        Gate.AVAILABILITY,
        Gate.RECENT_WINDOW,
        Gate.BUDGET,
    ]
    assert all(gate.required for gate in decision.gates)
    assert decision.policy == CURRENT.version


def test_adding_a_gate_is_adding_a_requirement() -> None:
    shadow = GateRequirement(gate=Gate.SHADOW)
    stricter = CURRENT.model_copy(update={"requirements": (*CURRENT.requirements, shadow)})
    assert decide(findings(CHALLENGE), facts(), stricter).outcome == Outcome.HOLD
    found = (*findings(CHALLENGE), finding("shadow.agreement"))
    assert decide(found, facts(), stricter).outcome == Outcome.PROMOTE


def test_an_unknown_policy_is_named() -> None:
    with pytest.raises(IntegrityError, match="policy '99'"):
        policy_of("99")


def test_policy_1_is_never_edited() -> None:
    """Ledgers hold decisions made under it. A change of requirements is another policy.

    The digest was taken from policy 1 when it was first released, under the field names of then.
    """
    first = POLICIES["1"]
    released = {
        "version": first.version,
        "demands": [
            {"gate": one.gate, "cases": list(one.cases), "needs": list(one.required_findings)}
            for one in first.requirements
        ],
    }
    assert digest_of(released) == (
        "6487cb5c143b0a48e76c04552c2e893cd4b518b2e05b687add185c66925cdf32"
    )


def test_policy_2_requires_what_a_try_costs_and_policy_1_does_not() -> None:
    """Decisions made before there was a budget replay as they were."""
    found = findings([name for name in CHALLENGE if name != SPENT])
    assert decide(found, facts(), POLICIES["1"]).outcome == Outcome.PROMOTE
    held = decide(found, facts(), POLICIES["2"])
    assert held.outcome == Outcome.HOLD
    assert "budget: no_data; no finding budget.spent" in held.reasons


REFRESHED = ("refresh.record", "refresh.age", "refresh.looks_better", "refresh.stop")


def test_policy_3_takes_a_refresh_where_a_better_candidate_would_be() -> None:
    """Its primary finding is only shown then. Release 0.1.0 decided like this."""
    refreshed = (
        *findings([name for name in CHALLENGE if name != PRIMARY]),
        finding(PRIMARY, "inconclusive", blocking=False),
        finding("recent_window.refresh"),
    )
    assert decide(refreshed, facts(), POLICIES["3"]).outcome == Outcome.PROMOTE
    assert decide(refreshed, facts()).outcome == Outcome.HOLD, "now it has a lane of its own"


def test_a_refresh_needs_its_record_and_no_proof_of_being_better() -> None:
    others = [name for name in CHALLENGE if name not in (PRIMARY, SPENT)]
    found = findings([*others, "recent_window.maturity", *REFRESHED])
    decided = decide(found, facts(lane="refresh"))
    assert decided.outcome == Outcome.PROMOTE
    assert "not been shown to be better" in decided.reasons[0]
    assert set(decided.reasons) >= {one.reason for one in found if one.name in REFRESHED}
    assert decide(found, facts()).outcome == Outcome.HOLD, "a changed recipe has to be better"
    without = [one for one in found if one.name != "refresh.looks_better"]
    assert decide(without, facts(lane="refresh")).outcome == Outcome.HOLD


def test_a_kept_version_is_explained_by_the_finding_that_kept_it() -> None:
    others = [name for name in CHALLENGE if name not in (PRIMARY, SPENT)]
    found = findings([*others, "recent_window.maturity", *REFRESHED])
    young = finding("refresh.age", "inconclusive")
    kept = decide((*(one for one in found if one.name != young.name), young), facts(lane="refresh"))
    assert kept.outcome == Outcome.HOLD
    assert kept.reasons == ("refresh: inconclusive because of refresh.age", young.reason)


def test_an_approval_is_bound_to_the_lane() -> None:
    found = findings(CHALLENGE)
    assert evidence_digest(found, facts()) != evidence_digest(found, facts(lane="refresh"))


def test_a_used_up_budget_holds_until_a_person_answers_for_it() -> None:
    found = (*findings(CHALLENGE), finding("budget.exhausted", "inconclusive"))
    assert decide(found, facts()).outcome == Outcome.HOLD
    answered = facts(waived=("budget.exhausted",), reason="ada looked at it: the shop has moved")
    assert decide(found, answered).outcome == Outcome.PROMOTE
