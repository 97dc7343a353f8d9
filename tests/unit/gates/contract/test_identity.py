"""Contradictions fail, and block when too many fresh rows contradict."""

from pipelines.core.findings import Finding, Verdict
from pipelines.data.identity import Copies
from pipelines.gates.contract.identity import identity_findings


def finding(**changes: object) -> list[Finding]:
    facts = {
        "rows": 1000,
        "equal": 0,
        "contradicting": 0,
        "without_id": 0,
        "fresh_rows": 100,
        "fresh_contradicting": 0,
    }
    return list(identity_findings({"sales": Copies.model_validate(facts | changes)}, 0.01))


def test_a_stream_without_copies_has_no_finding() -> None:
    assert finding() == []
    assert list(identity_findings({}, 0.01)) == []


def test_copies_pass_and_are_counted() -> None:
    [found] = finding(equal=12, without_id=3)
    assert (found.name, found.verdict) == ("contract.identity.sales", Verdict.PASS)
    assert found.reason == (
        "sales: 12 rows repeat an earlier row and do not count; 3 rows have no id, and each counts"
    )


def test_few_contradictions_are_shown_and_do_not_block() -> None:
    example = "sale=s3: units 3, later 4"
    [found] = finding(contradicting=5, fresh_contradicting=1, examples=(example,))
    assert (found.verdict, found.blocking, found.value) == (Verdict.FAIL, False, 0.01)
    assert "5 of 1,000 rows" in found.reason
    assert example in found.reason


def test_many_fresh_contradictions_block() -> None:
    [found] = finding(contradicting=5, fresh_contradicting=2)
    assert (found.verdict, found.blocking) == (Verdict.FAIL, True)
