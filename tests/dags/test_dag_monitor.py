"""The DAG that monitors a champion: every model has one, unless its declaration has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dags.conftest import dags
from tests.support.pharmacy import declaration


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
