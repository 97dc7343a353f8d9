"""Retraining from the first version to a rollback, on real parts: what each run leaves behind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipelines.cli.commands.retrain import show_decision
from pipelines.cli.output import console
from pipelines.core.errors import GauntletError
from pipelines.core.findings import Verdict
from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import STEPS
from pipelines.release.approval import ReviewAnswer, answer_review
from pipelines.release.ledger import chain_errors, replay
from pipelines.release.registry import CHAMPION
from pipelines.release.version_facts import CONTENT
from pipelines.simulation.faults import ColumnGone
from pipelines.wiring import connect
from tests.support.pharmacy import (
    FIRST,
    RICH,
    SECOND,
    WEEK,
    Answer,
    Pharmacy,
    RetrainResult,
    planted,
)


def outcomes(pharmacy: Pharmacy, lineage: str = "live") -> list[str]:
    """The ledger's outcomes, oldest first, after its chain and its judgements were checked."""
    entries = pharmacy.parts().ledger.entries("demand", lineage)
    assert not chain_errors(entries)
    for entry in entries:
        if entry.decision is not None:
            assert replay(entry) == entry.decision
    return [entry.outcome for entry in entries]


def versions(pharmacy: Pharmacy) -> list[str]:
    return [info.version for info in pharmacy.registry.versions("demand")]


def serving(pharmacy: Pharmacy) -> str | None:
    return pharmacy.registry.alias("demand", CHAMPION)


# The first version


def test_the_first_version_serves_and_carries_its_evidence(champion: Pharmacy) -> None:
    assert outcomes(champion) == ["first_version"]
    assert (versions(champion), serving(champion)) == (["1"], "1")
    model = champion.home / "registry" / "demand" / "1" / "model" / "extra_files"
    made = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    assert made >= {
        "spec.json",
        "suite.json",
        "envelope.json",
        "snapshot.json",
        "split.json",
        "evaluation.json",
        "findings.json",
        "plots/daily.png",
    }
    assert champion.half_written() == []


