"""The real service under load while something is killed, taken away or switched."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.flows.serving.publish import journal_path, publish_plan
from pipelines.wiring import connect
from tests.support.fault_proxy import RefusingServer
from tests.support.pharmacy import Pharmacy
from tests.support.prediction_factory import logged_rows
from tests.support.servers import free_port
from tests.support.services.running import (
    ONE_WORKER,
    Load,
    Service,
    check_log,
    make_champion,
    points_of,
    serving,
    start_load,
    wait_until,
)

ANSWERED = "gauntlet_predictions_total{"  # in /metrics
POINT = {"pharmacy": "pharmacy_001", "medicine": "amoxicillin"}


@pytest.fixture
def pharmacy(answering: Pharmacy, tmp_path: Path) -> Pharmacy:
    """A copy of the home and the store that a test may harm."""
    return answering.twin(tmp_path)


def check(pharmacy: Pharmacy, acknowledged: list[str]) -> None:
    check_log(pharmacy, acknowledged, LocalStore(Path(pharmacy.store)))


@pytest.fixture(scope="module")
def running(
    answering: Pharmacy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Pharmacy, Service]]:
    """A service of two workers that each test below leaves as able to answer as it was.

    The last one kills it, and check_log is safe while it ships.
    """
    pharmacy = answering.twin(tmp_path_factory.mktemp("running"))
    with serving(pharmacy, "--every", "0.1") as service:
        yield pharmacy, service


def answered(service: Service) -> Callable[[], bool]:
    """Whether more than 30 requests have been answered since now."""
    before = service.measured(ANSWERED)
    return lambda: service.measured(ANSWERED) > before + 30


@pytest.mark.parametrize("switches", ["21", pytest.param("2121212121", marks=pytest.mark.proof)])
def test_the_champion_is_switched_under_load(
    running: tuple[Pharmacy, Service], tmp_path: Path, switches: str
) -> None:
    """The same as ``make serving-load``, at a rate that any machine has."""
    pharmacy, service = running
    parts = connect(pharmacy.settings)
    load = start_load(service, points_of(pharmacy), tmp_path, rate=60)
    wait_until(lambda: service.backlog() > 0, "no request was answered")
    for version in switches:
        make_champion(parts, version)
        is_served = functools.partial(lambda now: service.version() == now, version)
        wait_until(is_served, f"version {version} is not served")
        time.sleep(0.2)
    report = load.stop()
    assert report["failed"] == 0, report
    acknowledged = set(load.acknowledged())
    check(pharmacy, list(acknowledged))
    rows = logged_rows(LocalStore(Path(pharmacy.store)))
    versions = Counter(row["version"] for row in rows if row["request_id"] in acknowledged)
    assert set(versions) == {"1", "2"}, f"there was no switch under load: {versions}"


def test_a_killed_worker_is_replaced_and_takes_no_answer_with_it(
    running: tuple[Pharmacy, Service], tmp_path: Path
) -> None:
    pharmacy, service = running
    begun = answered(service)
    load = start_load(service, points_of(pharmacy), tmp_path, rate=60)
    wait_until(begun, "no request was answered")
    victim = service.workers()[0]
    os.kill(victim.pid, signal.SIGKILL)
    wait_until(
        lambda: len(service.workers()) == 2 and victim.pid not in map(_pid, service.workers()),
        "the worker that was killed was not replaced",
    )
    assert {service.predict(POINT)[0] for _ in range(30)} == {200}
    report = load.stop()
    assert report["answered"] > report["sent"] / 2, "the other worker did not go on"
    check(pharmacy, load.acknowledged())


def _pid(process: object) -> int:
    return int(process.pid)  # type: ignore[attr-defined]


def test_a_killed_service_loses_and_doubles_nothing_and_leaves_no_process(
    running: tuple[Pharmacy, Service], tmp_path: Path
) -> None:
    """Its first process is killed alone, and its workers end by themselves."""
    pharmacy, service = running
    begun = answered(service)
    load = start_load(service, points_of(pharmacy), tmp_path, rate=60)
    wait_until(begun, "no request was answered")
    workers = service.workers()
    os.kill(service.process.pid, signal.SIGKILL)
    wait_until(
        lambda: not any(one.is_running() for one in workers),
        "workers go on without the process that follows the registry and ships the log",
    )
    load.stop()
    check(pharmacy, load.acknowledged())


@pytest.mark.proof  # in short: the test above, and contract/events/test_log_killed.py
def test_a_service_that_is_killed_with_its_workers_loses_and_doubles_nothing(
    pharmacy: Pharmacy, tmp_path: Path
) -> None:
    with serving(pharmacy, "--every", "0.2") as service:  # ships while it is killed
        load = start_load(service, points_of(pharmacy), tmp_path, rate=60)
        wait_until(
            lambda: len(logged_rows(LocalStore(Path(pharmacy.store)))) > 200, "nothing shipped"
        )
        for process in (*service.workers(), service.process):
            os.kill(process.pid, signal.SIGKILL)
        load.stop()
    check(pharmacy, load.acknowledged())


def test_an_operators_stop_answers_ships_and_leaves_nothing(
    pharmacy: Pharmacy, tmp_path: Path
) -> None:
    """The folder of its counts is in ``tmp_path``."""
    options = (*ONE_WORKER, "--every", "3600")
    with serving(pharmacy, *options, TMPDIR=str(tmp_path)) as service:
        reported = [service.predict(POINT)[1]["predictions"][0]["request_id"] for _ in range(3)]
        taken = pharmacy.cli("serve", "demand", "--port", str(service.port))
        assert taken.code == 2, taken.err
        assert "Address already in use" in taken.err
        assert str(service.port) in taken.err
        assert list(tmp_path.glob("gauntlet-metrics-*"))
        service.stop()
        assert service.process.returncode == 0, "a service manager takes it for a crash"
    assert not list(tmp_path.glob("gauntlet-metrics-*"))
    shipped = {row["request_id"] for row in logged_rows(LocalStore(Path(pharmacy.store)))}
    assert set(reported) <= shipped, "the last answers wait for the next service"


def test_a_service_that_cannot_start_reports_it(pharmacy: Pharmacy) -> None:
    unknown = pharmacy.cli("serve", "demnad")
    assert (unknown.code, "there is no model 'demnad'" in unknown.err) == (2, True), unknown.err
    publish_plan("demand", connect(pharmacy.settings).publishing)
    online = pharmacy.cli("serve", "demand", GAUNTLET_ONLINE_URL="redi://redis/0")
    assert (online.code, "GAUNTLET_ONLINE_URL" in online.err) == (2, True), online.err
    journal = journal_path(pharmacy.home, "demand")
    journal.parent.mkdir(exist_ok=True)
    journal.write_text("no database, but long enough not to pass for an empty one" * 9)
    broken = pharmacy.cli("serve", "demand", "--port", str(free_port()))
    assert broken.code == 4, "one worker after the other would have died of it"
    assert "the prediction journal is no sound database" in broken.err


def test_the_store_and_then_mlflow_are_away_and_serving_goes_on(
    pharmacy: Pharmacy, tmp_path: Path
) -> None:
    """What is away is taken from one service, and given back before the next is taken."""
    with serving(pharmacy, *ONE_WORKER, "--every", "0.1") as service:
        loads = [
            while_the_store_is_away(service, pharmacy, tmp_path),
            while_mlflow_is_away(service, pharmacy, tmp_path),
        ]
    for load in loads:
        check(pharmacy, load.acknowledged())


def while_the_store_is_away(service: Service, pharmacy: Pharmacy, folder: Path) -> Load:
    store, away, requests = Path(pharmacy.store), folder / "away", folder / "without_store"
    requests.mkdir()
    store.rename(away)
    store.write_bytes(b"no folder")
    load = start_load(service, points_of(pharmacy), requests, rate=60, seconds=3)
    assert load.done()["failed"] == 0, load.report
    assert service.backlog() == load.report["answered"], "the metrics do not say what waits"
    wait_until(
        lambda: "cannot write to the event store" in service.log.read_text(),
        "the service does not say that the store is away",
    )
    store.unlink()
    away.rename(store)
    wait_until(lambda: service.backlog() == 0, "the log was not shipped when the store was back")
    return load


def while_mlflow_is_away(service: Service, pharmacy: Pharmacy, folder: Path) -> Load:
    """The known version answers meanwhile, and a new one afterwards."""
    known, away, requests = pharmacy.home / "mlflow.db", folder / "mlflow.db", folder / "no_mlflow"
    requests.mkdir()
    known.rename(away)
    known.write_bytes(b"no database" * 1000)
    time.sleep(1)
    load = start_load(service, points_of(pharmacy), requests, rate=30, seconds=2)
    assert load.done()["failed"] == 0, load.report
    wait_until(lambda: service.backlog() == 0, "the log waits for a registry that is away")
    known.unlink()
    away.rename(known)
    make_champion(connect(pharmacy.settings), "2")
    wait_until(lambda: service.version() == "2", "the registry is back and is not followed")
    return load


def test_a_service_starts_and_stops_while_mlflow_is_away(pharmacy: Pharmacy) -> None:
    # As the service before has left it.
    publish_plan("demand", connect(pharmacy.settings).publishing)
    away = RefusingServer()
    with away, serving(pharmacy, *ONE_WORKER, GAUNTLET_MLFLOW_URI=away.address) as service:
        assert service.version() == "1"
        assert "the last known plan is served" in service.log.read_text()
        before = away.attempts
        service.stop()
        again = away.attempts - before
    assert before > 0
    assert again <= 4, "an operator waits for a client that tries again"
