"""Review, approval and rollback from a shell, with MLflow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.core.errors import GauntletError
from pipelines.release.approval import ReviewAnswer, answer_review
from pipelines.release.version_facts import FACTS
from pipelines.wiring import connect
from tests.support.guides.notebooks import run_notebook
from tests.support.pharmacy import RICH, SECOND, WEEK, Answer, Pharmacy, write_days
from tests.support.rollout_factory import first_version


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """A first version, and one that awaits review; MLflow and ledger in SQLite."""
    pharmacy = first_version(tmp_path_factory.mktemp("reviewed"), mlflow=True)
    write_days(Path(pharmacy.store), SECOND, SECOND + WEEK)
    pharmacy.declare(RICH, review="required")
    second = pharmacy.cli_retrain(SECOND, "--json")
    assert second.code == 0, second.err
    assert second.body["decision"]["outcome"] == "await_review"
    return pharmacy


@pytest.fixture
def waiting(reviewed: Pharmacy, tmp_path: Path) -> tuple[Pharmacy, str]:
    pharmacy = reviewed.copy(tmp_path / "home")
    entry = pharmacy.cli("explain", "demand", "--json").body["entry"]
    return pharmacy, entry["decision"]["evidence"]


def serves(pharmacy: Pharmacy) -> str | None:
    answer = pharmacy.cli("champion", "demand", "--json")
    version: str | None = answer.body["version"]
    return version


def shown(answer: Answer) -> list[str]:
    return [entry["decision"]["outcome"] for entry in answer.body["entries"] if entry["decision"]]


def test_a_second_run_while_a_version_waits_changes_nothing(
    waiting: tuple[Pharmacy, str],
) -> None:
    pharmacy, evidence = waiting
    again = pharmacy.cli_retrain(SECOND, "--json").body
    assert again["decision"]["outcome"] == "await_review"
    assert again["decision"]["evidence"] == evidence
    assert shown(pharmacy.cli("ledger", "demand", "--json")) == ["first_version", "await_review"]
    assert serves(pharmacy) == "1"


def test_an_approval_for_other_evidence_is_refused(waiting: tuple[Pharmacy, str]) -> None:
    pharmacy, evidence = waiting
    wrong = "0" * len(evidence)
    answer = pharmacy.cli("approve", "demand", "2", "--by", "ana", "--evidence", wrong, "--json")
    assert answer.code == 1
    assert answer.body["what"] == "the answer names other evidence"
    assert (answer.body["got"], answer.body["wanted"]) == (wrong, evidence)
    assert serves(pharmacy) == "1"


def test_approval_promotes_and_a_rollback_goes_back(waiting: tuple[Pharmacy, str]) -> None:
    pharmacy, evidence = waiting
    answers = ("approve", "demand", "2", "--by", "ana", "--evidence", evidence[:8])
    assert pharmacy.cli(*answers, "--note", "looked at").code == 0
    assert serves(pharmacy) == "2"
    assert pharmacy.cli(*answers).code == 0  # the same answer again changes nothing
    assert shown(pharmacy.cli("ledger", "demand", "--json"))[2:] == ["promote"]
    otherwise = pharmacy.cli(*answers, "--refuse", "--json")
    assert (otherwise.code, otherwise.body["what"]) == (1, "this review was answered before")
    assert serves(pharmacy) == "2"

    unexplained = pharmacy.cli("rollback", "demand")
    assert unexplained.code == 1
    assert "a rollback needs a reason" in unexplained.err
    assert serves(pharmacy) == "2"
    back = pharmacy.cli("rollback", "demand", "--reason", "orders doubled overnight", "--json")
    assert back.code == 0
    entry = back.body["entry"]
    assert (entry["champion_before"], entry["champion_after"]) == ("2", "1")
    assert entry["reasons"] == ["orders doubled overnight"]
    assert serves(pharmacy) == "1"

    kinds = [e["kind"] for e in pharmacy.cli("ledger", "demand", "--json").body["entries"]]
    assert kinds == ["first_version", "decision", "promotion", "rollback"]


def test_nothing_is_rolled_back_to_a_damaged_version(waiting: tuple[Pharmacy, str]) -> None:
    """Services would refuse it, and keep serving the version that is to be replaced."""
    pharmacy, evidence = waiting
    answers = ("approve", "demand", "2", "--by", "ana", "--evidence", evidence[:8])
    assert pharmacy.cli(*answers).code == 0
    registry = connect(pharmacy.settings).registry
    facts, content = registry.tags("demand", "1")[FACTS], registry.get("demand", "1").content
    registry.tag("demand", "1", FACTS, facts.replace(content, "0" * 64))
    answer = pharmacy.cli("rollback", "demand", "--reason", "orders doubled", "--json")
    assert (answer.code, answer.body["error"]) == (4, "integrity")
    assert "--to" in answer.body["hint"]
    assert serves(pharmacy) == "2"
    assert pharmacy.cli("ledger", "demand", "--json").body["entries"][-1]["kind"] == "promotion"


def test_a_refusal_is_recorded_with_its_words(waiting: tuple[Pharmacy, str]) -> None:
    pharmacy, evidence = waiting
    answers = (
        "approve",
        "demand",
        "2",
        "--refuse",
        "--by",
        "ana",
        "--note",
        "not before the audit",
    )
    answer = pharmacy.cli(*answers, "--evidence", evidence, "--json")
    assert answer.code == 0, answer.err
    assert answer.body["entry"]["decision"]["outcome"] == "reject"
    assert "refused by ana: not before the audit" in answer.body["entry"]["reasons"]
    assert serves(pharmacy) == "1"
    after = pharmacy.cli_retrain(SECOND, "--json").body
    assert after["decision"]["outcome"] == "reject"
    assert shown(pharmacy.cli("ledger", "demand", "--json")) == [
        "first_version",
        "await_review",
        "reject",
    ]


def test_an_answer_that_comes_after_another_promotion_is_void(
    waiting: tuple[Pharmacy, str],
) -> None:
    pharmacy, evidence = waiting
    pharmacy.declare(RICH)  # the review is no longer asked for
    promoted = pharmacy.cli_retrain(SECOND + WEEK, "--json").body
    assert promoted["decision"]["outcome"] == "promote"
    late = pharmacy.cli("approve", "demand", "2", "--by", "ana", "--evidence", evidence, "--json")
    assert (late.code, late.body["error"]) == (7, "stale_evidence")
    assert serves(pharmacy) == promoted["candidate"]


def test_explain_replays_the_verdict(reviewed: Pharmacy) -> None:
    reported = reviewed.cli("explain", "demand", "2", "--json").body
    assert reported["replayed"] == reported["entry"]["decision"]
    words = reviewed.cli("explain", "demand", "1")
    assert words.code == 0
    assert "first version" in words.out
    assert "judged again just now from the stored findings: the same" in " ".join(words.out.split())
    assert json.loads(reviewed.cli("ledger", "demand", "--json").out)["lineages"] == ["live"]


def test_the_example_in_a_notebook_does_and_shows_the_same_as_the_commands(
    reviewed: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = reviewed.copy(tmp_path / "home")
    cells = ("checked", "done", "why", "print(why)", "why.record.entry.candidate")
    example, checked, done, why, printed, candidate = run_notebook(
        "python.md", 0, tmp_path, pharmacy.environment, *cells
    )
    assert list(example) == ["stdout"], "no progress bars and no warnings"
    assert example["stdout"].startswith('await_review ("every gate passed;')
    assert ">ready</span>" in checked["text/html"]
    assert "every gate passed" in done["text/markdown"]
    assert ">await review</span>" in why["text/html"]
    assert candidate["text/plain"] == "'2'"
    command = pharmacy.cli("explain", "demand").out
    for text in (printed["stdout"], why["text/plain"]):
        assert text.split() == command.split(), "they differ in the width of the screen only"
    assert serves(pharmacy) == "1"


def test_a_review_that_is_not_awaited_is_reported(champion: Pharmacy, tmp_path: Path) -> None:
    parts = champion.copy(tmp_path / "home").parts()
    given = ReviewAnswer(by="ana", evidence="0" * 64, approved=True)
    with pytest.raises(GauntletError, match="does not await review"):
        answer_review("demand", "1", given, parts.ledger, parts.registry, parts.clock)
