"""Alerts through Airflow connections, against real servers on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from pipelines.core.errors import SpecError, Unavailable
from pipelines.core.markup import slack_text
from pipelines.monitoring.alerts import Message
from tests.dags.conftest import ROOT, dags, load
from tests.support.ledger_entries import move
from tests.support.monitor_reports import alarm, report
from tests.support.pharmacy import declaration
from tests.support.services.receivers import (
    HttpReceiver,
    SmtpReceiver,
    http_receiver,
    smtp_receiver,
)

TOKEN = "0123-secret"
MESSAGE = Message(
    id="demand feed 2025-04-07T00:00:00Z",
    model="demand",
    subject="demand: fix the feed",
    text="What: {{ 7 }} < 8\nDo: correct it",
)


@pytest.fixture(scope="module")
def alerts_file(airflow_database: Path) -> ModuleType:
    return load(ROOT / "plugins" / "gauntlet_alerts.py")


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    with http_receiver() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[SmtpReceiver]:
    with smtp_receiver() as server:
        yield server


@pytest.fixture
def connections(http: HttpReceiver, mail: SmtpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections as an operator declares them in the environment."""
    off = {"disable_ssl": True, "disable_tls": True, "from_email": "gauntlet@example.org"}
    server = {"conn_type": "smtp", "host": "127.0.0.1", "port": mail.port}
    declared: dict[str, dict[str, Any]] = {
        "ops_mail": server | {"extra": off | {"to": "night@example.org, day@example.org"}},
        "ops_lost": server | {"extra": off},
        "ops_slack": {
            "conn_type": "slackwebhook",
            "password": f"{http.address}/services/T0/B0/{TOKEN}",
        },
        "ops_hook": {
            "conn_type": "http",
            "host": f"{http.address}/hook",
            "password": TOKEN,
        },
        "ops_ftp": {"conn_type": "ftp", "host": "127.0.0.1"},
    }
    for name, fields in declared.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))


def test_mail_reaches_everyone_as_it_was_written(
    alerts_file: ModuleType, connections: None, mail: SmtpReceiver
) -> None:
    alerts_file.ConnectionChannel("ops_mail").send(MESSAGE)
    [(recipients, received)] = mail.received
    assert recipients == ["night@example.org", "day@example.org"]
    assert received["Subject"] == MESSAGE.subject
    assert received["X-Gauntlet-Alert"] == MESSAGE.id
    body = received.get_body()
    assert body is not None
    assert "What: {{ 7 }} &lt; 8\nDo: correct it" in body.get_content().replace("\r\n", "\n")


def test_slack_and_a_webhook_get_the_whole_message(
    alerts_file: ModuleType, connections: None, http: HttpReceiver
) -> None:
    for name in ("ops_slack", "ops_hook"):
        alerts_file.ConnectionChannel(name).send(MESSAGE)
    (slack, _, posted), (hook, headers, body) = http.received
    assert slack == f"/services/T0/B0/{TOKEN}"
    assert posted["text"] == body["text"] == slack_text(f"{MESSAGE.subject}\n\n{MESSAGE.text}")
    assert (hook, headers["Authorization"]) == ("/hook", f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    ("name", "kind", "wanted"),
    [
        ("ops_slack", Unavailable, "connection ops_slack"),
        ("ops_hook", Unavailable, "status 500"),
        ("ops_absent", Unavailable, "ops_absent"),
        ("ops_lost", SpecError, "no recipients"),
        ("ops_ftp", SpecError, "type ftp"),
    ],
)
def test_a_connection_that_fails_is_an_error_without_its_secret(
    name: str,
    kind: type[Exception],
    wanted: str,
    alerts_file: ModuleType,
    connections: None,
    http: HttpReceiver,
) -> None:
    http.status = 500
    with pytest.raises(kind, match=wanted) as error:
        alerts_file.ConnectionChannel(name).send(MESSAGE)
    assert TOKEN not in str(error.value)


