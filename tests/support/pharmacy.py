"""A small pharmacy for tests of the whole flow: real parts in a folder, and a world that is seeded.

Twelve weeks of history end on ``FIRST``, when the first version is made; ``SECOND`` is a week
later. All that is tiny is so for speed; what runs is what runs in production.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import yaml

from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.cli import main
from pipelines.connections import Connections
from pipelines.core.time import FixedClock, Window, instant_text, parse_instant
from pipelines.flows.retrain.request import Request, StepReport
from pipelines.flows.retrain.steps import Retraining, retrain
from pipelines.settings import Settings
from pipelines.simulation.scale import Scale
from pipelines.simulation.scenarios import Scenario
from pipelines.simulation.world import World
from pipelines.simulation.writing import write_world
from pipelines.spec.model import ModelSpec
from pipelines.wiring import connect
from tests.support.processes.forked import Forked, Surroundings, run_gauntlet
from tests.support.services.mlflow_database import put_database
from tests.support.shared_worlds import built_once

ROOT = Path(__file__).parents[2]
SCALE = Scale(name="tiny", pharmacies=20, medicines=5, prescriptions_per_day=500)
SEED = 7
START = SCALE.start
FIRST, SECOND = START + timedelta(weeks=12), START + timedelta(weeks=13)
CLOCK = FixedClock(parse_instant("2026-01-05"))
WEEK = timedelta(weeks=1)

WEEKDAY = {"kind": "calendar", "name": "weekday", "part": "weekday"}
ON_HAND = {
    "kind": "window",
    "name": "on_hand",
    "stream": "stock",
    "by": ["pharmacy", "medicine"],
    "aggregate": "last",
    "column": "on_hand",
    "window": "7d",
}


def sold(days: int) -> dict[str, Any]:
    """Packs sold over so many days; always under the name ``sold``."""
    return {
        "kind": "window",
        "name": "sold",
        "stream": "dispensing",
        "by": ["pharmacy", "medicine"],
        "aggregate": "sum",
        "column": "quantity",
        "window": f"{days}d",
    }


PLAIN = ({"kind": "attribute", "name": "medicine"}, WEEKDAY, sold(2))  # too little to be good
RICH = ({"kind": "attribute", "name": "medicine"}, sold(14), ON_HAND)


def declaration(features: tuple[dict[str, Any], ...] = PLAIN, **changes: Any) -> dict[str, Any]:
    """``models/demand.yaml`` made quick: a month of training, two weeks to be judged on.

    It is neither served nor rolled out and has no board, unless changes say so: each is a subject
    of its own.
    """
    declared: dict[str, Any] = yaml.safe_load((ROOT / "models" / "demand.yaml").read_text())
    del declared["serving"], declared["rollout"], declared["board"]
    declared["points"]["active_for"] = "28d"
    declared["features"] = list(features)
    declared["split"] = {"train": "28d", "recent": "14d"}
    declared["estimator"]["parameters"] = {
        "loss": "poisson",
        "max_iter": 15,
        "learning_rate": 0.2,
        "min_samples_leaf": 10,
        "max_features": 0.9,
    }
    # Few tries a year: two weeks of a hundred pairs say little at a sixtieth of five per cent.
    gates = {"budget": {"alpha_year": 0.2, "tries": 4}, "audit": {"refits": 3}}
    declared |= {"seeds": [11, 12], "guardrails": [], "slices": [], "gates": gates, **changes}
    return declared


@dataclass(frozen=True)
class Answer:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str

    @classmethod
    def of(cls, process: Forked, within_s: float = 1200) -> Answer:
        """Of a process, when it has ended."""
        out, err = process.communicate(timeout=within_s)
        return cls(process.wait(), out, err)

    @property
    def body(self) -> dict[str, Any]:
        """The answer to ``--json``."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Pharmacy:
    """A home, a store of events, and the declaration of the one model."""

    home: Path
    store: str

    @property
    def settings(self) -> Settings:
        """As in the environment of a process."""
        return Settings(
            home=self.home,
            models=self.home / "models",
            expectations=ROOT / "expectations",
            store=self.store,
        )

    @property
    def registry(self) -> FolderRegistry:
        """A registry in a plain folder."""
        return FolderRegistry(self.home / "registry")

    def parts(self, **others: Any) -> Connections:
        """The real parts, with the registry in a folder and a clock that stands still."""
        progress = others.pop("progress", lambda _: None)
        parts = connect(self.settings, clock=CLOCK, progress=progress)
        return dataclasses.replace(parts, **{"registry": self.registry, **others})

    def declare(
        self, features: tuple[dict[str, Any], ...] = PLAIN, **changes: Any
    ) -> dict[str, Any]:
        """Write the declaration."""
        declared = declaration(features, **changes)
        put_database(self.home / "mlflow.db")
        path = self.home / "models" / "demand.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(declared, sort_keys=False))
        return declared

    def retrain(
        self, as_of: datetime, report: Any = None, parts: Any = None, **options: Any
    ) -> RetrainResult:
        """A retraining, and what its steps reported."""
        reports: list[StepReport] = []
        request = Request(model="demand", as_of=as_of, **options)
        done = retrain(request, (parts or self.parts()).retraining, report or reports.append)
        return RetrainResult(done, tuple(reports))

    @property
    def environment(self) -> dict[str, str]:
        """The settings as a process finds them."""
        return {
            "GAUNTLET_HOME": str(self.home),
            "GAUNTLET_MODELS": str(self.home / "models"),
            "GAUNTLET_EXPECTATIONS": str(ROOT / "expectations"),
            "GAUNTLET_STORE": self.store,
        }

    def process(self, *words: str, **environment: str) -> Forked:
        """``gauntlet <words>`` in a process of its own; its output waits in two files."""
        outputs = Path(tempfile.mkdtemp(prefix="process-", dir=self.home.parent))
        inherits = Surroundings(
            os.environ | self.environment | environment,
            self.home,
            outputs / "out",
            outputs / "err",
        )
        return Forked(run_gauntlet, words, inherits=inherits)

    def cli(self, *words: str, **environment: str) -> Answer:
        """``gauntlet <words>`` in this process, with MLflow and the ledger in the home."""
        settled = self.environment | environment
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            patch.dict(os.environ, settled),
            patch.object(sys, "argv", ["gauntlet", *words]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Answer(code, out.getvalue(), err.getvalue())

    def cli_retrain(self, as_of: datetime, *words: str, **environment: str) -> Answer:
        """``gauntlet retrain demand --as-of <as_of>``."""
        return self.cli("retrain", "demand", "--as-of", instant_text(as_of), *words, **environment)

    def with_store(self, store: Path) -> Self:
        """The same home with other events."""
        return dataclasses.replace(self, store=str(store))

    def copy(self, home: Path) -> Self:
        """Another home in the same state, with the same store."""
        return dataclasses.replace(self, home=copy_home(self.home, home))

    def twin(self, folder: Path) -> Self:
        """Another home and another store, both in the same state; a test may harm them."""
        shutil.copytree(self.store, folder / "store")
        return self.copy(folder / "home").with_store(folder / "store")

    def half_written(self) -> list[str]:
        """Unfinished files in the home."""
        return sorted(
            path.relative_to(self.home).as_posix()
            for path in self.home.rglob("*")
            if path.name.startswith(".draft")
        )


@dataclass(frozen=True)
class RetrainResult:
    """A finished retraining with the reports of its steps."""

    done: Retraining
    steps: tuple[StepReport, ...]

    @property
    def outcome(self) -> str:
        """What was decided."""
        return self.done.decision.outcome.value

    @property
    def skipped(self) -> tuple[str, ...]:
        """Steps that had nothing to do."""
        return tuple(report.step for report in self.steps if report.skipped)

    @property
    def spec(self) -> ModelSpec:
        """The declaration of the run."""
        return self.done.run.spec

    def against(self) -> dict[str, str]:
        """Blocking findings that did not pass, with their verdicts."""
        return {
            finding.name: finding.verdict.value
            for finding in self.done.findings
            if finding.blocking and finding.verdict.value != "pass"
        }


def copy_home(source: Path, target: Path) -> Path:
    """Copy a folder whose databases may be open, and return the copy."""
    logs = shutil.ignore_patterns("*.db-wal", "*.db-shm")
    return shutil.copytree(source, target, ignore=logs, copy_function=_copy_file)


def _copy_file(source: str, target: str) -> None:
    """Copy a file; a database by SQLite, since closing its file takes a process's locks away."""
    if not source.endswith(".db"):
        shutil.copy2(source, target)
        return
    with (
        contextlib.closing(sqlite3.connect(source)) as original,
        contextlib.closing(sqlite3.connect(target)) as copied,
    ):
        original.backup(copied)


def write_days(
    store: Path, start: datetime, end: datetime, *scenarios: Scenario, seed: int = SEED
) -> None:
    """What happens in the world from one instant to another, with what is planted.

    The same days are written once for a test run, and then copied.
    """
    world = repr((SCALE, start, end, scenarios, seed))
    days = hashlib.sha256(world.encode()).hexdigest()[:16]

    def build(folder: Path) -> None:
        write_world(World(SCALE, seed, scenarios), LocalStore(folder), Window(start, end))

    def copy(source: str, target: str) -> None:
        if not Path(target).exists():
            shutil.copy2(source, target)

    written = built_once(f"days-{days}", build)
    shutil.copytree(written, store, copy_function=copy, dirs_exist_ok=True)


def build_champion(folder: Path) -> Pharmacy:
    """History until ``FIRST``, a first version, and then the events of two quiet weeks more."""
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, FIRST)
    shutil.copytree(folder / "store", folder / "history")
    write_days(folder / "store", FIRST, SECOND + WEEK)
    pharmacy.declare()
    result = pharmacy.retrain(FIRST)
    assert result.outcome == "first_version", result.against()
    return pharmacy


def planted(
    champion: Pharmacy, folder: Path, *scenarios: Scenario, history: bool = True
) -> Pharmacy:
    """The champion's home, its history, and a week after it in which faults happen.

    Arguments:
        history: whether the scenarios change none of the weeks before, so that these are copied.
    """
    store = folder / "store"
    if history:
        shutil.copytree(Path(champion.store).parent / "history", store)
    write_days(store, FIRST if history else START, SECOND, *scenarios)
    return champion.copy(folder / "home").with_store(store)


def shared_champion() -> Pharmacy:
    """What ``build`` makes, made once for a test run; only to be copied, or read."""
    folder = built_once("champion", build_champion)
    return Pharmacy(folder / "home", str(folder / "store"))
