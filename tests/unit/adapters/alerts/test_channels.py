"""What a process knows about channels that would not get an alert."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pipelines.adapters.alerts.channels import channel_problems
from pipelines.spec.monitor import Alerts

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
MAIL = Alerts(connections=("ops_mail", "ops_slack"))


def test_a_webhook_needs_its_address() -> None:
    declared = Alerts(webhook_env="OPS_HOOK")
    [problem] = channel_problems({"OPS_HOOK": ""}, declared)
    assert problem == "monitor.alerts.webhook_env: OPS_HOOK is not set here"
    assert channel_problems({"OPS_HOOK": "https://hooks.example.org/x"}, declared) == ()


def test_a_connection_is_looked_up_where_airflow_would(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "airflow.db")) as database, database:
        database.execute("CREATE TABLE connection (conn_id TEXT)")
        database.execute("INSERT INTO connection VALUES ('ops_mail')")
    known = {DATABASE: f"sqlite:///{tmp_path / 'airflow.db'}"}
    [problem] = channel_problems(known, MAIL)
    assert problem == "monitor.alerts.connections: Airflow has no connection ops_slack"
    assert channel_problems(known | {"AIRFLOW_CONN_OPS_SLACK": "slackwebhook://x"}, MAIL) == ()


def test_what_cannot_be_known_is_no_problem(tmp_path: Path) -> None:
    empty = {DATABASE: f"sqlite:///{tmp_path / 'none.db'}"}
    assert channel_problems({}, MAIL) == channel_problems(empty, MAIL) == ()
    assert channel_problems(empty | {"AIRFLOW__SECRETS__BACKEND": "vault"}, MAIL) == ()
