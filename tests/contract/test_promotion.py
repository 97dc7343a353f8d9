"""Ledger and alias together: promotions, rollbacks, moves by hand, killed processes, races.

Everything is real: a ledger in a file, a registry in a folder, processes that die by SIGKILL.
"""

import itertools
import json
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.core.errors import GauntletError, IntegrityError, StaleEvidenceError
from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.time import FixedClock
from pipelines.release.ledger import LIVE, NewEntry, chain_errors, replay
from pipelines.release.policy import Approval, Facts
from pipelines.release.promotion import DecisionInput, promote
from pipelines.release.reconciliation import ENTRY_TAG, reconcile
from pipelines.release.registry import CHAMPION
from pipelines.release.rollback import rollback
from tests.support.version_factory import register

AT = datetime(2026, 1, 5, tzinfo=UTC)
CLOCK = FixedClock(AT)
NAMES = (
    "contract.suite.sales.price.not_null",
    "contract.envelope.sales.price.range",
    "availability.leak_probe",
    "recent_window.primary",
    "recent_window.baseline",
    "budget.spent",
)


class Home:
    """A ledger and a registry in one folder, as a process finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.db"), CLOCK)
        self.registry = FolderRegistry(folder / "registry")

    def register(self, run: str, lineage: str = LIVE) -> str:
        return register(self.registry, self.folder, run, AT, lineage)

    @property
    def alias(self) -> str | None:
        return self.registry.alias("demand", CHAMPION)

    def move_by_hand(self, version: str | None) -> None:
        self.registry.set_alias("demand", CHAMPION, version)

    def promote(self, inputs: DecisionInput) -> Any:
        return promote(inputs, self.ledger, self.registry, CLOCK)

    def reconcile(self) -> Any:
        return reconcile("demand", self.ledger, self.registry, CLOCK)

    def rollback(self, run: str, to: str | None = None, reason: str = "it sells nothing") -> Any:
        return rollback(
            "demand",
            run=run,
            to=to,
            reason=reason,
            ledger=self.ledger,
            aliases=self.registry,
            clock=CLOCK,
        )

    def check(self, champion: str | None) -> None:
        """Ledger and alias agree, the chain is whole, and every judgement replays."""
        found = self.reconcile()
        assert (found.action, found.champion, self.alias) == ("agree", champion, champion)
        chain = self.ledger.entries("demand")
        assert not chain_errors(chain)
        for entry in chain:
            if entry.decision is not None:
                assert replay(entry) == entry.decision


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def inputs(
    run: str,
    candidate: str | None,
    champion: str | None,
    verdict: Verdict = Verdict.PASS,
    lineage: str = LIVE,
    **facts: Any,
) -> DecisionInput:
    return DecisionInput(
        model="demand",
        lineage=lineage,
        as_of=AT,
        facts=Facts.model_validate(
            {"run": run, "candidate": candidate, "champion": champion, "champion_at_decision": None}
            | facts
        ),
        findings=tuple(
            Finding(gate=Gate(name.split(".", 1)[0]), name=name, verdict=verdict, reason="x")
            for name in NAMES
        ),
        spec="s",
        recipe="r",
        snapshot="n",
    )


@pytest.fixture
def first(home: Home) -> str:
    """A home in which one version serves."""
    version = home.register("run-1")
    home.promote(inputs("run-1", version, None))
    return version


def test_from_nothing_to_the_second_champion(home: Home) -> None:
    home.check(None)
    first = home.register("run-1")
    assert home.promote(inputs("run-1", first, None)).kind == "first_version"
    home.check(first)
    second = home.register("run-2")
    entry = home.promote(inputs("run-2", second, first))
    assert (entry.kind, entry.champion_before, entry.champion_after) == ("promotion", first, second)
    home.check(second)
    assert home.registry.tags("demand", second)[ENTRY_TAG] == entry.hash


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.PASS])
def test_what_does_not_pass_is_recorded_and_changes_nothing(
    home: Home, first: str, verdict: Verdict
) -> None:
    entry = home.promote(inputs("run-2", home.register("run-2"), first, verdict))
    assert (entry.kind, entry.champion_after) == ("decision", first)
    assert entry.outcome == ("reject" if verdict is Verdict.FAIL else "hold")
    home.check(first)


def test_a_run_may_be_repeated(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    entry = home.promote(inputs("run-2", second, first))
    assert home.promote(inputs("run-2", second, first)) == entry
    home.promote(inputs("run-3", third, second))
    assert home.promote(inputs("run-2", second, first)) == entry, "an old run comes again"
    home.check(third)
    assert len(home.ledger.entries("demand")) == 3


def test_evidence_against_a_former_champion_is_void(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    for _ in range(2):
        with pytest.raises(
            StaleEvidenceError, match=f"against version {first}, and now version {second}"
        ):
            home.promote(inputs("run-3", third, first))
    home.check(second)
    assert [e.outcome for e in home.ledger.of_run("demand", LIVE, "run-3")] == ["superseded"]


def test_other_lineages_touch_no_alias(home: Home, first: str) -> None:
    other = home.register("backtest-run", "backtest-1")
    entry = home.promote(inputs("backtest-run", other, None, lineage="backtest-1"))
    assert entry.outcome == "first_version"
    assert home.ledger.champion("demand", "backtest-1") == other
    assert ENTRY_TAG not in home.registry.tags("demand", other)
    home.check(first)


def test_a_dry_run_leaves_no_entry(home: Home, first: str) -> None:
    with pytest.raises(GauntletError, match="dry run"):
        home.promote(inputs("run-2", home.register("run-2"), first, dry_run=True))
    assert len(home.ledger.entries("demand")) == 1


def review(home: Home, approved: bool, first: str, second: str) -> DecisionInput:
    waiting = home.promote(inputs("run-2", second, first, review="required"))
    assert waiting.outcome == "await_review"
    home.check(first)
    approval = Approval(evidence=waiting.decision.evidence, approved=approved, by="ada", at=AT)
    return inputs("run-2", second, first, review="required", approval=approval)


def test_an_approval_promotes(home: Home, first: str) -> None:
    second = home.register("run-2")
    entry = home.promote(review(home, True, first, second))
    assert (entry.kind, entry.facts.approval.by) == ("promotion", "ada")
    home.check(second)


def test_a_refusal_is_recorded(home: Home, first: str) -> None:
    second = home.register("run-2")
    entry = home.promote(review(home, False, first, second))
    assert (entry.kind, entry.outcome) == ("review", "reject")
    home.check(first)


def test_an_approval_comes_too_late(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    approved = review(home, True, first, second)
    home.promote(inputs("run-3", third, first))
    with pytest.raises(StaleEvidenceError):
        home.promote(approved)
    made = home.ledger.of_run("demand", LIVE, "run-2")
    assert [(e.kind, e.outcome) for e in made] == [
        ("decision", "await_review"),
        ("review", "superseded"),
    ]
    home.check(third)


def test_an_approval_for_other_evidence_leaves_the_run_waiting(home: Home, first: str) -> None:
    second = home.register("run-2")
    approved = review(home, True, first, second)
    other = approved.facts.approval.model_copy(update={"evidence": "0" * 64})
    facts = approved.facts.model_copy(update={"approval": other})
    waiting = home.promote(approved.model_copy(update={"facts": facts}))
    assert waiting.outcome == "await_review"
    assert home.promote(approved).outcome == "promote"
    home.check(second)


def test_a_rollback(home: Home, first: str) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    entry = home.rollback("undo-1", first)
    assert (entry.kind, entry.champion_after) == ("rollback", first)
    assert home.rollback("undo-1", first) == entry
    home.check(first)
    with pytest.raises(GauntletError, match="leads to a former champion"):
        home.rollback("undo-2", home.register("run-3"))
    with pytest.raises(GauntletError, match="leads to a former champion"):
        home.rollback("undo-3", first)
    with pytest.raises(GauntletError, match="needs a reason"):
        home.rollback("undo-4", second, " ")
    home.check(first)


def test_a_second_rollback_leads_further_back_and_never_forth(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    home.promote(inputs("run-3", third, second))
    assert home.rollback("undo-1").champion_after == second
    assert home.rollback("undo-2").champion_after == first, "the harmful one is back"
    with pytest.raises(GauntletError, match="nothing to roll back to") as told:
        home.rollback("undo-3")
    assert f"champion is {first}" in told.value.got
    home.check(first)
    assert home.rollback("redo-1", third).champion_after == third, "a person may name it"
    assert home.rollback("undo-4").champion_after == first
    home.check(first)


def test_a_rollback_takes_back_a_move_by_hand_that_nobody_had_seen_yet(
    home: Home, first: str
) -> None:
    second = home.register("run-2")
    home.move_by_hand(second)
    assert home.rollback("undo-1").champion_after == first
    home.check(first)
    home.promote(inputs("run-3", third := home.register("run-3"), first))
    home.move_by_hand(first)
    assert home.rollback("undo-2").champion_after == third, "the hand had gone back"
    home.move_by_hand(None)
    assert home.rollback("undo-3").champion_after == third, "nothing served"
    home.check(third)


def test_a_rollback_that_was_killed_is_finished_by_asking_again(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.promote(inputs("run-2", second, first))
    home.promote(inputs("run-3", third, second))
    chain = home.ledger.entries("demand")
    killed = NewEntry(
        model="demand",
        kind="rollback",
        run="undo-1",
        as_of=AT,
        champion_before=third,
        champion_after=second,
        reasons=("it sells nothing",),
    )
    home.ledger.append(killed, after=chain[-1].sequence)
    assert (home.alias, home.rollback("undo-2").run) == (third, "undo-1")
    home.check(second)


def test_a_registry_of_somebody_else_is_no_move_by_hand(
    home: Home, first: str, tmp_path: Path
) -> None:
    """Where GAUNTLET_MLFLOW_URI is missing, an empty registry in the home is what answers."""
    before = home.ledger.entries("demand")
    right, home.registry = home.registry, FolderRegistry(tmp_path / "another")
    with pytest.raises(IntegrityError, match="knows no version that ever was champion"):
        home.reconcile()
    with pytest.raises(IntegrityError, match="knows no version that ever was champion"):
        home.rollback("undo-1")
    assert home.ledger.entries("demand") == before
    home.registry = right
    home.check(first)


def test_a_rollback_to_a_version_that_was_deleted_is_refused_before_it_is_recorded(
    home: Home, first: str
) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    shutil.rmtree(home.folder / "registry" / "demand" / first)
    with pytest.raises(GauntletError, match="no such version"):
        home.rollback("undo-1")
    home.check(second)


def test_an_alias_moved_by_hand_is_shown_and_counts(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.move_by_hand(second)
    found = home.reconcile()
    assert (found.action, found.entry.kind, found.champion) == (
        "manual_alias_change",
        "manual_alias_change",
        second,
    )
    home.check(second)
    with pytest.raises(StaleEvidenceError):
        home.promote(inputs("run-3", third, first))
    home.check(second)


def test_a_promotion_notices_a_move_by_hand(home: Home, first: str) -> None:
    second, third = home.register("run-2"), home.register("run-3")
    home.move_by_hand(second)
    with pytest.raises(StaleEvidenceError):
        home.promote(inputs("run-3", third, first))
    assert [e.kind for e in home.ledger.entries("demand")] == [
        "first_version",
        "manual_alias_change",
        "decision",
    ]
    home.check(second)


def test_a_return_by_hand_is_not_taken_for_a_crash(home: Home, first: str) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    home.move_by_hand(first)
    assert home.reconcile().action == "manual_alias_change"
    home.check(first)


def test_an_alias_removed_by_hand(home: Home, first: str) -> None:
    home.move_by_hand(None)
    assert home.reconcile().action == "manual_alias_change"
    home.check(None)
    second = home.register("run-2")
    assert home.promote(inputs("run-2", second, None)).kind == "first_version"
    home.check(second)


def test_a_champion_from_before_the_ledger(home: Home) -> None:
    version = home.register("run-0")
    home.move_by_hand(version)
    assert home.reconcile().action == "manual_alias_change"
    home.check(version)


def test_a_ledger_restored_from_an_old_backup_is_noticed(home: Home, first: str) -> None:
    second = home.register("run-2")
    home.promote(inputs("run-2", second, first))
    older = SqlLedger(open_engine(f"sqlite:///{home.folder}/older.db"), CLOCK)
    entry = home.ledger.entries("demand")[0]
    older.append(NewEntry(**{name: getattr(entry, name) for name in NewEntry.model_fields}), 0)
    with pytest.raises(IntegrityError, match="the ledger has lost entries"):
        reconcile("demand", older, home.registry, CLOCK)
    assert older.entries("demand") == (entry,)


class Interrupted:
    """A registry that lets a rival act just before its first answer about an alias."""

    def __init__(self, registry: FolderRegistry, rival: Callable[[], object]) -> None:
        self.registry, self.rivals = registry, [rival]

    def __getattr__(self, name: str) -> Any:
        if name == "alias" and self.rivals:
            self.rivals.pop()()
        return getattr(self.registry, name)


def test_a_promotion_in_the_middle_of_a_look_is_no_fault(home: Home, first: str) -> None:
    """It was once taken for a ledger that had lost entries: the look at it was older."""
    second = home.register("run-2")
    between = Interrupted(home.registry, lambda: home.promote(inputs("run-2", second, first)))
    found = reconcile("demand", home.ledger, between, CLOCK)
    assert (found.action, found.champion) == ("agree", second)
    home.check(second)


NURSERY = """
    import json, os, signal, sys, traceback
    from pathlib import Path

    sys.path.insert(0, sys.argv[1])
    import test_promotion as t

    class Mortal:
        '''Passes every call on, and dies by SIGKILL before or after one of them.'''

        def __init__(self, inner, method, when):
            self.inner, self.method, self.when = inner, method, when

        def __getattr__(self, name):
            call = getattr(self.inner, name)
            if name != self.method:
                return call

            def dying(*arguments, **named):
                if self.when == "after":
                    call(*arguments, **named)
                os.kill(os.getpid(), signal.SIGKILL)

            return dying

    def promote(folder, dossier, method, when):
        home = t.Home(Path(folder))
        home.ledger = Mortal(home.ledger, method, when)
        home.registry = Mortal(home.registry, method, when)
        try:
            return 0 if home.promote(t.inputs(*dossier)).outcome == "promote" else 1
        except t.StaleEvidenceError as error:
            return error.exit_code

    for line in sys.stdin:
        children = []
        for order in json.loads(line):
            child = os.fork()
            if child == 0:
                status = 99
                try:
                    status = promote(*order)
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            children.append(child)
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(ends), flush=True)
"""
Order = tuple[str, tuple[str, str, str], str, str]


@pytest.fixture(scope="module")
def processes() -> Iterator[Callable[[list[Order]], list[int]]]:
    """Promotes in processes of their own, all at once, and tells how each of them ended.

    One process has imported everything and forks a child for each order.
    """
    script = [sys.executable, "-c", textwrap.dedent(NURSERY), str(Path(__file__).parent)]
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:

        def run(orders: list[Order]) -> list[int]:
            nursery.stdin.write(json.dumps(orders) + "\n")
            nursery.stdin.flush()
            ends: list[int] = json.loads(nursery.stdout.readline())
            return ends

        yield run
        nursery.stdin.close()


@pytest.mark.parametrize("healer", ["the same run", "reconcile", "a later run"])
@pytest.mark.parametrize(
    "death", itertools.product(("append", "set_alias", "tag"), ("before", "after"))
)
def test_a_killed_promotion_ends_as_if_nothing_had_happened(
    home: Home,
    first: str,
    processes: Callable[[list[Order]], list[int]],
    death: tuple[str, str],
    healer: str,
) -> None:
    method, when = death
    second = home.register("run-2")
    ends = processes([(str(home.folder), ("run-2", second, first), method, when)])
    assert ends == [-signal.SIGKILL]
    recorded = (method, when) != ("append", "before")
    assert home.ledger.champion("demand") == (second if recorded else first)
    if healer == "reconcile":
        behind = recorded and method != "tag" and (method, when) != ("set_alias", "after")
        assert home.reconcile().action == ("finished" if behind else "agree")
    elif healer == "a later run":
        third = home.register("run-3")
        home.promote(inputs("run-3", third, second if recorded else first, Verdict.FAIL))
    if healer != "the same run":
        home.check(second if recorded else first)
    home.promote(inputs("run-2", second, first))
    home.check(second)
    moves = [entry.kind for entry in home.ledger.entries("demand") if entry.moves]
    assert moves == ["first_version", "promotion"]


@pytest.mark.parametrize("attempt", range(5))
def test_of_many_promoters_exactly_one_wins(
    home: Home, first: str, processes: Callable[[list[Order]], list[int]], attempt: int
) -> None:
    runs = {f"run-{name}": home.register(f"run-{name}") for name in "abcd"}
    orders = [(str(home.folder), (run, version, first), "", "") for run, version in runs.items()]
    ends = processes(orders)
    assert sorted(ends) == [0, *[StaleEvidenceError.exit_code] * 3]
    winner = list(runs.values())[ends.index(0)]
    home.check(winner)
    chain = home.ledger.entries("demand")
    assert [entry.outcome for entry in chain] == ["first_version", "promote", *["superseded"] * 3]
