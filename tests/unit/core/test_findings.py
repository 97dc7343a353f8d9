"""Verdicts: only a pass over all blocking findings is a pass."""

import pytest

from pipelines.core.findings import Finding, Gate, Verdict, first_named, make_finding, overall
from pipelines.core.records import canonical_json, digest_of


def finding(verdict: Verdict, *, blocking: bool = True) -> Finding:
    return Finding(
        gate=Gate.CONTRACT, name="contract.x", verdict=verdict, reason="because", blocking=blocking
    )


def test_nothing_checked_is_no_data_and_not_a_pass() -> None:
    assert overall([]) is Verdict.NO_DATA
    assert overall([finding(Verdict.PASS, blocking=False)]) is Verdict.NO_DATA


@pytest.mark.parametrize("worst", [Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE])
def test_one_bad_finding_among_passes_decides(worst: Verdict) -> None:
    assert overall([finding(Verdict.PASS), finding(worst), finding(Verdict.PASS)]) is worst


def test_findings_that_do_not_block_do_not_decide() -> None:
    assert overall([finding(Verdict.PASS), finding(Verdict.FAIL, blocking=False)]) is Verdict.PASS


def test_a_number_that_is_not_finite_never_enters_a_record() -> None:
    with pytest.raises(ValueError, match="finite"):
        Finding(
            gate=Gate.CONTRACT,
            name="contract.x",
            verdict=Verdict.PASS,
            reason="",
            value=float("nan"),
        )
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("inf")})


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [2, 3]}) == digest_of({"b": [2, 3], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})


def test_the_first_name_that_is_there_is_found_in_any_order() -> None:
    one, other = (make_finding(f"budget.{name}", Verdict.PASS, "seen") for name in ("one", "other"))
    assert first_named([one, other], "budget.none", "budget.other", "budget.one") is other
    assert first_named([one, other], "budget.none") is None
