"""``gauntlet monitor`` with all of its outputs: MLflow, the stream, a textfile and alerts."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.core.time import instant_text
from pipelines.monitoring.report import REPORT_FORMAT, Cause
from pipelines.settings import Settings
from tests.support.monitor_reports import alarm, report
from tests.support.pharmacy import SECOND, WEEK, Pharmacy

SILENT = SECOND + 1.5 * WEEK  # the events end after SECOND + WEEK


def test_a_report_is_delivered_once_everywhere(answering: Pharmacy, tmp_path: Path) -> None:
    import mlflow

    pharmacy = answering.twin(tmp_path)
    pharmacy.declare(monitor={"alerts": {"file": "alerts.jsonl"}})
    words = ("monitor", "demand", "--as-of", instant_text(SILENT), "--alert")
    done = pharmacy.cli(*words, "--textfile", str(tmp_path / "gauntlet.prom"))
    assert done.code == 0, done.err
    failed = pharmacy.cli(*words, "--json", "--fail-on", "alarm")
    assert failed.code == 1
    found = failed.body
    client = mlflow.MlflowClient(f"sqlite:///{pharmacy.home}/mlflow.db")
    experiment = client.get_experiment_by_name("demand").experiment_id
    [run] = client.search_runs([experiment], "tags.`gauntlet.monitored` LIKE '%'")
    assert client.get_run(run.data.tags["mlflow.parentRunId"]).data.params
    assert run.data.tags["mlflow.note.content"].startswith("```\ndemand version")
    [rows] = (Path(pharmacy.store) / "monitor" / "demand").rglob("*.parquet")
    assert rows.parent.name == f"dt={SILENT:%Y-%m-%d}"
    assert 'gauntlet_monitor_alarms{model="demand"}' in (tmp_path / "gauntlet.prom").read_text()
    assert found["action"]["kind"] == "fix_feed"
    lines = (pharmacy.home / "alerts.jsonl").read_text().splitlines()
    alerts = [json.loads(line) for line in lines]
    assert "fix the feed" in alerts[0]["subject"]
    assert len({alert["id"] for alert in alerts}) == len(alerts), "the second run sent it again"


def test_the_service_shows_the_newest_report_in_its_metrics(tmp_path: Path) -> None:
    from fastapi.testclient import TestClient

    from pipelines.wiring import serving_app

    app = serving_app(Settings(home=tmp_path, serve_models="demand"), follows=False)
    folder = tmp_path / "monitor" / "demand"
    folder.mkdir(parents=True)
    text = REPORT_FORMAT.to_text(report(alarm(Cause.FEED)))
    (folder / "2025-04-07T000000Z.json").write_text(text)
    page = TestClient(app).get("/metrics").text
    assert 'gauntlet_monitor_health{health="broken_data",model="demand",version="3"} 1.0' in page
