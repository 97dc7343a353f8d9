"""What the difference of two decisions is attributed to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.core.findings import Measurement, Verdict, make_finding
from pipelines.core.time import Window
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.origin import Origin, present_origin
from pipelines.release.ledger import Entry
from pipelines.release.lineage_comparison.difference import CandidateFacts, Difference, differences
from pipelines.spec.model import ModelSpec
from tests.support.ledger_entries import move
from tests.support.pharmacy import declaration

AT = datetime(2025, 10, 6, 6, tzinfo=UTC)
SPEC = ModelSpec.model_validate(declaration())
ORIGIN = Origin(release="1", code="a", environment={"python": "3.12.1"})


def evaluation(labelled: int = 100) -> Evaluation:
    return Evaluation(
        window=Window(AT - timedelta(days=14), AT),
        baseline="champion",
        rows_digest=str(labelled),
        rows=100,
        labelled=labelled,
        days=14,
        entities=20,
        comparisons=(),
        findings=(),
    )


FACTS = CandidateFacts(SPEC, evaluation(), ORIGIN)
SEEDED = SPEC.model_copy(update={"seeds": (5,)})
OWNED = SPEC.model_copy(update={"owner": "another@example.org"})


def entry(gain: float, **changes: Any) -> Entry:
    looks_better = make_finding("refresh.looks_better", Verdict.PASS, "x", Measurement(gain))
    facts = {"findings": (looks_better,), "spec": "s", "recipe": "r", "snapshot": "d"}
    return Entry.append_to(move("run", "1", "1", **{**facts, **changes}), None, AT)


def found(other: CandidateFacts | None, changes: dict[str, Any], *, same: bool = True) -> list[str]:
    """The differences of two entries whose gains differ."""
    one, two, facts = entry(1.0), entry(2.0, **changes), iter((FACTS, other))
    return list(differences(one, two, lambda _: next(facts), same_champions=same))


@pytest.mark.parametrize(
    ("other", "changes", "wanted"),
    [
        (FACTS, {}, ["randomness"]),
        (None, {}, ["unknown"]),
        (replace(FACTS, origin=None), {}, ["unknown"]),
        (replace(FACTS, origin=ORIGIN.model_copy(update={"code": "b"})), {}, ["code"]),
        (
            replace(FACTS, origin=ORIGIN.model_copy(update={"environment": {}})),
            {"snapshot": "e"},
            ["data_revision", "environment"],
        ),
        (replace(FACTS, evaluation=evaluation(90)), {"snapshot": "e"}, ["label_maturity"]),
        (replace(FACTS, spec=SEEDED), {"spec": "t"}, ["randomness"]),
        (replace(FACTS, spec=OWNED), {"spec": "t"}, ["declaration"]),
        (None, {"spec": "t"}, ["declaration"]),
        (FACTS, {"spec": "t", "recipe": "q"}, ["recipe"]),
    ],
)
def test_a_difference_is_attributed_to_everything_that_is_not_the_same(
    other: CandidateFacts | None, changes: dict[str, Any], wanted: list[str]
) -> None:
    assert found(other, changes) == wanted
    assert found(other, changes, same=False)[0] == "earlier_week"


def test_the_same_findings_with_another_budget_differ_by_the_budget() -> None:
    one, two = entry(1.0), entry(1.0, kind="stop")
    assert differences(one, two, lambda _: FACTS, same_champions=True) == (Difference.BUDGET,)


def test_no_version_is_read_for_decisions_that_do_not_differ() -> None:
    def read(_: str | None) -> CandidateFacts:
        raise AssertionError("a version was read")

    one = entry(1.0)
    assert differences(one, one, read, same_champions=True) == ()


def test_the_present_origin_names_code_and_libraries() -> None:
    origin = present_origin()
    assert len(origin.code) == 64
    assert {"python", "machine", "numpy", "scikit-learn"} <= origin.environment.keys()
