"""Online stores of every kind, each empty, and how another process would open the same one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.features.online.store import OnlineStore
from pipelines.settings import Settings
from pipelines.stores import open_online


@pytest.fixture
def redis_url(redis_server: str) -> str:
    redis.Redis.from_url(redis_server).flushall()
    return redis_server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'home' / 'online.db'}"


@pytest.fixture(params=["sqlite", "redis"])
def shared_url(request: pytest.FixtureRequest) -> str:
    """Address of a store that processes share."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=["memory", "sqlite", "redis"])
def opens(request: pytest.FixtureRequest) -> Callable[[], OnlineStore]:
    """Opens the one store of this test; in memory it is the same object each time."""
    if request.param == "memory":
        store = MemoryOnline()
        return lambda: store
    url = request.getfixturevalue(f"{request.param}_url")
    return lambda: open_online(Settings(online_url=url))


@pytest.fixture
def store(opens: Callable[[], OnlineStore]) -> OnlineStore:
    return opens()
