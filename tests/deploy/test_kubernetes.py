"""The manifests of the service against the service itself, and against Kubernetes' schemas."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.adapters.http.workers import DRAIN_S
from pipelines.cli.commands.serve import LAST_SHIPPING_S
from pipelines.settings import Settings
from tests.support.services.kubernetes_schema import check_schema, schema_checker

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.32", "1.34", "1.36")  # preStop's sleep is older than all of them
MANIFESTS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.yaml")
}
POD = MANIFESTS["deployment"]["spec"]["template"]
[CONTAINER] = POD["spec"]["containers"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_follows_the_schema(name: str, version: str) -> None:
    check_schema(MANIFESTS[name], version)


def faults() -> Iterator[tuple[str, Callable[[dict[str, Any]], object]]]:
    yield "deployment", lambda one: one["spec"]["template"]["spec"].update(gracePeriod=5)
    yield "deployment", lambda one: one["spec"].pop("selector")
    yield "service", lambda one: one["spec"]["ports"][0].update(port="http")
    yield "autoscaler", lambda one: one["spec"].update(maxReplicas="ten")
    yield "disruption_budget", lambda one: one["spec"].update(maxUnavailable=[1])
    yield "configmap", lambda one: one.update(data={"GAUNTLET_SERVE_ROWS": 1000})


@pytest.mark.parametrize(("name", "harm"), faults())
def test_a_wrong_manifest_is_refused(name: str, harm: Callable[[dict[str, Any]], object]) -> None:
    harmed = copy.deepcopy(MANIFESTS[name])
    harm(harmed)
    with pytest.raises(schema_checker().ValidationError):
        check_schema(harmed, VERSIONS[0])


def test_all_manifests_are_about_the_same_pods() -> None:
    labels = POD["metadata"]["labels"]
    selectors = [
        MANIFESTS["deployment"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["service"]["spec"]["selector"],
        MANIFESTS["disruption_budget"]["spec"]["selector"]["matchLabels"],
        POD["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(one == labels for one in selectors)
    target = MANIFESTS["autoscaler"]["spec"]["scaleTargetRef"]
    deployment = MANIFESTS["deployment"]
    assert target["name"] == deployment["metadata"]["name"]
    assert (target["apiVersion"], target["kind"]) == (deployment["apiVersion"], deployment["kind"])
    sources = {next(iter(one.values()))["name"] for one in CONTAINER["envFrom"]}
    assert sources == {MANIFESTS["configmap"]["metadata"]["name"]}
    task = MANIFESTS["task_pod"]["spec"]["containers"][0]
    sources = {next(iter(one.values()))["name"] for one in task["envFrom"]}
    assert sources == {MANIFESTS["task_configmap"]["metadata"]["name"]}


def test_a_pod_has_the_time_that_the_service_needs_to_end() -> None:
    waits = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    unready = (
        CONTAINER["readinessProbe"]["periodSeconds"]
        * CONTAINER["readinessProbe"]["failureThreshold"]
    )
    assert waits >= unready
    ends = waits + DRAIN_S + LAST_SHIPPING_S
    assert POD["spec"]["terminationGracePeriodSeconds"] > ends


def test_the_service_has_the_paths_the_port_and_the_settings() -> None:
    from starlette.testclient import TestClient
    from typer.testing import CliRunner

    from pipelines.adapters.http.metrics import PrometheusMetrics
    from pipelines.adapters.http.web import Limits, build_app
    from pipelines.cli.app import app

    [port] = CONTAINER["ports"]
    assert f"--port={port['containerPort']}" in CONTAINER["command"]
    assert MANIFESTS["service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    probes = [CONTAINER[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert {probe["port"] for probe in probes} == {port["name"]}
    service = TestClient(build_app({}, PrometheusMetrics(dict, dict), Limits()))
    paths = [*(probe["path"] for probe in probes), "/metrics"]
    assert [service.get(path).status_code for path in paths] == [200] * 4
    assert POD["metadata"]["annotations"]["prometheus.io/path"] == "/metrics"
    assert "gauntlet_request_seconds" in service.get("/metrics").text
    assert CliRunner().invoke(app, [*CONTAINER["command"][1:], "--help"]).exit_code == 0
    known = {f"GAUNTLET_{name.upper()}" for name in Settings.model_fields}
    for name, container in (
        ("configmap", CONTAINER),
        ("task_configmap", MANIFESTS["task_pod"]["spec"]["containers"][0]),
    ):
        set_here = MANIFESTS[name]["data"]
        assert {one for one in set_here if one.startswith("GAUNTLET_")} <= known
        mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert set_here["GAUNTLET_HOME"] in mounted


def test_the_image_and_the_account_are_those_of_compose() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert compose["services"]["serving"]["image"] == "gauntlet:${GAUNTLET_TAG:-0.1.0}"
    task = MANIFESTS["task_pod"]["spec"]["containers"][0]
    assert CONTAINER["image"] == task["image"] == "gauntlet:0.1.0"
    user = POD["spec"]["securityContext"]["runAsUser"]
    assert f"useradd --uid {user} " in (ROOT / "Dockerfile").read_text(encoding="utf-8")
