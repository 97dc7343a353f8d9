"""``gauntlet release`` in processes of its own: killed between ledger and alias, and two at once.

Between each process and MLflow's server there is a wire that the test holds. What is in the ledger
and has not come to the alias is then as a network and a ``kill -9`` leave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import TimeError
from pipelines.core.time import instant_text
from pipelines.flows.release.advance import advance
from pipelines.flows.serving.publish import publish_plan
from pipelines.release.ledger import Entry, chain_errors
from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.release.rollback import RollbackRequest, rollback
from pipelines.reporting.retraining.sections import REPORT
from pipelines.wiring import connect
from tests.support.fault_proxy import FaultProxy
from tests.support.pharmacy import SECOND, Answer, Pharmacy
from tests.support.rollout_factory import (
    CANARY,
    DAY,
    SHADOW,
    VERDICT,
    at,
    challenged,
    run_canary,
    sales_factor,
    step,
)
from tests.support.servers import PATIENCE_S, Server, mlflow

MOVES_ALIAS = b"POST /api/2.0/mlflow/registered-models/alias"
TAKES_ALIAS = b"DELETE /api/2.0/mlflow/registered-models/alias"
ASKS = b"/api/2.0/mlflow/registered-models/get"
pytestmark = pytest.mark.slow


class InMlflow(Pharmacy):
    """One whose versions are in MLflow's own database file."""

    @property
    def registry(self) -> Any:
        """As its settings say."""
        return connect(self.settings).registry


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> InMlflow:
    """Version 2 passed every offline gate and waits."""
    folder = tmp_path_factory.mktemp("waits")
    made = challenged(folder, mlflow=True)
    return InMlflow(made.home, made.store)


@pytest.fixture(scope="module")
def due(waits: InMlflow, tmp_path_factory: pytest.TempPathFactory) -> InMlflow:
    """The next step promotes version 2."""
    pharmacy = waits.twin(tmp_path_factory.mktemp("due"))
    began = run_canary(pharmacy, sales_factor(1.4))
    assert began.action == "canary", began.summary
    return pharmacy


@dataclass
class Town:
    """A pharmacy whose MLflow is a server for its processes, at the end of a wire."""

    pharmacy: InMlflow
    wire: FaultProxy
    server: Server

    def release(self, as_of: datetime, wire: FaultProxy | None = None) -> Any:
        """``gauntlet release demand`` begins."""
        words = ("release", "demand", "--as-of", instant_text(as_of), "--json")
        return self.process(*words, wire=wire)

    def process(self, *words: str, wire: FaultProxy | None = None) -> Any:
        """``gauntlet <words>`` begins, at the end of a wire."""
        at_end = (wire or self.wire).address
        return self.pharmacy.process(
            *words, GAUNTLET_MLFLOW_URI=at_end, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1"
        )

    @property
    def chain(self) -> tuple[Entry, ...]:
        """The ledger, as long as it is sound."""
        found = at(self.pharmacy, VERDICT).ledger.entries("demand")
        assert not chain_errors(found)
        return found

    @property
    def aliases(self) -> tuple[str | None, str | None]:
        """The versions with the aliases champion and challenger."""
        registry = self.pharmacy.registry
        return registry.alias("demand", CHAMPION), registry.alias("demand", CHALLENGER)

    def plan(self) -> tuple[str, str | None]:
        """The champion and challenger in the plan of a service that reads it now."""
        found = publish_plan("demand", at(self.pharmacy, VERDICT).publishing)
        return found.champion.version, found.challenger.version if found.challenger else None


@pytest.fixture
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Town]:
    """A copy of the pharmacy that the test names."""
    shared: InMlflow = request.getfixturevalue(request.param)
    pharmacy = shared.copy(tmp_path / "home")
    server, address = mlflow(tmp_path, f"sqlite:///{pharmacy.home / 'mlflow.db'}")
    try:
        server.start()
        with FaultProxy(int(address.rpartition(":")[2])) as wire:
            yield Town(pharmacy, wire, server)
    finally:
        server.stop()


