"""The page of a monitoring report in MLflow: one run for each instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from mlflow.artifacts import list_artifacts

from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.adapters.registry.mlflow_reports import MlflowReports
from pipelines.monitoring.report import Cause
from pipelines.reporting.monitor_page import report_page
from tests.support.monitor_reports import MONDAY, alarm, measured_report


def test_an_instant_has_one_run_below_the_champions_own(
    database: str, pack: Callable, registration: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = registration("r1", "watched")
    version = MlflowRegistry(database).register(given, pack("regression").folder)
    report = measured_report(alarm(Cause.FEED)).model_copy(update={"model": "watched"})
    page = replace(report_page(report), version=version.version)
    pages = MlflowReports(database, "http://mlflow.example/")
    with monkeypatch.context() as killed:
        killed.setattr(mlflow.MlflowClient, "set_terminated", _fail)
        with pytest.raises(KeyboardInterrupt):
            pages.publish(page)
    address = pages.publish(page)
    assert pages.publish(page) == address, "a repeated run makes no second page"

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("watched").experiment_id
    trained, watched = sorted(
        client.search_runs([experiment]), key=lambda run: "gauntlet.monitored" in run.data.tags
    )
    run = watched.info.run_id
    assert (
        address
        == f"http://mlflow.example/#/experiments/{experiment}/runs/{run}?workflowType=machine_learning"
    )
    assert watched.info.run_name == "2025-04-07 monitor v3: broken data"
    assert (watched.info.status, watched.info.start_time) == ("FINISHED", _ms())
    assert watched.data.tags["mlflow.parentRunId"] == trained.info.run_id
    note = watched.data.tags["mlflow.note.content"]
    assert "Action: fix the feed" in note
    assert f"(/get-artifact?path=drift.png&run_uuid={run})" in note
    weekly = client.get_metric_history(run, "performance/absolute_error")
    assert [(one.step, one.value) for one in weekly] == [(0, 20.0), (1, 22.0), (2, 24.0), (3, 26.0)]
    assert {Path(one.path).name for one in list_artifacts(run_id=run)} == {
        *("drift.png", "performance.png", "training_range.png", "report.json", "report.txt")
    }

    pages.publish(replace(page, content="other settings of monitoring"))
    assert len(client.search_runs([experiment])) == 2, "other content replaces the page"


def _fail(*_: object) -> None:
    raise KeyboardInterrupt("as if killed")


def _ms() -> int:
    return int(MONDAY.timestamp() * 1000)
