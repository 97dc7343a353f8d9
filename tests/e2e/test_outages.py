"""Something goes away in the middle of a run, or two runs meet."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters.objects.s3 import S3Store
from pipelines.core.errors import LockedError, Unavailable
from pipelines.flows.retrain.request import StepReport
from pipelines.release.registry import CHAMPION
from tests.support.fault_proxy import FaultProxy
from tests.support.pharmacy import FIRST, RICH, SECOND, Answer, Pharmacy
from tests.support.refused_input import (
    new_pharmacy,
    newest,
    refused,
    untouched,
    write_three_days,
)
from tests.support.servers import running_s3


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of events before ``FIRST``."""
    return write_three_days(tmp_path_factory.mktemp("days"))


@pytest.fixture
def pharmacy(days: Path, tmp_path: Path) -> Pharmacy:
    """A new home and its own copy of the three days."""
    return new_pharmacy(days, tmp_path)


def test_mlflow_away_when_the_version_is_to_be_registered(
    champion: Pharmacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All before it is kept; with MLflow back, the same command ends the run."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    pharmacy = Pharmacy(tmp_path / "home", champion.store)
    pharmacy.declare()
    (pharmacy.home / "cache").parent.mkdir(exist_ok=True)
    shutil.copytree(champion.home / "cache", pharmacy.home / "cache")
    away = pharmacy.cli_retrain(FIRST, "--json", GAUNTLET_MLFLOW_URI="http://127.0.0.1:9")
    refused(
        away,
        5,
        "unavailable",
        what="MLflow does not answer",
        where="http://127.0.0.1:9",
        hint="run again",
    )
    untouched(pharmacy)
    trained = next(pharmacy.home.glob("runs/demand/*/train.json"))
    at = trained.stat().st_mtime_ns
    back = pharmacy.cli_retrain(FIRST, "--json")
    assert back.code == 0, back.err
    assert (back.body["decision"]["outcome"], back.body["candidate"]) == ("first_version", "1")
    assert trained.stat().st_mtime_ns == at  # it was not trained again


@contextmanager
def away(path: Path) -> Iterator[None]:
    """A database that cannot be opened: a folder stands in its place."""
    hidden = path.with_name(f"{path.name}.hidden")
    path.rename(hidden)
    path.mkdir()
    try:
        yield
    finally:
        path.rmdir()
        hidden.rename(path)


def test_the_ledger_away_when_the_decision_is_to_be_recorded(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    pharmacy.declare(RICH)
    taken: list[Any] = []

    def on_report(report: StepReport) -> None:
        if report.step == "register":
            gone = away(pharmacy.home / "ledger.db")
            gone.__enter__()
            taken.append(gone)

    with pytest.raises(Unavailable) as caught:
        pharmacy.retrain(SECOND, report=on_report)
    taken[0].__exit__(None, None, None)
    assert (caught.value.exit_code, "ledger.db" in caught.value.where) == (5, True)
    assert "run again" in caught.value.hint
    assert pharmacy.registry.alias("demand", CHAMPION) == "1"
    reported = pharmacy.retrain(SECOND)
    assert reported.outcome == "promote"
    assert [entry.outcome for entry in pharmacy.parts().ledger.entries("demand")] == [
        "first_version",
        "promote",
    ]
    assert [info.version for info in pharmacy.registry.versions("demand")] == ["1", "2"]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A wire to a server of S3 with the bucket ``events``."""
    with running_s3("events") as environment, ExitStack() as ended:
        port = int(environment["AWS_ENDPOINT_URL"].rpartition(":")[2])
        wire = ended.enter_context(FaultProxy(port))
        own = {"AWS_ENDPOINT_URL": wire.address, "AWS_MAX_ATTEMPTS": "1"}
        for name, value in (environment | own).items():
            monkeypatch.setenv(name, value)
        yield wire


def test_s3_away_while_objects_are_pulled(pharmacy: Pharmacy, s3: FaultProxy) -> None:
    """What has been pulled stays; with S3 back, only the rest is pulled."""
    store = S3Store("s3://events")
    for path in Path(pharmacy.store).rglob("*.parquet"):
        key = path.relative_to(pharmacy.store).as_posix()
        store.write(key, path)
    remote = Pharmacy(pharmacy.home, "s3://events")
    pulled: list[str] = []

    def progress(text: str) -> None:
        if ": pulled " in text:
            pulled.append(text)
            if len(pulled) == 2:
                s3.cut()

    with pytest.raises(Unavailable) as caught:
        remote.retrain(FIRST, parts=remote.parts(progress=progress), lineage="backfill")
    assert caught.value.exit_code == 5
    assert caught.value.hint
    assert remote.half_written() == []
    s3.mend()
    before = len(pulled)
    reported: list[str] = []
    with pytest.raises(Exception, match=r"label|training"):  # three days are too little to learn
        remote.retrain(FIRST, parts=remote.parts(progress=reported.append), lineage="backfill")
    assert next(remote.home.glob("runs/demand/*/snapshot.json"))
    again = [text for text in reported if text.startswith("dispensing: pulled ")]
    total = int(pulled[0].split(" of ")[1].split()[0])
    assert len(again) == total - before


def test_a_disk_that_is_full_while_events_are_pulled(pharmacy: Pharmacy) -> None:
    """No file may grow beyond what an open SQLite needs: the operating system enforces it."""
    path = newest(pharmacy)
    many = pa.concat_tables([pq.ParquetFile(path).read()] * 20)
    pq.write_table(many, path, compression="none", use_dictionary=False)
    assert path.stat().st_size > 100_000
    assert pharmacy.cli("ledger", "demand", "--json").code == 0  # makes the databases
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
    try:
        answer = pharmacy.cli_retrain(FIRST, "--json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    refused(answer, 5, "unavailable", what="no room left", hint="make room and run again")
    untouched(pharmacy)
    assert not list(pharmacy.home.glob("cache/snapshots/*"))
    again = pharmacy.cli_retrain(FIRST, "--json")
    assert again.body["error"] == "no_matured_label", "it reads on; three days are too few to train"
    assert list(pharmacy.home.glob("cache/snapshots/*.json"))


# Two at once


def test_a_second_retraining_of_the_same_model_reads_the_holder_of_the_lock(
    champion: Pharmacy, tmp_path: Path
) -> None:
    """And changes nothing: one version, one promotion."""
    pharmacy = champion.copy(tmp_path / "home")
    pharmacy.declare(RICH)
    answers: dict[str, Answer] = {}
    errors: list[LockedError] = []

    def on_report(report: StepReport) -> None:
        if report.step in ("snapshot", "register"):
            answers[report.step] = pharmacy.cli_retrain(SECOND, "--json")
            with pytest.raises(LockedError) as caught:
                pharmacy.retrain(SECOND)
            errors.append(caught.value)

    reported = pharmacy.retrain(SECOND, report=on_report)
    for answer in answers.values():
        refused(answer, 6, "locked", got="process", hint="wait for it")
    assert len(errors) == 2
    assert reported.outcome == "promote"
    entries = pharmacy.parts().ledger.entries("demand")
    assert [entry.outcome for entry in entries] == ["first_version", "promote"]
    assert [info.version for info in pharmacy.registry.versions("demand")] == ["1", "2"]
