"""Retraining from the first version to a rollback, on real parts: what each run leaves behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.cli.commands.retrain import show_decision
from pipelines.cli.output import console
from pipelines.core.errors import GauntletError, IntegrityError
from pipelines.core.findings import Verdict
from pipelines.core.time import instant_text
from pipelines.flows.frames import FRAME, read_rows
from pipelines.flows.retrain.register import VERSION
from pipelines.flows.retrain.rehearsal import REQUESTS, rehearse, requests
from pipelines.flows.retrain.request import STEPS, Request
from pipelines.flows.retrain.run import open_run
from pipelines.flows.retrain.steps import run_step
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.package import content_digest
from pipelines.packaging.version import EVALUATION, read_profile, read_record
from pipelines.release.ledger import chain_errors, replay
from pipelines.release.registry import CHAMPION
from pipelines.simulation.faults import ColumnGone
from tests.support.pharmacy import (
    FIRST,
    RICH,
    SECOND,
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
        "plots/daily.svg",
        "profile.json",
        "importance.json",
    }
    assert champion.half_written() == []
    profile = read_profile(model.parent)
    assert profile is not None
    assert profile.training.columns.keys() == {"medicine", "sold", "label"}
    assert profile.training.columns["label"].total.sum() > 0
    assert profile.predictions.columns["prediction"].total.sum() > 0
    complexity = read_record(model.parent, EVALUATION, Evaluation).complexity
    assert complexity is not None
    assert {one.rival for one in complexity.rivals} == {"linear model", "shallow tree"}
    assert complexity.gap is not None


def test_a_service_answers_with_a_candidate_before_it_is_registered(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    run = open_run(Request(model="demand", as_of=FIRST), pharmacy.parts().retraining)
    rows = read_rows(run.spec, run.workspace.path(FRAME), run.plan.recent)
    folder = run.workspace.path(VERSION)
    rehearse(run, folder, content_digest(folder), rows)
    points = [*requests(run.spec, rows)]
    assert len(points) == REQUESTS
    assert all(set(point) == set(run.spec.request_columns()) for point in points)
    (folder / "input_example.json").write_text("{}")
    with pytest.raises(IntegrityError, match="a service could not answer with this candidate"):
        rehearse(run, folder, content_digest(folder), rows)


def test_content_that_is_replaced_before_the_decision_is_refused(
    champion: Pharmacy, tmp_path: Path
) -> None:
    """The tag in the registry is changed together with the files; the run's record is not."""
    pharmacy = champion.copy(tmp_path / "home")
    request, parts = Request(model="demand", as_of=SECOND), pharmacy.parts()
    run_step("register", request, parts.retraining)
    info = parts.registry.versions("demand")[-1]
    folder = pharmacy.home / "registry" / "demand" / info.version
    (folder / "model" / "MLmodel").write_text("other: files")
    facts = folder / "version.json"
    facts.write_text(facts.read_text().replace(info.content, content_digest(folder / "model")))
    with pytest.raises(IntegrityError, match="this run has registered another model before"):
        run_step("decide", request, parts.retraining)
    assert len(parts.ledger.entries("demand")) == 1


def test_the_same_question_again_has_the_same_answer(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    before = pharmacy.parts().ledger.entries("demand")
    reported = pharmacy.retrain(FIRST)
    assert reported.done.run.id == before[0].run
    assert reported.done.decision == before[0].decision
    assert reported.done.version is not None
    assert reported.done.version.version == "1"
    assert pharmacy.parts().ledger.entries("demand") == before
    assert versions(pharmacy) == ["1"]
    with console.capture() as answers:
        show_decision(reported.done, everything=False)
    assert f"decided at {instant_text(before[0].recorded_at)}" in answers.get(), (
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
    pharmacy, reported = quiet
    assert outcomes(pharmacy) == ["first_version", "hold"]
    assert (versions(pharmacy), serving(pharmacy)) == (["1", "2"], "1")
    assert reported.done.run.id.endswith(".1")
    assert {report.step: report.verdict for report in reported.steps}["contract"] is Verdict.PASS


def test_a_quiet_week_passes_the_champions_envelope_whole(
    quiet: tuple[Pharmacy, RetrainResult],
) -> None:
    _, reported = quiet
    checked = [f for f in reported.done.findings if f.name.startswith("contract.envelope.")]
    assert len(checked) > 20
    assert [f.name for f in checked if f.verdict is not Verdict.PASS] == []


def test_the_first_question_is_still_answered_as_it_was(
    quiet: tuple[Pharmacy, RetrainResult], tmp_path: Path
) -> None:
    """Also when the run's folder is gone: the ledger knows the answer, the registry the version."""
    pharmacy = quiet[0].copy(tmp_path / "home")
    first = pharmacy.parts().ledger.entries("demand")[0]
    reported = pharmacy.retrain(FIRST)
    assert (reported.done.run.id, reported.done.decision) == (first.run, first.decision)
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
    pharmacy, reported = dry
    assert reported.outcome == "dry_run", reported.against()
    assert reported.skipped == ("availability", "register"), "no serving is declared"
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
    ids = [
        {r.step: r.ids for r in reported.steps if r.step != "decide"}
        for _, reported in (dry, changed)
    ]
    assert ids[0]["evaluate"] == ids[1]["evaluate"]
    assert ids[0]["snapshot"] == ids[1]["snapshot"]


def test_a_better_recipe_is_promoted_on_the_same_rows(
    changed: tuple[Pharmacy, RetrainResult],
) -> None:
    pharmacy, reported = changed
    assert outcomes(pharmacy) == ["first_version", "dry_run", "promote"]
    assert (versions(pharmacy), serving(pharmacy)) == (["1", "2"], "2")
    evaluation = reported.done.evidence.evaluation
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
    with_other_recipe, with_own = (
        reported.done.evidence.evaluation for _, reported in (changed, quiet)
    )
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
    pharmacy.declare(RICH, review="required")  # which is assumed where nothing serves
    reported = pharmacy.retrain(SECOND, lineage="backfill")
    assert reported.outcome == "first_version", reported.against()
    assert outcomes(pharmacy, "backfill") == ["first_version"]
    assert outcomes(pharmacy) == ["first_version"]
    assert serving(pharmacy) == "1"
    assert pharmacy.parts().ledger.champion("demand", "backfill") == "backfill-1"
    with pytest.raises(GauntletError, match="outside the live lineage"):
        pharmacy.registry.set_alias("demand", CHAMPION, "backfill-1")


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
