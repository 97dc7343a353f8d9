"""Pods of tasks: what a declaration asks for, in the words of Kubernetes.

The pods that Airflow's KubernetesExecutor makes are rendered, and checked against the schema of
Kubernetes, in the environment of ``make kubernetes-test``. No cluster runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from pipelines.spec.execution.resources import ResourceTask
from tests.dags.conftest import ROOT, dags, load
from tests.support import servers
from tests.support.pharmacy import declaration
from tests.support.services.kubernetes_schema import check_schema

DECLARED = {
    "train": {"memory": "8Gi", "cpu": 2},
    "features": {"memory": "4096Mi"},
    "materialize": {"cpu": 0.5},
}
VERSION = "1.34"  # of Kubernetes
WRITE_A_LOG = """
from pathlib import Path
from airflow.logging_config import get_remote_task_log
log = Path("logs/dag_id=d/task_id=train/attempt=1.log")
log.parent.mkdir(parents=True)
log.write_text("trained")
get_remote_task_log().upload(log.relative_to("logs"), None)
"""


@pytest.fixture
def pods_file(airflow_database: Path) -> Any:
    """``plugins/gauntlet_pods.py`` as a module."""
    return load(ROOT / "plugins" / "gauntlet_pods.py")


def declare(folder: Path, **changes: Any) -> Path:
    tree = declaration(**changes)
    tree |= {"score": "0 6 * * *", "serving": {"every": "1h", "delay": "15m", "ttl": "2d"}}
    (folder / "demand.yaml").write_text(yaml.safe_dump(tree))
    return folder


def test_every_task_that_computes_can_have_resources() -> None:
    computing: set[str] = set()
    for path in (ROOT / "dags").glob("*.py"):
        job = path.stem
        computing |= {
            task.task_id for dag in dags(job, ROOT / "models").values() for task in dag.tasks
        }
    waiting = {"request", "first_fill", "compare", "approval", "start_retraining"}
    assert {*get_args(ResourceTask)} - computing <= {"score", "update"}  # in no example
    assert computing - {*get_args(ResourceTask)} <= waiting


@pytest.mark.parametrize("resources", [{}, *DECLARED.values()])
def test_a_pod_follows_the_schema(pods_file: Any, resources: dict[str, Any]) -> None:
    check_schema(pods_file.pod(resources), VERSION)


@pytest.mark.parametrize("resources", [{}, *DECLARED.values()])
def test_only_memory_has_a_limit_and_it_is_what_is_requested(
    pods_file: Any, resources: dict[str, Any]
) -> None:
    [container] = pods_file.pod(resources)["spec"]["containers"]
    assert container["name"] == "base"
    requested = container["resources"]
    assert requested["requests"].get("memory") == requested["limits"].get("memory")
    assert requested["limits"].keys() <= {"memory"}


def test_tasks_without_declared_resources_have_no_pod(tmp_path: Path) -> None:
    for job in ("retrain", "materialize", "score"):
        [dag] = dags(job, declare(tmp_path)).values()
        assert all(not task.executor_config for task in dag.tasks), job


def test_the_executor_makes_a_valid_pod_of_each_task(tmp_path: Path) -> None:
    generator = pytest.importorskip(
        "airflow.providers.cncf.kubernetes.pod_generator",
        reason="the extra `kubernetes` is not installed: `make kubernetes-test`",
    ).PodGenerator
    from airflow.serialization.serialized_objects import DagSerialization
    from kubernetes.client import ApiClient

    template = generator.deserialize_model_file(ROOT / "deploy" / "kubernetes" / "task_pod.yaml")
    found = {}
    for job in ("retrain", "materialize", "score"):
        [dag] = dags(job, declare(tmp_path, resources=DECLARED)).values()
        stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        for task in stored.tasks:
            override = task.executor_config.get("pod_override")
            pod = generator.construct_pod(
                dag_id=dag.dag_id,
                task_id=task.task_id,
                pod_id="pod",
                try_number=1,
                kube_image="gauntlet:0.1.0",
                date=datetime(2026, 1, 5, tzinfo=UTC),
                args=["airflow", "tasks", "run"],
                pod_override_object=override,
                base_worker_pod=template,
                namespace="gauntlet",
                scheduler_job_id="1",
                run_id="scheduled",
            )
            rendered = ApiClient().sanitize_for_serialization(pod)
            check_schema(rendered, VERSION)
            [container] = rendered["spec"]["containers"]
            assert container["image"] == "gauntlet:0.1.0"
            found[task.task_id] = container["resources"]
    usual = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "task_pod.yaml").read_text())
    own = usual["spec"]["containers"][0]["resources"]
    memory = {"memory": "8Gi"}
    assert found["train"] == {"requests": {**memory, "cpu": "2"}, "limits": memory}
    assert found["features"] == {key: {"memory": "4096Mi"} for key in ("requests", "limits")}
    assert found["materialize"]["requests"]["cpu"] == "0.5"
    assert found["decide"] == own


def test_airflow_starts_with_the_settings_of_a_task_and_keeps_its_log(tmp_path: Path) -> None:
    pytest.importorskip(
        "airflow.providers.cncf.kubernetes",
        reason="the extra `kubernetes` is not installed: `make kubernetes-test`",
    )
    import boto3

    path = ROOT / "deploy" / "kubernetes" / "task_configmap.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]
    own = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
    }
    assert own.keys() - settings.keys() == {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
    with servers.running_s3("gauntlet") as s3:
        subprocess.run(
            [sys.executable, "-c", WRITE_A_LOG],
            env=os.environ | settings | own | s3,
            cwd=tmp_path,
            check=True,
        )
        client = boto3.client(
            "s3",
            endpoint_url=s3["AWS_ENDPOINT_URL"],
            aws_access_key_id=s3["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=s3["AWS_SECRET_ACCESS_KEY"],
        )
        [kept] = client.list_objects_v2(Bucket="gauntlet")["Contents"]
    assert kept["Key"] == "logs/dag_id=d/task_id=train/attempt=1.log"
