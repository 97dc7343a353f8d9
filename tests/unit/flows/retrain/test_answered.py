"""Runs whose files were removed are answered from the ledger, without their events."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.data.events import NoEvents
from pipelines.flows.backfill import BackfillRequest, open_backfill
from pipelines.flows.retrain.answered import answer_of
from pipelines.flows.retrain.request import LIVE, STEPS, Request, StepReport
from pipelines.flows.retrain.run import RetrainCollaborators, name_run
from pipelines.flows.retrain.steps import Retraining, retrain, run_step
from pipelines.flows.update.steps import update
from pipelines.flows.workspace import WRITTEN
from pipelines.release.ledger import NewEntry
from pipelines.release.policy import decide
from tests.support.pharmacy import copy_home
from tests.support.sales_home import AS_OF, SalesHome, connections_to, home_in, rows
from tests.support.updates.visits_home import ANCHOR, HOUR, VisitsHome, visits
from tests.support.updates.visits_home import connections_to as connections_to_visits

FIRST = Request(model="sales", as_of=AS_OF)
UPDATE = Request(model="visits", as_of=ANCHOR + 2 * HOUR, update=True)
IMPOSSIBLE = {
    "name": "sales",
    "expectations": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "units", "max_value": 0},
            "severity": "critical",
            "meta": {"stream": "sales"},
        }
    ],
}


@pytest.fixture
def sales(tmp_path: Path) -> SalesHome:
    return sales_in(tmp_path)


def sales_in(folder: Path, **changes: Any) -> SalesHome:
    home = SalesHome(folder, connections_to(rows(), folder, AS_OF))
    home.declare(**changes)
    return home


@pytest.fixture(scope="module")
def a_week_before(tmp_path_factory: pytest.TempPathFactory) -> SalesHome:
    """A retraining of the week before was decided. Only to be copied."""
    home = sales_in(tmp_path_factory.mktemp("a_week_before"))
    home.retrain(AS_OF - timedelta(days=7))
    return home


@pytest.fixture
def later(a_week_before: SalesHome, tmp_path: Path) -> SalesHome:
    return copied(a_week_before, tmp_path)


@pytest.fixture(scope="module")
def in_review(tmp_path_factory: pytest.TempPathFactory) -> tuple[SalesHome, Retraining]:
    """A version awaits review. Only to be copied."""
    home = sales_in(tmp_path_factory.mktemp("in_review"), review="required")
    return home, home.retrain()


@pytest.fixture
def reviewed(in_review: tuple[SalesHome, Retraining], tmp_path: Path) -> SalesHome:
    return copied(in_review[0], tmp_path)


def copied(home: SalesHome, folder: Path) -> SalesHome:
    copy = copy_home(home.folder, folder / "copy")
    return home_in(copy, copy / "store", AS_OF)


@pytest.fixture
def shops(tmp_path: Path) -> VisitsHome:
    home = VisitsHome(tmp_path, connections_to_visits(visits(days=43), tmp_path))
    home.declare()
    home.retrain()
    return home


def lose(parts: RetrainCollaborators) -> None:
    """Remove the files of all runs, and all events."""
    shutil.rmtree(parts.runs.folder)
    shutil.rmtree(parts.runs.folder.parent.parent / "store")


def state(home: SalesHome | VisitsHome, model: str) -> list[Any]:
    """What a run may write: entries, versions with their tags, and files of the home."""
    parts = home.parts
    files = sorted(
        path for path in parts.runs.folder.parent.rglob("*") if "mlflow" not in path.name
    )
    registry = parts.versions.registry
    return [parts.ledger.entries(model), registry.versions(model), files]


def requested(
    run: Callable[..., Retraining], request: Request, home: Any
) -> tuple[Retraining, dict[str, StepReport]]:
    reports: list[StepReport] = []
    done = run(request, home.parts, reports.append)
    return done, {report.step: report for report in reports}


def same(again: Retraining, decided: Retraining) -> bool:
    """Whether two runs have the same decision, findings and version."""
    contents = {one.version.content if one.version else "" for one in (again, decided)}
    return len(contents) == 1 and (
        (again.decision, again.findings, again.candidate, again.snapshot, again.identity.id)
        == (decided.decision, decided.findings, decided.candidate, decided.snapshot, decided.run.id)
    )


def test_a_retraining_is_answered_with_its_decision_findings_and_reports(later: SalesHome) -> None:
    decided, before = requested(retrain, FIRST, later)
    assert decided.findings
    lose(later.parts)
    written = state(later, "sales")
    again, reports = requested(retrain, FIRST, later)
    assert same(again, decided)
    assert tuple(reports) == tuple(before) == STEPS
    for step in ("contract", "evaluate", "record", "audit"):
        assert (reports[step].verdict, reports[step].problems) == (
            before[step].verdict,
            before[step].problems,
        )
    assert reports["decide"] == before["decide"]
    assert reports["register"] == before["register"]
    for step in STEPS:
        assert run_step(step, FIRST, later.parts) == reports[step]
    assert state(later, "sales") == written


def test_a_run_that_a_contract_stopped_is_stopped_again(sales: SalesHome) -> None:
    sales.declare(IMPOSSIBLE)
    decided, before = requested(retrain, FIRST, sales)
    assert before["contract"].stops
    lose(sales.parts)
    again, reports = requested(retrain, FIRST, sales)
    assert same(again, decided)
    assert reports["contract"] == before["contract"]
    assert {step for step, one in reports.items() if one.skipped} == {
        step for step, one in before.items() if one.skipped
    }


def test_a_version_that_awaits_review_is_not_registered_again(
    in_review: tuple[SalesHome, Retraining], reviewed: SalesHome
) -> None:
    _, decided = in_review
    assert decided.decision.outcome == "await_review"
    lose(reviewed.parts)
    written = state(reviewed, "sales")
    again = reviewed.retrain()
    assert same(again, decided)
    assert state(reviewed, "sales") == written


def test_a_version_whose_review_came_too_late_is_not_answered_as_waiting(
    reviewed: SalesHome,
) -> None:
    lose(reviewed.parts)
    named, ledger = name_run(FIRST, reviewed.parts), reviewed.parts.ledger
    [waiting] = ledger.of_run("sales", LIVE, named.identity.id)
    assert waiting.facts is not None
    assert answer_of(named) == waiting
    facts = waiting.facts.model_copy(update={"champion_at_decision": "9"})
    decision = decide(waiting.findings, facts)
    assert decision.outcome == "superseded"
    late = {"kind": "review", "facts": facts, "decision": decision, "reasons": decision.reasons}
    fields = {name: getattr(waiting, name) for name in NewEntry.model_fields}
    ledger.append(NewEntry(**fields | late), waiting.sequence)
    assert answer_of(named) is None


def test_a_dry_run_is_answered_and_does_not_answer_for_the_run(later: SalesHome) -> None:
    later.declare(split={"train": "21d", "recent": "14d"})  # a changed recipe: it uses a try
    dry = FIRST.model_copy(update={"dry_run": True})
    decided, _ = requested(retrain, dry, later)
    lose(later.parts)
    assert same(requested(retrain, dry, later)[0], decided)
    with pytest.raises(NoEvents):
        later.retrain()


def test_a_kill_while_files_are_removed_leaves_a_run_without_files(sales: SalesHome) -> None:
    decided = sales.retrain()
    folder = decided.run.workspace.folder
    (folder / WRITTEN).unlink()
    left = sorted(folder.iterdir())
    assert sales.retrain().decision == decided.decision
    assert sorted(folder.iterdir()) == left


def test_an_update_is_answered_without_the_version_that_it_updated(shops: VisitsHome) -> None:
    decided, before = requested(update, UPDATE, shops)
    assert decided.version is not None
    lose(shops.parts)
    shutil.rmtree(shops.folder / "registry" / "visits" / "1")
    shutil.rmtree(shops.parts.versions.folder)
    written = state(shops, "visits")
    again, reports = requested(update, UPDATE, shops)
    assert same(again, decided)
    assert tuple(reports) == tuple(before)
    assert reports["decide"] == before["decide"]
    assert state(shops, "visits") == written


def test_a_backfill_is_printed_again(sales: SalesHome) -> None:
    dates = (AS_OF - timedelta(days=7), AS_OF)
    request = BackfillRequest(model="sales", as_of=dates, from_scratch=True)
    weeks = list(open_backfill(request, sales.parts).weeks())
    lose(sales.parts)
    lineage = open_backfill(request, sales.parts).lineage
    entries = sales.parts.ledger.entries("sales", lineage)
    assert list(open_backfill(request, sales.parts).weeks()) == weeks
    assert sales.parts.ledger.entries("sales", lineage) == entries
    assert not sales.parts.runs.folder.exists()
