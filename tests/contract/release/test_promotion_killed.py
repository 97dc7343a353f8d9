"""Promotions in processes that are killed or race: real processes, real SIGKILL."""

import itertools
import os
import signal

import pytest

from pipelines.core.errors import StaleEvidenceError
from pipelines.core.findings import Verdict
from tests.support.kills import dying
from tests.support.processes.forked import Forked, Surroundings
from tests.support.promotion_home import Home, inputs

Order = tuple[str, str, str | None, str]


def ends(home: Home, orders: list[Order]) -> list[int]:
    """Promotes in processes of their own, all at once, and returns how each of them ended."""
    log = home.folder / "processes.log"
    inherits = Surroundings(os.environ, home.folder, log, log)
    processes = [Forked(dying.promote, home.folder, *order, inherits=inherits) for order in orders]
    return [process.wait() for process in processes]


@pytest.mark.parametrize("healer", ["the same run", "reconcile", "a later run"])
@pytest.mark.parametrize(
    "death", list(itertools.product(("append", "set_alias", "tag"), ("before", "after")))
)
def test_a_killed_promotion_ends_as_if_nothing_had_happened(
    home: Home, first: str, death: tuple[str, str], healer: str
) -> None:
    method, when = death
    second = home.register("run-2")
    assert ends(home, [("run-2", second, first, f"{method} {when}")]) == [-signal.SIGKILL]
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
def test_of_many_promoters_exactly_one_wins(home: Home, first: str, attempt: int) -> None:
    runs = {f"run-{name}": home.register(f"run-{name}") for name in "abcd"}
    found = ends(home, [(run, version, first, "") for run, version in runs.items()])
    assert sorted(found) == [0, *[StaleEvidenceError.exit_code] * 3]
    winner = list(runs.values())[found.index(0)]
    home.check(winner)
    chain = home.ledger.entries("demand")
    assert [entry.outcome for entry in chain] == ["first_version", "promote", *["superseded"] * 3]
