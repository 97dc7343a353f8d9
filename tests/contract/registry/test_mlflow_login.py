"""MLflow behind the login that docker-compose starts, on a real server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from werkzeug.security import generate_password_hash

from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.adapters.registry.mlflow_client import check_answer
from pipelines.core.errors import GauntletError
from pipelines.release.registry import Registration
from tests.contract.registry.conftest import Packed
from tests.support import servers

sys.path.insert(0, str(servers.MLFLOW_WITH_LOGIN.parent))
from mlflow_server import write_users

PASSWORDS = {name: f"a-secret-of-{name}" for name in ("people", "airflow", "service")}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("login")
    users = f"sqlite:///{home / 'users.db'}"
    # The server checks a password up to three times for each request, with the method that the
    # stored hash names. MLflow's own takes a tenth of a second of CPU each time.
    quick = partial(generate_password_hash, method="pbkdf2:sha256:1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlflow.server.auth.sqlalchemy_store.generate_password_hash", quick)
        write_users(users, dict.fromkeys(PASSWORDS, "an-earlier-secret"))
        write_users(users, PASSWORDS)
    server, address = servers.mlflow(home, login=users)
    try:
        server.start()
        yield address
    finally:
        server.stop()


@pytest.fixture
def log_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def log_in(name: str, password: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        check_answer.cache_clear()

    return log_in


def test_each_user_may_do_what_its_role_needs(
    address: str,
    log_in: Callable[[str, str], None],
    pack: Callable[[str], Packed],
    registration: Callable[..., Registration],
    tmp_path: Path,
) -> None:
    registry = MlflowRegistry(address)
    log_in("airflow", PASSWORDS["airflow"])
    made = registry.register(registration(), pack("regression").folder)
    registry.set_alias("demand", "champion", made.version)

    log_in("service", PASSWORDS["service"])
    assert registry.alias("demand", "champion") == made.version
    assert registry.download(made, tmp_path / "copy").is_dir()
    with pytest.raises(GauntletError, match="MLflow refuses this account") as error:
        registry.set_alias("demand", "challenger", made.version)
    assert "user service" in error.value.got
    assert "user of the tasks" in error.value.hint
    with pytest.raises(GauntletError, match="MLflow refuses this account"):
        registry.set_alias("demand", "champion", None)
    assert registry.alias("demand", "champion") == made.version

    log_in("people", PASSWORDS["people"])
    registry.set_alias("demand", "champion", None)
    assert registry.alias("demand", "champion") is None


@pytest.mark.parametrize(
    ("name", "password"), [("airflow", "a-wrong-secret"), ("stranger", "a-secret-of-airflow")]
)
def test_a_wrong_login_is_an_error_with_a_hint(
    address: str, log_in: Callable[[str, str], None], name: str, password: str
) -> None:
    log_in(name, password)
    for _ in range(2):
        with pytest.raises(GauntletError, match="MLflow refuses this account") as error:
            MlflowRegistry(address).versions("demand")
    assert "MLFLOW_TRACKING_PASSWORD" in error.value.hint
    assert password not in str(error.value)
