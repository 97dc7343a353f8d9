"""What the service leans on is killed under load: MLflow, its PostgreSQL, Redis; S3 is cut off."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import ENTRIES
from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.objects.s3 import S3Store
from pipelines.connections import Connections
from pipelines.core.time import instant_text
from pipelines.release.ledger import chain_errors
from pipelines.release.reconciliation import ENTRY_TAG
from pipelines.release.registry import CHAMPION, Registration
from pipelines.wiring import connect
from tests.support import servers
from tests.support.fault_proxy import FaultProxy
from tests.support.pharmacy import SECOND, Answer, Pharmacy
from tests.support.prediction_factory import logged_rows
from tests.support.services.running import (
    ONE_WORKER,
    Service,
    check_log,
    make_champion,
    points_of,
    serving,
    start_load,
    wait_until,
)

POINT = {"pharmacy": "pharmacy_001", "medicine": "amoxicillin"}
STALE = "gauntlet_plan_stale_seconds"
pytestmark = pytest.mark.slow


@pytest.fixture
def pharmacy(answering: Pharmacy, tmp_path: Path) -> Pharmacy:
    """A copy of the home and the store that a test may harm."""
    return answering.twin(tmp_path)


@dataclass
class Town:
    """A pharmacy with MLflow as a server, and a PostgreSQL below it that has the ledger as well."""

    pharmacy: Pharmacy
    mlflow: servers.Server
    postgres: servers.Server
    settled: dict[str, str]
    parts: Connections

    def run(self, *words: str) -> Answer:
        """``gauntlet <words> --json``, in a process of its own."""
        return Answer.of(self.pharmacy.process(*words, "--json", **self.settled))


@pytest.fixture
def town(pharmacy: Pharmacy, tmp_path: Path) -> Iterator[Town]:
    """Two versions and the ledger, moved out of the pharmacy's files."""
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-postgres-"))
    mlflow = None
    postgres, url = servers.postgres(folder)
    try:
        postgres.start()
        driver = url.replace("postgresql:", "postgresql+psycopg:")
        mlflow, address = servers.mlflow(tmp_path, driver)
        mlflow.start()
        settled = {
            "GAUNTLET_MLFLOW_URI": address,
            "GAUNTLET_LEDGER_URL": url,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        }
        known = pharmacy.settings.model_copy(update={"mlflow_uri": address, "ledger_url": url})
        parts = connect(known)
        move(pharmacy, parts, url)
        yield Town(pharmacy, mlflow, postgres, settled, parts)
    finally:
        if mlflow is not None:
            mlflow.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.log").unlink(missing_ok=True)


def move(pharmacy: Pharmacy, there: Connections, url: str) -> None:
    """The same versions and the same entries in servers."""
    here = connect(pharmacy.settings)
    for info in here.registry.versions("demand"):
        folder = here.registry.download(info, pharmacy.home / "versions")
        facts = {name: getattr(info, name) for name in Registration.model_fields}
        assert there.registry.register(Registration(**facts), folder).version == info.version
        witness = here.registry.tags("demand", info.version).get(ENTRY_TAG)
        if witness:
            there.registry.tag("demand", info.version, ENTRY_TAG, witness)
    assert there.ledger.entries("demand") == ()  # makes the table
    with open_engine(pharmacy.settings.ledger_address).connect() as source:
        rows = [dict(row) for row in source.execute(sa.select(ENTRIES)).mappings()]
    with open_engine(url).connect() as target:
        target.execute(ENTRIES.insert(), rows)
    there.registry.set_alias("demand", CHAMPION, here.ledger.champion("demand"))
    assert there.ledger.entries("demand") == here.ledger.entries("demand")


def test_mlflow_and_then_postgres_are_killed_and_everybody_is_answered(
    town: Town, tmp_path: Path
) -> None:
    ledger = town.parts.ledger
    before = ledger.entries("demand")
    with serving(town.pharmacy, *ONE_WORKER, "--every", "0.1", **town.settled) as service:
        load = start_load(service, points_of(town.pharmacy), tmp_path, rate=60)
        wait_until(lambda: service.backlog() > 0, "no request was answered")
        for killed in (town.mlflow, town.postgres):
            killed.kill()
            wait_until(lambda: silent(service) > 2, f"{STALE} does not say that it is away")
            answer = town.run("release", "demand")
            assert (answer.code, answer.body["error"]) == (5, "unavailable"), answer
            assert "again" in answer.body["hint"]
            assert service.version() == "1"
            killed.start()
            wait_until(lambda: silent(service) < 2, f"{STALE} does not say that it is back")
            assert ledger.entries("demand") == before, "half of a move was written"
        assert load.stop()["failed"] == 0, load.report
        assert town.run("release", "demand").code == 0
        make_champion(town.parts, "2")
        wait_until(lambda: service.version() == "2", "MLflow is back and is not followed")
    assert not chain_errors(ledger.entries("demand"))
    check_log(town.pharmacy, load.acknowledged(), LocalStore(Path(town.pharmacy.store)))