def moves(chain: tuple[Entry, ...]) -> list[tuple[str, str, str | None, str | None]]:
    """The entries of a chain without the instants at which they were written."""
    return [
        (
            one.kind,
            one.transition.stage if one.transition else "",
            one.champion_before,
            one.champion_after,
        )
        for one in chain
    ]


def killed(town: Town, process: Any, words: bytes) -> None:
    """``kill -9`` at the instant at which a request with these words is on its way."""
    try:
        assert town.wire.caught.wait(PATIENCE_S), f"was never at {words!r}: {Answer.of(process)}"
    finally:
        process.kill()
    assert process.wait() == -9
    town.wire.cut()
    town.wire.mend()


@pytest.fixture(scope="module")
def undisturbed(due: InMlflow, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The promotion, its holdback and a rollback, when nothing goes wrong."""
    pharmacy = due.copy(tmp_path_factory.mktemp("undisturbed") / "home")
    acts = [step(pharmacy, VERDICT).action.value for _ in range(2)]
    assert acts == ["promoted", "holdback"]
    parts = at(pharmacy, VERDICT)
    request = RollbackRequest("demand", run="by-hand", reason="a test", to="1")
    rollback(request, parts.ledger, parts.registry, parts.clock)
    return moves(parts.ledger.entries("demand"))


@pytest.mark.parametrize("town", ["due"], indirect=True)
def test_killed_between_ledger_and_alias_at_the_promotion_and_at_a_rollback(
    town: Town, undisturbed: list[Any]
) -> None:
    before = town.chain
    town.wire.catch(MOVES_ALIAS)
    killed(town, town.release(VERDICT), MOVES_ALIAS)
    chain = town.chain
    assert len(chain) == len(before) + 1
    assert (chain[-1].kind, chain[-1].champion_after) == ("promotion", "2")
    assert town.aliases == ("1", "2"), "the ledger is ahead of the aliases"
    assert town.plan() == ("2", None), "services follow the ledger"

    again = Answer.of(town.release(VERDICT))
    assert (again.code, again.body["action"]) == (0, "holdback"), again.err
    assert town.aliases == ("2", "1")
    assert town.plan() == ("2", "1")

    town.wire.catch(MOVES_ALIAS)
    process = town.process("rollback", "demand", "--reason", "a test")
    killed(town, process, MOVES_ALIAS)
    assert (town.chain[-1].kind, town.chain[-1].champion_after) == ("rollback", "1")
    assert town.aliases == ("2", "1")
    assert town.plan() == ("1", None), "services follow the ledger"
    again = Answer.of(town.release(VERDICT))
    assert (again.code, again.body["action"]) == (0, "idle"), again.err
    assert town.aliases == ("1", None)
    assert moves(town.chain) == undisturbed, "it did not end where the undisturbed one did"


@pytest.mark.parametrize("town", ["waits"], indirect=True)
def test_killed_while_a_challenger_comes(town: Town) -> None:
    town.wire.catch(MOVES_ALIAS)
    killed(town, town.release(SECOND), MOVES_ALIAS)
    begun = town.chain[-1]
    assert begun.transition is not None
    assert begun.transition.stage == "shadow"
    assert town.plan() == ("1", None), "there is no challenger before the alias names it"
    assert step(town.pharmacy, begun.recorded_at).action == "waiting"
    assert town.aliases == ("1", "2"), "the next step has finished the move"
    assert town.plan() == ("1", "2")
    assert town.chain[-1] == begun


@pytest.mark.parametrize("town", ["waits"], indirect=True)
def test_killed_while_a_challenger_is_taken_off(town: Town) -> None:
    assert step(town.pharmacy, SECOND).action == "shadow"
    later = SECOND + 2 * SHADOW  # it had no requests, so there is no evidence, and it ends
    town.wire.catch(TAKES_ALIAS)
    killed(town, town.release(later), TAKES_ALIAS)
    ended = town.chain[-1]
    assert ended.transition is not None
    assert ended.transition.stage == "ended"
    assert town.aliases == ("1", "2"), "the alias is behind the ledger"
    assert town.plan() == ("1", None), "services follow the ledger, which took it off"
    again = Answer.of(town.release(later))
    assert (again.code, again.body["action"]) == (0, "idle"), again.err
    assert town.aliases == ("1", None)
    assert town.chain[-1] == ended


@pytest.mark.parametrize("town", ["due"], indirect=True)
def test_two_processes_at_one_promotion_make_one(town: Town) -> None:
    """Both wait at their first question to MLflow, and go on at the same instant."""
    before = town.chain
    with FaultProxy(town.wire.to) as other:
        both = []
        for wire in (town.wire, other):
            wire.catch(ASKS)
            both.append(town.release(VERDICT, wire))
        for wire in (town.wire, other):
            assert wire.caught.wait(PATIENCE_S), "a process never requested the champion"
        for wire in (town.wire, other):
            wire.let_go()
        answers = [Answer.of(process) for process in both]
    check_answers(answers)
    made = town.chain[len(before) :]
    assert [one.kind for one in made].count("promotion") == 1, answers
    assert len({(one.kind, one.run) for one in made}) == len(made)
    assert Answer.of(town.release(VERDICT)).code == 0
    assert town.aliases == ("2", "1")
    assert moves(town.chain)[len(before) :] == [
        ("promotion", "promoted", "1", "2"),
        ("rollout", "holdback", "2", "2"),
    ]


def check_answers(answers: list[Answer]) -> None:
    """At least one has moved; the other agrees with it, or its error has a reason and a hint."""
    assert 0 in [one.code for one in answers], answers
    for one in answers:
        if one.code:
            assert one.code in (6, 7), one.err
            assert one.body["error"] in ("locked", "stale_evidence")
            assert one.body["hint"], "it does not say what to do"
        else:
            assert one.body["action"] in ("promoted", "holdback"), one.body


@pytest.mark.parametrize("town", ["due"], indirect=True)
def test_a_second_process_while_the_first_hangs_between_ledger_and_alias(town: Town) -> None:
    before = town.chain
    town.wire.catch(MOVES_ALIAS)
    first = town.release(VERDICT)
    assert town.wire.caught.wait(PATIENCE_S), "the first never came to the alias"
    with FaultProxy(town.wire.to) as other:
        second = Answer.of(town.release(VERDICT, other))
    assert town.plan() == ("2", "1"), "the second began the holdback: services follow the ledger"
    town.wire.let_go()
    check_answers([Answer.of(first), second])
    assert town.aliases == ("2", "1")
    assert moves(town.chain)[len(before) :] == [
        ("promotion", "promoted", "1", "2"),
        ("rollout", "holdback", "2", "2"),
    ]


@pytest.mark.parametrize("town", ["due"], indirect=True)
def test_a_promotion_during_a_retraining_waits_and_a_killed_one_is_not_waited_for(
    town: Town,
) -> None:
    files = releases(town.pharmacy)
    town.wire.catch(ASKS)
    retraining = town.process("retrain", "demand", "--as-of", instant_text(VERDICT), "--json")
    try:
        assert town.wire.caught.wait(PATIENCE_S), "the retraining never requested the champion"
        before = town.chain
        with FaultProxy(town.wire.to) as other:
            busy = Answer.of(town.release(VERDICT, other))
        assert (busy.code, busy.body["error"]) == (6, "locked"), busy
        assert f"process {retraining.pid}" in busy.body["got"], "it does not say who is at work"
        assert town.chain == before
        assert town.aliases == ("1", "2")
    finally:
        retraining.kill()
    retraining.wait()
    town.wire.cut()
    town.wire.mend()
    again = Answer.of(town.release(VERDICT))
    assert (again.code, again.body["action"]) == (0, "promoted"), again
    assert releases(town.pharmacy) > files


@pytest.mark.parametrize("town", ["due"], indirect=True)
def test_mlflow_is_killed_before_a_promotion_and_under_it(town: Town) -> None:
    before = town.chain
    town.server.kill()
    check_waits(Answer.of(town.release(VERDICT)))
    assert town.chain == before, "a promotion was written that cannot be shown"
    town.server.start()

    town.wire.catch(MOVES_ALIAS)
    process = town.release(VERDICT)
    assert town.wire.caught.wait(PATIENCE_S), "it never came to the alias"
    town.server.kill()
    town.wire.let_go()
    check_waits(Answer.of(process))
    assert [one.kind for one in town.chain[len(before) :]] == ["promotion"]
    town.server.start()
    assert town.aliases == ("1", "2")
    again = Answer.of(town.release(VERDICT))
    assert (again.code, again.body["action"]) == (0, "holdback"), again
    assert town.aliases == ("2", "1")
    report = connect(town.pharmacy.settings).pages.text_file("demand", "2", REPORT)
    assert "in holdback: it won its canary" in report


def check_waits(answer: Answer) -> None:
    """The error: MLflow is away, and running again is safe."""
    assert (answer.code, answer.body["error"]) == (5, "unavailable"), answer
    assert "safe to run again" in answer.body["hint"]


def releases(pharmacy: Pharmacy) -> set[str]:
    """Evidence that was kept, by name."""
    return {path.name for path in (pharmacy.home / "releases" / "demand").glob("*.json")}


@dataclass
class Falling:
    """A clock that is a day earlier at each reading."""

    at: datetime

    def now(self) -> datetime:
        """An instant before the last one."""
        found, self.at = self.at, self.at - DAY
        return found


def test_a_clock_that_goes_back_makes_no_look_twice_and_no_entry_early(
    due: InMlflow, tmp_path: Path
) -> None:
    pharmacy = due.copy(tmp_path / "home")
    ledger = at(pharmacy, VERDICT).ledger
    before, kept = ledger.entries("demand"), releases(pharmacy)

    week = step(pharmacy, CANARY + 11 * DAY)  # whole weeks count when their sales are known
    again = step(pharmacy, CANARY + 11 * DAY)
    back = step(pharmacy, CANARY + 3 * DAY)
    assert (week.action, again.action, back.action) == ("waiting", "waiting", "waiting")
    assert (week.weeks, again.weeks, back.weeks) == (1, 1, 0)
    assert week.looks == again.looks
    assert back.next_check is not None
    assert back.next_check > CANARY + 3 * DAY, "it is to be looked at in its own past"
    early = step(pharmacy, SECOND)
    assert (early.action, early.next_check) == ("waiting", CANARY)
    assert ledger.entries("demand") == before, "a look as of the past was recorded"
    assert releases(pharmacy) == kept

    with pytest.raises(TimeError, match="as-of lies in the future"):
        advance("demand", VERDICT, at(pharmacy, VERDICT - DAY).release)
    assert ledger.entries("demand") == before

    falling = Falling(VERDICT)
    from pipelines.adapters.database import open_engine
    from pipelines.adapters.ledger.sql import SqlLedger

    engine = open_engine(pharmacy.settings.ledger_address)
    others = {"clock": falling, "ledger": SqlLedger(engine, falling)}
    assert step(pharmacy, VERDICT, **others).action == "promoted"
    assert falling.at < VERDICT - DAY, "the clock did not go back under the promotion"
    chain = ledger.entries("demand")
    assert not chain_errors(chain)
    recorded = [one.recorded_at for one in chain]
    assert recorded == sorted(recorded), "an entry is recorded before the one that it follows"
    assert chain[-1].as_of == VERDICT

    early = step(pharmacy, VERDICT - DAY)
    assert (early.action, early.next_check) == ("waiting", VERDICT), (
        "a promotion that is yet to come"
    )
    assert ledger.entries("demand") == chain
    assert step(pharmacy, VERDICT).action == "holdback"
    early = step(pharmacy, CANARY)
    assert early.action == "waiting"
    assert early.next_check is not None
    assert early.next_check > CANARY