def test_the_same_question_again_has_the_same_answer(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    before = pharmacy.parts().ledger.entries("demand")
    told = pharmacy.retrain(FIRST)
    assert told.done.run.id == before[0].run
    assert told.done.decision == before[0].decision
    assert told.done.version is not None
    assert told.done.version.version == "1"
    assert pharmacy.parts().ledger.entries("demand") == before
    assert versions(pharmacy) == ["1"]
    with console.capture() as said:
        show_decision(told.done, everything=False)
    assert f"decided at {instant_text(before[0].recorded_at)}" in said.get(), (
        "an old answer looks new"
    )


# A week later, with the same recipe


@pytest.fixture(scope="module")
def quiet(
    champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pharmacy, RetrainResult]:
    pharmacy = champion.copy(tmp_path_factory.mktemp("quiet") / "home")
    return pharmacy, pharmacy.retrain(SECOND)


def test_a_refit_that_is_no_better_changes_nothing_and_is_recorded(
    quiet: tuple[Pharmacy, RetrainResult],
) -> None:
    pharmacy, told = quiet
    assert outcomes(pharmacy) == ["first_version", "hold"]
    assert (versions(pharmacy), serving(pharmacy)) == (["1", "2"], "1")
    assert told.done.run.id.endswith(".1")
    assert {report.step: report.verdict for report in told.steps}["contract"] is Verdict.PASS


def test_a_quiet_week_passes_the_champions_envelope_whole(
    quiet: tuple[Pharmacy, RetrainResult],
) -> None:
    _, told = quiet
    checked = [f for f in told.done.findings if f.name.startswith("contract.envelope.")]
    assert len(checked) > 20
    assert [f.name for f in checked if f.verdict is not Verdict.PASS] == []


def test_the_first_question_is_still_answered_as_it_was(
    quiet: tuple[Pharmacy, RetrainResult], tmp_path: Path
) -> None:
    """Also when the run's folder is gone: the ledger knows the answer, the registry the version."""
    pharmacy = quiet[0].copy(tmp_path / "home")
    first = pharmacy.parts().ledger.entries("demand")[0]
    told = pharmacy.retrain(FIRST)
    assert (told.done.run.id, told.done.decision) == (first.run, first.decision)
    assert outcomes(pharmacy) == ["first_version", "hold"]
    assert versions(pharmacy) == ["1", "2"]


# A changed recipe: one feature added, one removed, one with another meaning under the same name


@pytest.fixture(scope="module")
def dry(
    champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pharmacy, RetrainResult]:
    pharmacy = champion.copy(tmp_path_factory.mktemp("changed") / "home")
    pharmacy.declare(RICH)
    return pharmacy, pharmacy.retrain(SECOND, dry_run=True)


def test_a_dry_run_judges_registers_nothing_and_is_recorded_as_a_try_only(
    dry: tuple[Pharmacy, RetrainResult],
) -> None:
    pharmacy, told = dry
    assert told.outcome == "dry_run", told.against()
    assert told.skipped == ("availability", "register"), "no serving is declared"
    assert (versions(pharmacy), serving(pharmacy)) == (["1"], "1")
    assert outcomes(pharmacy) == ["first_version", "dry_run"]
    peek = pharmacy.parts().ledger.entries("demand")[-1]
    assert (peek.kind, peek.moves, peek.candidate) == ("dry_run", False, None)


def test_a_dry_run_that_stops_before_the_comparison_leaves_no_entry(
    priceless: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = priceless.copy(tmp_path / "home")
    before = pharmacy.parts().ledger.entries("demand")
    assert pharmacy.retrain(SECOND, dry_run=True).outcome == "reject"
    assert pharmacy.parts().ledger.entries("demand") == before


@pytest.fixture(scope="module")
def changed(
    dry: tuple[Pharmacy, RetrainResult], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pharmacy, RetrainResult]:
    pharmacy = dry[0].copy(tmp_path_factory.mktemp("promoted") / "home")
    return pharmacy, pharmacy.retrain(SECOND)


def test_the_run_after_a_dry_run_uses_its_work(
    dry: tuple[Pharmacy, RetrainResult], changed: tuple[Pharmacy, RetrainResult]
) -> None:
    assert changed[1].done.run.id == dry[1].done.run.id
    ids = [{r.step: r.ids for r in told.steps if r.step != "decide"} for _, told in (dry, changed)]
    assert ids[0]["evaluate"] == ids[1]["evaluate"]
    assert ids[0]["snapshot"] == ids[1]["snapshot"]


def test_a_better_recipe_is_promoted_on_the_same_rows(
    changed: tuple[Pharmacy, RetrainResult],
) -> None:
    pharmacy, told = changed
    assert outcomes(pharmacy) == ["first_version", "dry_run", "promote"]
    assert (versions(pharmacy), serving(pharmacy)) == (["1", "2"], "2")
    evaluation = told.done.evidence.evaluation
    assert evaluation is not None
    assert evaluation.baseline == "champion"
    assert evaluation.primary is not None
    assert evaluation.primary.candidate < evaluation.primary.baseline


def test_the_champion_is_scored_as_it_scored_itself_whatever_the_candidate_calls_its_features(
    changed: tuple[Pharmacy, RetrainResult], quiet: tuple[Pharmacy, RetrainResult]
) -> None:
    """Its error on these rows is one number, with whatever recipe it stands in one frame.

    ``sold`` meant two days to it and means fourteen to the candidate.
    """
    with_other_recipe, with_own = (told.done.evidence.evaluation for _, told in (changed, quiet))
    assert with_other_recipe is not None
    assert with_own is not None
    assert with_other_recipe.rows_digest == with_own.rows_digest
    assert with_other_recipe.primary is not None
    assert with_own.primary is not None
    assert with_other_recipe.primary.baseline == pytest.approx(with_own.primary.baseline, rel=1e-12)


def test_the_review_page_names_what_changed_in_the_recipe(
    changed: tuple[Pharmacy, RetrainResult],
) -> None:
    page = (changed[0].home / "registry" / "demand" / "2" / "description.md").read_text()
    assert "### Audit: where the offline gain comes from" in page
    for feature in ("weekday", "sold", "on_hand"):
        assert re.search(rf"\b{feature}\b", page), feature


# Lineages


def test_a_lineage_other_than_live_has_its_own_champion_and_touches_no_alias(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    pharmacy.declare(RICH)
    told = pharmacy.retrain(SECOND, lineage="backfill")
    assert told.outcome == "first_version", told.against()
    assert outcomes(pharmacy, "backfill") == ["first_version"]
    assert outcomes(pharmacy) == ["first_version"]
    assert serving(pharmacy) == "1"
    assert pharmacy.parts().ledger.champion("demand", "backfill") == "2"
    with pytest.raises(GauntletError, match="outside the live lineage"):
        pharmacy.registry.set_alias("demand", CHAMPION, "2")


# Waivers


@pytest.fixture(scope="module")
def priceless(champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """A week in which three prices in ten are missing; no feature needs the price."""
    gone = ColumnGone(start=FIRST, column="price", share=0.3)
    return planted(champion, tmp_path_factory.mktemp("priceless"), gone)


def test_a_waiver_needs_a_reason_and_leaves_a_trace(priceless: Pharmacy) -> None:
    refused = priceless.retrain(SECOND)
    against = tuple(refused.against())
    assert refused.outcome == "reject"
    assert "contract.suite.dispensing.price.missing" in against
    unexplained = priceless.retrain(SECOND, waive=against)
    assert unexplained.done.run.id == refused.done.run.id  # it asks for nothing more
    assert unexplained.outcome == "reject"
    assert unexplained.skipped == STEPS[2:-1], "from the contract on, nothing but the decision"
    waived = priceless.retrain(SECOND, waive=against, reason="a till is being repaired")
    assert "train" not in waived.skipped, waived.against()
    entry = priceless.parts().ledger.head("demand")
    assert entry is not None
    assert entry.facts is not None
    assert entry.facts.waived == against
    assert any("was waived: a till is being repaired" in reason for reason in entry.reasons)
    assert set(against) <= {finding.name for finding in entry.findings}
    assert outcomes(priceless) == ["first_version", "reject", waived.outcome]
    assert serving(priceless) == "1"


# From a shell, with MLflow: review, approval, rollback


@pytest.fixture(scope="module")
def reviewed(champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """A first version, and one that awaits review; MLflow and ledger in SQLite."""
    pharmacy = Pharmacy(tmp_path_factory.mktemp("reviewed") / "home", champion.store)
    pharmacy.declare()
    first = pharmacy.cli_retrain(FIRST, "--json")
    assert first.code == 0, first.err
    assert first.body["decision"]["outcome"] == "first_version"
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


def test_asking_again_while_a_version_waits_changes_nothing(
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
    said = ("approve", "demand", "2", "--by", "ana", "--evidence", evidence[:8])
    assert pharmacy.cli(*said, "--note", "looked at").code == 0
    assert serves(pharmacy) == "2"
    assert pharmacy.cli(*said).code == 0  # the same answer again changes nothing
    assert shown(pharmacy.cli("ledger", "demand", "--json"))[2:] == ["promote"]
    otherwise = pharmacy.cli(*said, "--refuse", "--json")
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
    """Services would refuse it, and go on with the one that somebody wants to be rid of."""
    pharmacy, evidence = waiting
    said = ("approve", "demand", "2", "--by", "ana", "--evidence", evidence[:8])
    assert pharmacy.cli(*said).code == 0
    connect(pharmacy.settings).registry.tag("demand", "1", CONTENT, "0" * 64)
    answer = pharmacy.cli("rollback", "demand", "--reason", "orders doubled", "--json")
    assert (answer.code, answer.body["error"]) == (4, "integrity")
    assert "--to" in answer.body["hint"]
    assert serves(pharmacy) == "2"
    assert pharmacy.cli("ledger", "demand", "--json").body["entries"][-1]["kind"] == "promotion"


def test_a_refusal_is_recorded_with_its_words(waiting: tuple[Pharmacy, str]) -> None:
    pharmacy, evidence = waiting
    said = ("approve", "demand", "2", "--refuse", "--by", "ana", "--note", "not before the audit")
    answer = pharmacy.cli(*said, "--evidence", evidence, "--json")
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
    told = reviewed.cli("explain", "demand", "2", "--json").body
    assert told["replayed"] == told["entry"]["decision"]
    words = reviewed.cli("explain", "demand", "1")
    assert words.code == 0
    assert "first_version" in words.out
    assert "judged again just now from the stored findings: the same" in " ".join(words.out.split())
    assert json.loads(reviewed.cli("ledger", "demand", "--json").out)["lineages"] == ["live"]


def test_a_review_that_is_not_awaited_is_said(champion: Pharmacy, tmp_path: Path) -> None:
    parts = champion.copy(tmp_path / "home").parts()
    given = ReviewAnswer(by="ana", evidence="0" * 64, approved=True)
    with pytest.raises(GauntletError, match="does not await review"):
        answer_review("demand", "1", given, parts.ledger, parts.registry, parts.clock)
