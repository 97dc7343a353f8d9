"""Planted fault: a gate that is tried until it passes.

Nothing in these worlds is better than the champion. Who tries often enough is promoted by chance:
every Monday for a year, or by dry runs and audits of one question after another until one shines.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.time import FixedClock
from pipelines.release.dry_run import record_comparison
from pipelines.release.ledger import Entry, NewEntry, replay
from pipelines.release.policy import Facts
from pipelines.release.promotion import DecisionInput, DecisionResult, judge_dry_run, promote
from pipelines.spec.training import BudgetGate
from tests.montecarlo.worlds import SMALL_AR_HALF
from tests.montecarlo.year import Gauntlet, one_test, promotions, spec, usual
from tests.support.version_factory import register

MONDAY = datetime(2027, 3, 1, 6, tzinfo=UTC)
YEAR_SEED = 4  # a year in which the test at 5 % is fooled as well, as it is in two of three


def test_a_year_of_mondays() -> None:
    """The same year, the same rows, the same candidates for each gate."""

    def promoted(gate) -> int:
        return promotions(SMALL_AR_HALF, np.random.default_rng(YEAR_SEED), gate)

    assert promoted(usual) >= 5, "metric above the champion's: a promotion every few weeks"
    assert promoted(one_test) >= 1, "a sound test, tried 52 times"
    gauntlet = Gauntlet(spec(tries=60))
    assert promoted(gauntlet) == 0
    assert len(gauntlet.entries) == 52
    spent = next(f for f in gauntlet.entries[-1].findings if f.name == "budget.spent")
    assert "52 tries, 8 left" in spent.reason


class Home:
    """A real ledger and a registry of folders, on one Monday."""

    def __init__(self, folder: Path, tries: int) -> None:
        self.folder, self.budget = folder, BudgetGate(tries=tries)
        self.clock = FixedClock(MONDAY)
        self.ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.db"), self.clock)
        self.registry = FolderRegistry(folder / "registry")
        self.promote("first", champion=None)

    def inputs(
        self, run: str, champion: str | None, *, dry: bool, waive: str = ""
    ) -> DecisionInput:
        deciding = "recent_window.primary" if champion else "recent_window.baseline"
        names = (
            "contract.suite.rows",
            "contract.envelope.rows",
            "availability.leak_probe",
            deciding,
        )
        return DecisionInput(
            model="demand",
            as_of=self.clock.now(),
            facts=Facts(
                run=run,
                candidate=None if dry else self.register(run),
                champion=champion,
                champion_at_decision=None,
                dry_run=dry,
                waived=(waive,) if waive else (),
                reason="ada has looked at it" if waive else "",
            ),
            findings=tuple(
                Finding(
                    gate=Gate(name.split(".")[0]), name=name, verdict=Verdict.PASS, reason="luck"
                )
                for name in names
            ),
            spec="s",
            recipe="r",
            snapshot="n",
            budget=self.budget,
        )

    def register(self, run: str) -> str:
        return register(self.registry, self.folder, run, MONDAY)

    def judge_dry_run(self, run: str) -> DecisionResult:
        return judge_dry_run(self.inputs(run, "1", dry=True), self.ledger, self.clock)

    def audit(self, run: str) -> Entry:
        live = Finding(gate=Gate.AUDIT, name="audit.live", verdict=Verdict.PASS, reason="luck")
        observed = NewEntry(
            model="demand",
            kind="audit",
            run=run,
            as_of=MONDAY,
            champion_before=None,
            champion_after=None,
            reasons=("audit by hand",),
            findings=(live,),
        )
        return record_comparison(observed, self.budget, self.ledger, self.clock)

    def promote(self, run: str, champion: str | None = "1", waive: str = ""):
        requested = self.inputs(run, champion, dry=False, waive=waive)
        return promote(requested, self.ledger, self.registry, self.clock)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, tries=5)


def test_dry_runs_until_one_of_them_shines(home: Home) -> None:
    for number in range(5):
        assert home.judge_dry_run(f"recipe-{number}").decision.outcome == "dry_run"
    entry = home.promote("recipe-5")
    assert entry.outcome == "hold"
    assert entry.champion_after == "1"
    assert "budget.exhausted" in {finding.name for finding in entry.findings}
    assert any("budget.exhausted" in reason for reason in entry.reasons)
    assert replay(entry) == entry.decision


def test_audits_by_hand_until_one_of_them_shines(home: Home) -> None:
    for number in range(5):
        assert home.audit(f"recipe-{number}") == home.audit(f"recipe-{number}")
    assert home.ledger.champion("demand") == "1"
    assert home.ledger.verify("demand") == 6, "the first version and five looks, each once"
    entry = home.promote("recipe-5")
    assert entry.outcome == "hold"
    assert any("budget.exhausted" in reason for reason in entry.reasons)
    assert home.promote("recipe-4").outcome == "promote", "what was looked at is paid for"


def test_the_real_run_of_a_question_that_was_looked_at_costs_nothing_more(home: Home) -> None:
    for _ in range(3):
        home.judge_dry_run("recipe-0")
    assert [entry.kind for entry in home.ledger.entries("demand")] == ["first_version", "dry_run"]
    assert home.promote("recipe-0").outcome == "promote"


def test_a_look_changes_no_champion_and_leaves_a_whole_chain(home: Home) -> None:
    observed = home.judge_dry_run("recipe-0")
    assert "budget.spent" in {finding.name for finding in observed.findings}
    assert home.ledger.champion("demand") == "1"
    assert home.ledger.verify("demand") == 2
    assert replay(home.ledger.entries("demand")[-1]) == observed.decision


def test_a_person_may_answer_for_one_more_and_that_is_on_record(home: Home) -> None:
    for number in range(5):
        home.judge_dry_run(f"recipe-{number}")
    entry = home.promote("recipe-5", waive="budget.exhausted")
    assert entry.outcome == "promote"
    assert "budget.exhausted was waived: ada has looked at it" in entry.reasons


def test_the_next_year_begins_anew(home: Home) -> None:
    for number in range(5):
        home.judge_dry_run(f"recipe-{number}")
    home.clock = FixedClock(datetime(2028, 1, 3, tzinfo=UTC) + timedelta(hours=6))
    assert home.promote("recipe-6").outcome == "promote"
