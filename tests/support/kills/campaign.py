"""Commands killed at random moments and run again, compared with commands that ran undisturbed.

    python -m tests.support.kills.campaign --kills 200 --seed 1

A scenario is a row of commands. Each is run once undisturbed; the home and the store before it are
kept. A trial restores them, kills the command at a random moment up to three times, each time
where it starts again, then lets it finish. The exit code, ledger, aliases, versions, hashes and
rows must then be those of the undisturbed run. All of this happens at one path, because MLflow
stores absolute paths.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support.kills.command_server import Ended, Order
from tests.support.kills.scenarios import SCENARIOS, Command, evidence_of_review
from tests.support.pharmacy import ROOT, Pharmacy
from tests.support.processes.forked import Forked, Surroundings

MOST_KILLS = 3  # of one command in a row
RESTORE_S = 2.0  # time that a trial takes besides its command, about


@dataclass(frozen=True)
class Undisturbed:
    """A command that ran undisturbed.

    Arguments:
        before: copy of the folder before it.
        ended: how it ended.
        states: the state after it; of a step also the state after the next one, because a command
            that was killed when its step was recorded takes the next step when it is run again.
    """

    command: Command
    before: Path
    ended: Ended
    states: tuple[dict[str, Any], ...]


@dataclass
class Trial:
    """A command that was killed and run again.

    Arguments:
        kills: moments at which it was killed, in words.
        problems: differences from the undisturbed run; none if all is well.
    """

    command: Command
    kills: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Server:
    """The process that runs commands (``command_server.py``)."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self.folder = process, folder
        self.output = folder / "output.txt"

    def run(self, words: Sequence[str], now: datetime, **kill: Any) -> Ended:
        """Run a command to its end, or kill it."""
        pharmacy = pharmacy_in(self.folder / "work")
        places = {"folder": str(self.folder / "work" / "files")}
        if "{evidence}" in words:
            places["evidence"] = evidence_of_review(pharmacy)
        order = Order(
            words=[word.format(**places) for word in words],
            environment=pharmacy.environment,
            now=now.isoformat(),
            output=str(self.output),
            **kill,
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the server has no pipes")
        stdin.write(json.dumps(dataclasses.asdict(order)) + "\n")
        stdin.flush()
        return Ended(**json.loads(stdout.readline()))

    def state(self, now: datetime) -> dict[str, Any]:
        """The state of the home and the store, read by a process of its own."""
        pharmacy = pharmacy_in(self.folder / "work")
        ended = self.run(("state", str(pharmacy.home), pharmacy.store), now)
        text = self.output.read_text(encoding="utf-8")
        if ended.code:
            raise RuntimeError(text)
        state: dict[str, Any] = json.loads(text.splitlines()[-1])
        return state


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """A server that works in an empty folder."""
    script = [sys.executable, str(ROOT / "tests" / "support" / "kills" / "command_server.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        try:
            yield Server(process, folder)
        finally:
            process.kill()


def pharmacy_in(work: Path) -> Pharmacy:
    """The pharmacy of a working folder."""
    return Pharmacy(work / "home", str(work / "store"))


def copy(folder: Path, target: Path) -> None:
    """Copy a working folder; events are hard links, because their ETag contains the inode."""
    shutil.copytree(
        folder, target, ignore=lambda place, _: ["store"] if place == str(folder) else []
    )
    shutil.copytree(folder / "store", target / "store", copy_function=os.link)


def prepare(command: Command, server: Server) -> None:
    """Prepare a command in a new process: this one keeps connections to databases of this path."""
    inherits = Surroundings(os.environ, ROOT, server.output, server.output)
    server.output.unlink(missing_ok=True)
    if Forked(command.prepare, pharmacy_in(server.folder / "work"), inherits=inherits).wait():
        raise RuntimeError(f"before {command.name}: {server.output.read_text()}")


def run_undisturbed(server: Server, name: str, commands: Sequence[Command]) -> list[Undisturbed]:
    """Run the commands of a scenario, and keep the folder before each."""
    work, found = server.folder / "work", []
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for number, command in enumerate(commands):
        prepare(command, server)
        before = server.folder / "before" / f"{name}-{number}"
        copy(work, before)
        ended = server.run(command.words, command.now)
        if ended.code not in (0, 2, 3):
            raise RuntimeError(f"{command.name}: {server.output.read_text()}")
        states = [server.state(command.now)]
        if command.step:
            after = server.folder / "before" / f"{name}-{number}-after"
            copy(work, after)
            server.run(command.words, command.now)
            states.append(server.state(command.now))
            shutil.rmtree(work)
            copy(after, work)
        found.append(Undisturbed(command, before, ended, tuple(states)))
    return found


def run_trial(server: Server, twin: Undisturbed, chance: random.Random) -> Trial:
    """Kill a command at random moments, let it finish, and compare."""
    work, trial = server.folder / "work", Trial(twin.command)
    shutil.rmtree(work)
    copy(twin.before, work)
    for _ in range(MOST_KILLS):
        part = chance.random() ** 2  # a command that is run again has less to do
        if chance.random() < 0.5:
            kill: dict[str, Any] = {"after_s": part * twin.ended.seconds}
        else:
            kill = {"at_change": 1 + int(part * twin.ended.changes)}
        ended = server.run(twin.command.words, twin.command.now, **kill)
        if ended.code != -signal.SIGKILL:
            break
        trial.kills.append(", ".join(f"{key} {value:.6g}" for key, value in kill.items()))
    last = server.run(twin.command.words, twin.command.now)
    if last.code != twin.ended.code:
        text = server.output.read_text(encoding="utf-8").strip()[-600:]
        trial.problems.append(f"exit code {last.code} instead of {twin.ended.code}: {text}")
    state = server.state(twin.command.now)
    if state not in twin.states:
        trial.problems += differences(state, twin.states[0])
    return trial


def differences(found: dict[str, Any], wanted: dict[str, Any], place: str = "") -> list[str]:
    """Where two states differ, one line each."""
    lines = []
    for key in sorted(found.keys() | wanted.keys()):
        here, there = found.get(key), wanted.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            lines += differences(here, there, f"{place}{key}.")
        elif here != there:
            lines.append(f"{place}{key}: {str(here)[:300]} instead of {str(there)[:300]}")
    return lines


def run_campaign(
    folder: Path,
    kills: int,
    seed: int,
    scenarios: Mapping[str, Sequence[Command]],
    report: Callable[[Trial], None] = lambda _: None,
) -> list[Trial]:
    """Run trials until enough commands were killed; the command with the least time so far is next.

    Arguments:
        folder: an empty folder.
        kills: how many kills, at least.
        seed: of the random moments.
        scenarios: commands by the name of their scenario.
        report: called with each trial.
    """
    chance = random.Random(seed)
    trials: list[Trial] = []
    with running_server(folder) as server:
        twins = [
            twin
            for name, commands in scenarios.items()
            for twin in run_undisturbed(server, name, commands)
        ]
        spent = [0.0] * len(twins)  # seconds, so that short commands get more turns than long ones
        while sum(len(trial.kills) for trial in trials) < kills:
            turn = spent.index(min(spent))
            spent[turn] += RESTORE_S + twins[turn].ended.seconds
            trial = run_trial(server, twins[turn], chance)
            trials.append(trial)
            report(trial)
    return trials


def _print(trial: Trial) -> None:
    sign = "differs" if trial.problems else "same"
    print(f"{sign:8} {trial.command.name}: killed {'; '.join(trial.kills) or 'never'}", flush=True)
    for problem in trial.problems[:8]:
        print(f"         {problem}", flush=True)


def main() -> None:
    """Run the campaign; exit code 1 if a state differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), action="append")
    arguments = parser.parse_args()
    scenarios = {name: SCENARIOS[name] for name in arguments.scenario or sorted(SCENARIOS)}
    with tempfile.TemporaryDirectory(prefix="gauntlet-kills-") as folder:
        trials = run_campaign(Path(folder), arguments.kills, arguments.seed, scenarios, _print)
    killed = sum(len(trial.kills) for trial in trials)
    wrong = sum(bool(trial.problems) for trial in trials)
    print(f"{killed} kills in {len(trials)} trials; {wrong} ended otherwise than undisturbed")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