def silent(service: Service) -> float:
    """Seconds without an answer of the registry, in the metrics of the service."""
    return service.measured(STALE + "{")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A wire to a server of S3 with the bucket ``log``; this process connects without the wire."""
    with servers.running_s3("log") as environment:
        for name, value in (environment | {"AWS_MAX_ATTEMPTS": "1"}).items():
            monkeypatch.setenv(name, value)
        with FaultProxy(int(environment["AWS_ENDPOINT_URL"].rpartition(":")[2])) as wire:
            yield wire


def test_s3_loses_an_answer_and_is_cut_off_while_the_log_is_shipped(
    pharmacy: Pharmacy, s3: FaultProxy, tmp_path: Path
) -> None:
    """An object that arrived and was never acknowledged is found again, and not written twice."""
    store, address = S3Store("s3://log/events"), {"GAUNTLET_STORE": "s3://log/events"}
    options = (*ONE_WORKER, "--every", "0.1")
    with serving(pharmacy, *options, AWS_ENDPOINT_URL=s3.address, **address) as service:
        load = start_load(service, points_of(pharmacy), tmp_path, rate=60)
        wait_until(lambda: len(logged_rows(store)) > 60, "nothing was shipped")
        s3.catch(b"PUT /log/", "answer lost")
        assert s3.caught.wait(servers.PATIENCE_S), "nothing more was shipped"
        s3.cut()
        wait_until(lambda: service.backlog() > 60, "the metrics do not say what waits")
        wait_until(lambda: lag(service) > 1, "the metrics do not say for how long it waits")
        wait_until(
            lambda: "the object store did not do what was asked" in service.log.read_text(),
            "the service does not say that the store is away",
        )
        assert load.stop()["failed"] == 0, load.report
        s3.mend()
        wait_until(lambda: service.backlog() == 0, "the log was not shipped when S3 was back")
    assert check_log(pharmacy, load.acknowledged(), store) == load.report["answered"]


def lag(service: Service) -> float:
    """Age of the oldest answer that is not shipped."""
    return service.measured("gauntlet_log_lag_seconds{")


@pytest.fixture
def redis() -> Iterator[tuple[servers.Server, str]]:
    """A Redis of the test's own, and its address."""
    folder = Path(tempfile.mkdtemp(prefix="gauntlet-redis-"))
    server, address = servers.redis(folder)
    try:
        server.start()
        yield server, address
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_redis_is_killed_and_callers_get_503(
    pharmacy: Pharmacy, redis: tuple[servers.Server, str], tmp_path: Path
) -> None:
    """No answer without features that are there: 503 until it is back. It is back empty."""
    server, address = redis

    def fill() -> None:
        words = ("materialize", "demand", "--as-of", instant_text(SECOND))
        assert pharmacy.cli(*words, GAUNTLET_ONLINE_URL=address).code == 0

    fill()
    options = (*ONE_WORKER, "--every", "0.1")
    with serving(pharmacy, *options, GAUNTLET_ONLINE_URL=address) as service:
        _, known = service.predict(POINT)
        load = start_load(service, points_of(pharmacy), tmp_path, rate=60)
        wait_until(lambda: service.backlog() > 0, "no request was answered")
        server.kill()
        status, answer = service.predict(POINT)
        assert (status, answer["error"]) == (503, "unavailable"), answer
        assert "online store" in answer["what"]
        assert service.get("/healthz")[0] == service.get("/readyz")[0] == 200
        refused = 'gauntlet_rejected_total{model="demand",reason="unavailable"}'
        wait_until(lambda: service.measured(refused) > 30, "the metrics do not say what is refused")
        server.start()
        wait_until(
            lambda: service.predict(POINT)[0] == 200, "Redis is back and no request is answered"
        )
        _, empty = service.predict(POINT)
        (answers,) = empty["predictions"]
        assert set(answers["freshness_s"].values()) == {None}, "it does not say that features lack"
        fill()
        _, again = service.predict(POINT)
        report = load.stop()
        assert set(report["statuses"]) == {"200", "503"}, report
        assert report["broken"] == 0, report
        first, last = (one["predictions"][0] for one in (known, again))
        assert last["prediction"] == first["prediction"]
        assert None not in last["freshness_s"].values()
    check_log(pharmacy, load.acknowledged(), LocalStore(Path(pharmacy.store)))
