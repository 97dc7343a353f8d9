"""What parsing ``dags/retrain.py`` costs, and that one bad declaration harms no other model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.flows.retrain.request import STEPS
from tests.dags.conftest import PLUGINS

ROOT = Path(__file__).resolve().parents[2]
DAG_FILE = ROOT / "dags" / "retrain.py"
MODELS = 100
# Airflow reads each DAG file every 30 s, and in the process of every task: what counts is what the
# file imports beyond Airflow's own imports.
MEASURE = """
import json, runpy, sys
import yaml
from airflow.sdk import (
    DAG, CronDataIntervalTimetable, ExceptionRetryPolicy, Param, RetryRule, TriggerRule, task
)
before = set(sys.modules)
found = runpy.run_path(sys.argv[1])
print(json.dumps({
    "dags": sorted(name for name in found if name.startswith("retrain__")),
    "modules": sorted({name.split(".")[0] for name in set(sys.modules) - before}),
}))
"""


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example declaration under a hundred names."""
    folder = tmp_path_factory.mktemp("models")
    text = (ROOT / "models" / "demand.yaml").read_text(encoding="utf-8")
    for number in range(MODELS):
        named = text.replace("name: demand\n", f"name: demand_{number}\n", 1)
        (folder / f"demand_{number}.yaml").write_text(named, encoding="utf-8")
    return folder


def parse(models: Path, **environment: str) -> dict[str, Any]:
    """Parse the DAG file in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(DAG_FILE)],
        env={**os.environ, "PYTHONPATH": PLUGINS, "GAUNTLET_MODELS": str(models), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_a_hundred_models_parse_and_pull_in_nothing_heavy(
    hundred: Path, airflow_database: Path
) -> None:
    parsed = parse(hundred)
    assert len(parsed["dags"]) == MODELS
    heavy = {"duckdb", "great_expectations", "ibis", "mlflow", "numpy", "pandas", "sklearn"}
    assert not heavy & set(parsed["modules"]), (
        f"parsing {DAG_FILE.name} imported {sorted(heavy & set(parsed['modules']))}"
    )


def test_a_task_builds_only_the_dag_that_it_belongs_to(
    hundred: Path, airflow_database: Path
) -> None:
    parsed = parse(hundred, _AIRFLOW_PARSING_CONTEXT_DAG_ID="retrain__demand_7")
    assert parsed["dags"] == ["retrain__demand_7"]


BAD: dict[str, str | bytes] = {
    "torn": "name: torn\nstreams: {",
    "listed": "- name: listed\n",
    "other": "name: another\ndescription: d\nowner: o\n",
    "unowned": "name: unowned\ndescription: d\n",
    "odd_cron": "name: odd_cron\ndescription: d\nowner: o\nschedule: every monday\n",
    "Two Words": "name: Two Words\ndescription: d\nowner: o\n",
    "binary": b"\xff\xfe\x00",
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example among declarations that cannot be read."""
    folder = tmp_path_factory.mktemp("mixed")
    good = (ROOT / "models" / "demand.yaml").read_bytes()
    (folder / "demand.yaml").write_bytes(good)
    for name, text in BAD.items():
        content = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name}.yaml").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def mixed_bag(mixed: Path, airflow_database: Path) -> Any:
    """Airflow's own reading of that folder."""
    from airflow.dag_processing.dagbag import DagBag

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUNTLET_MODELS", str(mixed))
        return DagBag(DAG_FILE)


def test_a_bad_declaration_leaves_the_other_models_their_dags(mixed_bag: Any) -> None:
    assert not mixed_bag.import_errors, (
        "an import error stops Airflow from scheduling every model of the file: "
        f"{mixed_bag.import_errors}"
    )
    tasks = [task.task_id for task in mixed_bag.dags["retrain__demand"].tasks]
    assert [task for task in tasks if task != "first_fill"] == ["request", *STEPS]
    assert tasks.index("first_fill") == tasks.index("availability") - 1, (
        "a model that is served is filled before it is looked up"
    )


@pytest.mark.parametrize("name", BAD)
def test_a_bad_declaration_has_a_dag_with_a_message(mixed_bag: Any, name: str) -> None:
    dag = mixed_bag.dags[f"retrain__{name.replace(' ', '-')}"]
    assert "broken" in dag.tags
    assert f"{name}.yaml" in dag.doc_md
    assert [task.task_id for task in dag.tasks] == ["declaration"]
    assert dag.timetable.expression == "0 0 * * *", "it must fail daily, to be noticed"


@pytest.mark.parametrize("name", sorted(BAD.keys() - {"binary"}))
def test_that_dag_fails_with_the_readers_own_message(
    mixed_bag: Any, mixed: Path, name: str
) -> None:
    from pipelines.core.errors import SpecError

    task = mixed_bag.dags[f"retrain__{name.replace(' ', '-')}"].get_task("declaration")
    with pytest.raises(SpecError) as failure:
        task.python_callable(*task.op_args, **task.op_kwargs)
    assert f"{name}.yaml" in str(failure.value), "the message does not name the file"
