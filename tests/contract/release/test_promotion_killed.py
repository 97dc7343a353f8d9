"""Promotions in processes that are killed or race: real processes, real SIGKILL."""

import itertools
import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.core.errors import StaleEvidenceError
from pipelines.core.findings import Verdict
from tests.support.promotion_home import Home, inputs

FORK_SERVER = """
    import json, os, signal, sys, traceback
    from pathlib import Path

    sys.path.insert(0, sys.argv[1])
    from pipelines.core.errors import StaleEvidenceError
    from tests.support import promotion_home as t

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

    def promote(folder, arguments, method, when):
        home = t.Home(Path(folder))
        home.ledger = Mortal(home.ledger, method, when)
        home.registry = Mortal(home.registry, method, when)
        try:
            return 0 if home.promote(t.inputs(*arguments)).outcome == "promote" else 1
        except StaleEvidenceError as error:
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
    """Promotes in processes of their own, all at once, and returns how each of them ended.

    One process has imported everything and forks a child for each order.
    """
    script = [sys.executable, "-c", textwrap.dedent(FORK_SERVER), str(Path(__file__).parents[3])]
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:

        def run(orders: list[Order]) -> list[int]:
            server.stdin.write(json.dumps(orders) + "\n")
            server.stdin.flush()
            ends: list[int] = json.loads(server.stdout.readline())
            return ends

        yield run
        server.stdin.close()


@pytest.mark.parametrize("healer", ["the same run", "reconcile", "a later run"])
@pytest.mark.parametrize(
    "death", list(itertools.product(("append", "set_alias", "tag"), ("before", "after")))
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
