"""Every kind of ledger."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from tests.support.ledger_entries import MONDAY, Ticking


@pytest.fixture(params=["memory", "file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/home/ledger.db"


@pytest.fixture
def clock() -> Ticking:
    return Ticking(MONDAY)


@pytest.fixture
def engine(url: str) -> sa.Engine:
    return open_engine(url)


@pytest.fixture
def ledger(engine: sa.Engine, clock: Ticking) -> SqlLedger:
    return SqlLedger(engine, clock)
