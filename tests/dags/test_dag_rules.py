"""The house rules of DAGs. Each message names the DAG, the rule that it breaks, and what to do."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DAG_FILES = sorted((ROOT / "dags").glob("*.py"))
AIRFLOW_FILES = [*DAG_FILES, *sorted((ROOT / "plugins").glob("*.py"))]
HEAVY = {
    *("duckdb", "great_expectations", "ibis", "matplotlib", "mlflow", "numpy", "pandas"),
    *("psycopg", "pyarrow", "scipy", "sklearn", "skops", "sqlalchemy", "boto3"),
}
LIGHT_OF_OURS = ("pipelines.core", "pipelines.flows.retrain.request")
LONGEST_BODY = 12
LONGEST_FILE = 90


def test_every_dag_parses(bag: Any) -> None:
    assert not bag.import_errors, f"these files in dags/ do not load: {bag.import_errors}"


def test_every_declared_model_has_its_dag(bag: Any) -> None:
    wanted = {f"retrain__{path.stem}" for path in (ROOT / "models").glob("*.yaml")}
    assert wanted <= set(bag.dags), f"models without a DAG: {sorted(wanted - set(bag.dags))}"


def test_every_dag_is_named_job_and_model(bag: Any) -> None:
    for name in bag.dags:
        job, _, model = name.partition("__")
        assert job, f"{name}: DAGs are called <job>__<model>"
        assert model, f"{name}: DAGs are called <job>__<model>; links and commands rely on it"


def test_every_dag_has_a_person_to_page(bag: Any) -> None:
    for name, dag in bag.dags.items():
        assert dag.owner not in {"", "airflow"}, f"{name}: set `owner` to who is paged"


def test_every_dag_is_tagged_with_its_job_and_model(bag: Any) -> None:
    for name, dag in bag.dags.items():
        wanted = {"gauntlet", *name.split("__")}
        assert wanted <= set(dag.tags), f"{name}: the tags {sorted(wanted)} are for the filter"


@pytest.mark.parametrize("heading", ["**Normal.**", "**Worry**", "**Find out.**"])
def test_every_dag_has_notes_for_the_person_on_call(bag: Any, heading: str) -> None:
    for name, dag in bag.dags.items():
        assert heading in (dag.doc_md or ""), f"{name}: doc_md has no triage note {heading}"
        assert f"gauntlet explain {name.partition('__')[2]}" in dag.doc_md, (
            f"{name}: doc_md does not name the command that explains a decision"
        )


def test_no_dag_catches_up_or_runs_twice_at_a_time(bag: Any) -> None:
    for name, dag in bag.dags.items():
        assert dag.catchup is False, f"{name}: catching up is a backfill's work, started by name"
        assert dag.max_active_runs == 1, f"{name}: two runs of one model compete for its lock"


def test_a_failure_that_waiting_cannot_cure_is_not_retried(bag: Any) -> None:
    from airflow.sdk import RetryAction

    from pipelines.core.errors import DataError, LockedError, Unavailable

    for name, dag in bag.dags.items():
        for task in dag.tasks:
            if not task.retries:
                continue
            policy = task.retry_policy
            decide = {
                type(error): policy.evaluate(error, 1, 2).action
                for error in (Unavailable("x"), LockedError("x"), DataError("x"), KeyError("x"))
            }
            assert decide[Unavailable] == decide[LockedError] == RetryAction.RETRY, (
                f"{name}: {decide}"
            )
            assert decide[DataError] == decide[KeyError] == RetryAction.FAIL, f"{name}: {decide}"


def test_retries_bridge_the_restart_of_a_service(bag: Any) -> None:
    for name, dag in bag.dags.items():
        for task in dag.tasks:
            if not task.retries:
                continue
            doubled = task.retry_exponential_backoff
            shortest = task.retry_delay * sum(doubled**n for n in range(task.retries))
            assert doubled > 1, f"{name}: {task.task_id}"
            assert shortest >= timedelta(minutes=5), f"{name}: {task.task_id} waits {shortest}"


@pytest.mark.parametrize("path", AIRFLOW_FILES, ids=lambda path: path.name)
def test_nothing_heavy_is_imported_when_a_file_is_parsed(path: Path) -> None:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] not in HEAVY, (
                f"{path.name}:{node.lineno}: {name} is imported at each parse; "
                "import it inside the task's function"
            )
            ours = name.startswith("pipelines")
            assert not ours or name.startswith(LIGHT_OF_OURS), (
                f"{path.name}:{node.lineno}: of pipelines only {LIGHT_OF_OURS} are cheap enough "
                f"for module level; import {name} inside the task's function"
            )


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.name)
def test_a_dag_file_only_puts_tasks_in_order(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE, (
        f"{path.name} is longer than {LONGEST_FILE} lines"
    )
    assert "airflow" in text.lower(), f"{path.name}: Airflow skips files without the word airflow"
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, ast.FunctionDef | ast.ClassDef), (
            f"{path.name}:{node.lineno}: {node.name}: tasks belong into plugins/gauntlet_tasks.py, "
            "operators into plugins/gauntlet_operators.py"
        )


def _decorated_tasks() -> list[ast.FunctionDef]:
    tree = ast.parse((ROOT / "plugins" / "gauntlet_tasks.py").read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("task", _decorated_tasks(), ids=lambda node: node.name)
def test_a_task_computes_nothing(task: ast.FunctionDef) -> None:
    statements = sum(isinstance(inner, ast.stmt) for inner in ast.walk(task)) - 1
    assert statements <= LONGEST_BODY, (
        f"gauntlet_tasks.py:{task.lineno}: {task.name} has {statements} statements, more than "
        f"{LONGEST_BODY}; what a step does belongs into pipelines/flows"
    )