def test_an_alarm_reaches_every_channel_of_its_model(
    alerts_file: ModuleType,
    connections: None,
    mail: SmtpReceiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pipelines.monitoring.report import Cause
    from pipelines.wiring import connect

    alerts = {"alerts": {"file": "alerts.jsonl", "connections": ["ops_mail", "ops_ftp"]}}
    (tmp_path / "demand.yaml").write_text(yaml.safe_dump(declaration(monitor=alerts)))
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    monkeypatch.setenv("GAUNTLET_MODELS", str(tmp_path))
    for _ in range(2):
        with pytest.raises(Unavailable, match="type ftp"):
            alerts_file.deliver_report(report(alarm(Cause.FEED)), connect())
    [(_, received)] = mail.received
    [line] = (tmp_path / "alerts.jsonl").read_text().splitlines()
    assert json.loads(line)["subject"] == received["Subject"]


def test_a_task_that_fails_sends_what_to_do_once_until_it_succeeds(
    airflow_database: Path,
    connections: None,
    http: HttpReceiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path / "home"))
    alerts = {"alerts": {"connections": ["ops_hook", "ops_absent"]}}
    whole = declaration(monitor=alerts) | {"schedule": "every Monday"}
    path = tmp_path / "demand.yaml"
    path.write_text(yaml.safe_dump(whole))
    failed = dags("retrain", tmp_path)["demand"]
    finished = failed.test()
    assert str(finished.state) == "failed"
    [(_, _, body)] = http.received
    assert body["subject"] == "demand: task declaration of retrain__demand failed"
    assert "schedule" in body["text"]
    assert finished.run_id in body["text"]
    failed.test()
    assert len(http.received) == 1, "the cause has not ended"
    succeeded = SimpleNamespace(task_id="declaration")
    [recovered] = failed.default_args["on_success_callback"]
    recovered.notify({"ti": succeeded, "dag": failed})
    failed.test()
    assert len(http.received) == 2


def context(returned: dict[str, Any], run_type: str = "scheduled") -> dict[str, Any]:
    ti = SimpleNamespace(task_id="contract", xcom_pull=lambda task_ids: returned)
    return {"ti": ti, "dag_run": SimpleNamespace(run_type=run_type)}


def test_a_stop_by_contract_is_a_message_unless_it_is_a_backfill(alerts_file: ModuleType) -> None:
    stopped = {"verdict": "no_data", "summary": "60 of 63 checks did not pass: x"}
    cause, subject, text = alerts_file.stopped_by_contract(context(stopped))
    assert subject == "the retraining was stopped by the contract"
    assert "60 of 63 checks" in text
    assert alerts_file.stopped_by_contract(context(stopped, "backfill")) is None
    passed = alerts_file.stopped_by_contract(context(stopped | {"verdict": "pass"}))
    assert passed == (cause, "", ""), "the cause has ended"


def test_a_version_that_the_stop_loss_restored_is_a_message(
    alerts_file: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.wiring import connect

    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    monkeypatch.delenv("GAUNTLET_LEDGER_URL", raising=False)
    given = context({"run": "r7"}) | {"dag": SimpleNamespace(dag_id="retrain__demand")}
    assert alerts_file.stopped_refreshes(given) is None
    ledger = connect().ledger
    ledger.append(move("r1", None, "1"), 0)
    ledger.append(move("stop.r7", "1", "2", kind="stop", reasons=("refreshes lost 60",)), 1)
    _, subject, text = alerts_file.stopped_refreshes(given)
    assert subject == "the stop-loss restored version 2"
    assert text.startswith("What: refreshes lost 60\n")


def test_a_rollback_is_a_message_and_a_step_of_a_rollout_is_none(alerts_file: ModuleType) -> None:
    taken = {"action": "rolled_back", "summary": "it was slower", "champion": "1", "next_step": ""}
    taken |= {"as_of": "2025-04-07T00:00:00Z"}
    _, subject, text = alerts_file.rolled_back({"release": taken})
    assert (subject, text) == ("live traffic: it was slower", "What: version 1 serves\nDo: nothing")
    assert alerts_file.rolled_back({"release": taken | {"action": "canary"}}) is None
    reason = "region north: harm is shown, so it leaves the canary"
    left = taken | {"action": "segment_left", "summary": reason}
    _, subject, text = alerts_file.rolled_back({"release": left})
    assert subject == f"live traffic: {reason}"
    assert text.startswith("What: its champion answers it again; the canary goes on")
