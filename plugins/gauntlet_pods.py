"""The pods of tasks under Airflow's KubernetesExecutor: the ``resources`` of a declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONTAINER = "base"  # Airflow's name for the container that runs the task


def pod(resources: Mapping[str, Any]) -> dict[str, Any]:
    """A pod with the memory and processor time of a task, as JSON; the template has the rest.

    Memory is requested and is also the limit. Processor time is only requested: at a limit, a
    container waits while the machine is idle.
    """
    memory, cpu = resources.get("memory"), resources.get("cpu")
    limits = {} if memory is None else {"memory": memory}
    requests = limits if cpu is None else {**limits, "cpu": str(cpu)}
    container = {"name": CONTAINER, "resources": {"requests": requests, "limits": limits}}
    return {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}}


def executor_config(resources: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The ``executor_config`` of a task; empty without the provider, whose executor alone reads it.

    Arguments:
        resources: the declaration's ``resources``, unchecked.
        task: a key of it.
    """
    if not resources.get(task):
        return {}
    try:
        from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
    except ImportError:
        return {}
    return {"pod_override": PodGenerator.deserialize_model_dict(pod(resources[task]))}
