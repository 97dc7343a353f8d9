"""A retraining of own code through Airflow's tasks, each of which reads the modules anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.core.time import instant_text
from pipelines.wiring import connect
from tests.dags.conftest import dags
from tests.support.own_code import own_pharmacy
from tests.support.pharmacy import SECOND


@pytest.mark.slow
def test_a_run_trains_and_decides_with_own_code(
    airflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.flows.retrain.request import STEPS

    pharmacy = own_pharmacy().twin(tmp_path)
    for name, value in pharmacy.environment.items():
        monkeypatch.setenv(name, value)
    dag = dags("retrain", pharmacy.home / "models")["demand"]
    run: Any = dag.test(run_conf={"as_of": instant_text(SECOND), "reason": "test"})
    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    assert {states[step] for step in ("request", *STEPS)} == {"success"}, states
    head = connect(pharmacy.settings).ledger.head("demand")
    assert head is not None
    assert head.as_of == SECOND
    assert head.candidate == "2"
    units = {one.unit for one in head.findings if one.name.startswith("refresh.")}
    assert "own_error" in units
