"""The DAG that monitors a champion: every model has one, unless its declaration has none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.core.time import instant_text
from tests.dags.conftest import dags
from tests.support.pharmacy import declaration
from tests.support.processes.worker_tasks import assert_quiet, in_processes, log_lines


@pytest.fixture
def models(tmp_path: Path, airflow_database: Path) -> Path:
    """A model as it is declared by default, one with a schedule, and one monitored by hand."""
    schedules: dict[str, dict[str, Any]] = {
        "demand": {},
        "hourly": {"monitor": {"schedule": "0 * * * *"}},
        "by_hand": {"monitor": {"schedule": None}},
    }
    for name, changes in schedules.items():
        declared = declaration(**changes) | {"name": name}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(declared))
    return tmp_path


def test_a_model_is_monitored_daily_unless_its_declaration_has_another_schedule(
    models: Path,
) -> None:
    found: dict[str, Any] = dags("monitor", models)
    schedules = {name: dag.timetable.expression for name, dag in found.items()}
    assert schedules == {"demand": "0 5 * * *", "hourly": "0 * * * *"}
    assert list(dags("monitor", models, only="monitor__demand")) == ["demand"]


def test_its_notes_are_for_the_person_on_call(models: Path) -> None:
    dag = dags("monitor", models)["demand"]
    assert (dag.catchup, dag.max_active_runs) == (False, 1)
    for wanted in ("**Normal.**", "**Worry**", "**Find out.**", "gauntlet monitor demand"):
        assert wanted in dag.doc_md


def test_a_recommended_retraining_updates_the_asset_that_starts_it(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is a made-up one; Airflow stores the event, from which the next run starts."""
    from airflow.models.asset import AssetEvent
    from airflow.settings import Session

    from pipelines.monitoring.report import Cause
    from tests.support.monitor_reports import alarm, report

    monkeypatch.setenv("GAUNTLET_HOME", str(models))
    monkeypatch.setenv("GAUNTLET_MODELS", str(models))
    monkeypatch.setattr("gauntlet_alerts.deliver_report", lambda *_: None)
    # Alarms of a report are as many as there are reasons; the log shows the first lines only.
    dag = dags("monitor", models)["demand"]
    [asset] = dag.task_dict["start_retraining"].outlets
    schedule: Any = dags("retrain", models)["demand"].timetable
    assert schedule.asset_condition.objects == (asset,)
    alarms = [alarm(Cause.MODEL, f"slice {number}", cost=2.5) for number in range(40)]
    found = report(alarm(Cause.MODEL, "absolute_error", cost=2.5), *alarms)
    states = []
    logs = models / "logs"
    logs.mkdir()
    for hold in ("", "too early"):
        held = found.model_copy(update={"retraining_hold": hold})
        monkeypatch.setattr("pipelines.flows.monitor.run.monitor", lambda *_, held=held: held)
        with in_processes(dag, logs):
            states.append(str(dag.test().get_task_instance("start_retraining").state))
        assert_quiet(logs, "monitor", "start_retraining")
        events = [line["event"] for line in log_lines(logs / "monitor.log")]
        again = f"gauntlet monitor demand --as-of {instant_text(found.as_of)}"
        assert any(re.fullmatch(rf"and \d+ more lines: {again}", event) for event in events)
        for log in logs.iterdir():
            log.unlink()
    assert states == ["success", "skipped"]
    with Session() as session:
        [event] = (one for one in session.query(AssetEvent) if one.asset.uri == asset.uri)
        assert (event.extra["action"], event.extra["cost"]) == ("retrain", 2.5)


@pytest.mark.parametrize(
    "changes",
    [{"schedule": None}, {"monitor": {"schedule": None}}, {"monitor": {"retrain": None}}],
    ids=["retrained by hand", "monitored by hand", "switched off"],
)
def test_without_a_reason_the_schedule_alone_retrains(
    changes: dict[str, Any], tmp_path: Path, airflow_database: Path
) -> None:
    from airflow.sdk import AssetOrTimeSchedule

    (tmp_path / "demand.yaml").write_text(yaml.safe_dump(declaration(**changes)))
    for dag in dags("monitor", tmp_path).values():
        assert list(dag.task_dict) == ["monitor"]
    timetable = dags("retrain", tmp_path)["demand"].timetable
    assert not isinstance(timetable, AssetOrTimeSchedule)
