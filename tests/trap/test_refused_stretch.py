"""Trap: a bad week is refused while it is fresh, and trained on later without a check."""

import shutil
from pathlib import Path

import pytest

from pipelines.core.time import FixedClock, instant_text
from pipelines.flows.check import check_readiness
from pipelines.flows.mark_broken import MarkCollaborators, mark_broken
from pipelines.flows.retrain.request import Request
from pipelines.release.broken_windows.window import BrokenWindow
from pipelines.simulation.faults import UnitChange
from tests.support.pharmacy import FIRST, SECOND, WEEK, Pharmacy, planted, write_days

THIRD = SECOND + WEEK
NAME = f"contract.previously_rejected.{SECOND:%Y-%m-%d}"


@pytest.fixture(scope="module")
def spoilt(champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """A champion, a week counted in tablets that was refused, and a week as it should be."""
    folder = tmp_path_factory.mktemp("spoilt")
    pharmacy = planted(champion, folder, UnitChange(start=FIRST, end=SECOND))
    write_days(Path(pharmacy.store), SECOND, THIRD)
    reported = pharmacy.retrain(SECOND)
    assert reported.outcome == "reject", reported.against()
    return pharmacy


def test_a_refused_week_is_brought_up_while_it_would_be_trained_on(
    spoilt: Pharmacy, tmp_path: Path
) -> None:
    reported = spoilt.copy(tmp_path / "home").retrain(THIRD)
    assert reported.against().get(NAME) == "fail"
    assert "train" in reported.skipped, "rows that were refused must not be trained on"
    reason = next(f.reason for f in reported.done.findings if f.name == NAME)
    assert "split.exclude" in reason


def test_an_exclusion_settles_it_and_takes_the_rows_away(spoilt: Pharmacy, tmp_path: Path) -> None:
    pharmacy = spoilt.copy(tmp_path / "home")
    stretch = {
        "start": instant_text(FIRST),
        "end": instant_text(SECOND),
        "reason": "the till's new system counted tablets",
    }
    pharmacy.declare(split={"train": "28d", "recent": "14d", "exclude": [stretch]})
    reported = pharmacy.retrain(THIRD)
    assert NAME not in reported.against()
    assert next(f.verdict for f in reported.done.findings if f.name == NAME) == "pass"


def test_a_broken_window_settles_it_for_later_runs(spoilt: Pharmacy, tmp_path: Path) -> None:
    """The ledger's clock stands in 2026, so a replay of 2025 counts the mark from its as-of on."""
    pharmacy = spoilt.copy(tmp_path / "home")
    parts = pharmacy.parts(clock=FixedClock(THIRD))
    window = BrokenWindow(start=FIRST, end=SECOND, stream="dispensing", by="Ada")
    using = MarkCollaborators(parts.load_spec, parts.ledger, parts.lock, parts.clock)
    mark_broken("demand", window, "the till's new system counted tablets", using)
    check = check_readiness(Request(model="demand", as_of=THIRD), pharmacy.parts().retraining)
    assert next(f.verdict for f in check.findings if f.name == NAME) == "pass"


def test_a_waiver_with_a_reason_settles_it_once_and_for_all(
    spoilt: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = spoilt.copy(tmp_path / "home")
    reported = pharmacy.retrain(THIRD, waive=(NAME,), reason="tablets it is, from now on")
    assert NAME in {name for gate in reported.done.decision.gates for name in gate.waived}
    later = pharmacy.retrain(THIRD, reason="tried again")
    names = {finding.name for finding in later.done.findings}
    assert NAME not in names, "what a person has approved is not refused again"


def test_other_lineages_do_not_inherit_the_refusal(spoilt: Pharmacy, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(spoilt.home, home)
    reported = Pharmacy(home, spoilt.store).retrain(THIRD, lineage="backtest")
    assert NAME not in {finding.name for finding in reported.done.findings}
