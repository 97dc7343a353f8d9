"""A decision in sentences: what is wrong once, instead of the name of every failed check."""

from pipelines.core.findings import Finding, Verdict, make_finding
from pipelines.release.explanation import explain_decision
from pipelines.release.policy import Facts, decide

SILENT = "dispensing has no fresh rows since 2025-10-26: its feed seems to have stopped"
FACTS = Facts(run="r", candidate=None, champion="3", champion_at_decision="3")


def explained(findings: tuple[Finding, ...], facts: Facts = FACTS) -> tuple[str, ...]:
    return explain_decision(decide(findings, facts), findings)


def contract(number: int, verdict: Verdict, reason: str) -> Finding:
    return make_finding(f"contract.suite.dispensing.c{number}.missing", verdict, reason)


def test_a_stopped_feed_is_one_sentence_though_every_check_has_no_data() -> None:
    found = tuple(contract(n, Verdict.NO_DATA, SILENT) for n in range(57))
    assert explained(found) == (SILENT,)


def test_the_worst_checks_come_first_and_the_rest_is_counted() -> None:
    found = (
        contract(1, Verdict.INCONCLUSIVE, "not run"),
        contract(2, Verdict.FAIL, "price is missing"),
        contract(3, Verdict.FAIL, "too few rows"),
        contract(4, Verdict.PASS, "fine"),
    )
    assert explained(found) == (
        "price is missing",
        "too few rows",
        "1 more check of contract did not pass",
    )


def test_a_gate_without_findings_and_a_waiver_keep_their_own_words() -> None:
    found = (contract(1, Verdict.PASS, "fine"),)
    facts = FACTS.model_copy(update={"waived": ("contract.suite.x",), "reason": "known"})
    assert explained(found, facts) == decide(found, facts).reasons
