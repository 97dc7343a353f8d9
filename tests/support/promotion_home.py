"""A ledger and a registry in one folder, and the inputs of a decision about a made-up version."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.ledger.witness import FileWitness
from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.time import FixedClock
from pipelines.release.ledger import LIVE, chain_errors, replay
from pipelines.release.policy import Facts
from pipelines.release.promotion import DecisionInput, promote
from pipelines.release.reconciliation import reconcile
from pipelines.release.registry import CHAMPION
from pipelines.release.rollback import RollbackRequest, rollback
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
        request = RollbackRequest("demand", run=run, reason=reason, to=to)
        return rollback(request, self.ledger, self.registry, CLOCK)

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


@pytest.fixture(params=["sqlite", "postgresql"])
def either_home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A home whose ledger is in a file or in PostgreSQL, with its witness in the home."""
    made = Home(tmp_path)
    url = f"sqlite:///{tmp_path}/ledger.db"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
    made.ledger = SqlLedger(open_engine(url), CLOCK, FileWitness(tmp_path / "witness"))
    return made


def passing(*names: str, verdict: Verdict = Verdict.PASS) -> tuple[Finding, ...]:
    """Findings with these names, which pass unless another verdict is given."""
    return tuple(
        Finding(gate=Gate(name.split(".", 1)[0]), name=name, verdict=verdict, reason="x")
        for name in names
    )


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
        findings=passing(*NAMES, verdict=verdict),
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
