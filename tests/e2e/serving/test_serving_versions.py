"""Real versions loaded by the service: whole ones answer, damaged ones are refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipelines.core.errors import IntegrityError, SpecError
from pipelines.core.time import FixedClock
from pipelines.flows.serving.publish import plans_folder, publish_plan
from pipelines.gates.availability.fast_predict import NAME
from pipelines.packaging.package import EVIDENCE, content_digest
from pipelines.packaging.version import read_findings
from pipelines.serving.deployment import Deployment
from pipelines.serving.loaded_version import load_for_serving
from pipelines.serving.plan import PlannedVersion, ServingPlan, write_plan
from pipelines.serving.service import ModelService
from pipelines.wiring import connect, serving_app
from tests.support.pharmacy import CLOCK, FIRST, SECOND, Pharmacy
from tests.support.services.model import RecordingMetrics

POINT = {"pharmacy": "pharmacy_002", "medicine": "amoxicillin"}


@pytest.fixture
def pharmacy(answering: Pharmacy, tmp_path: Path) -> Pharmacy:
    """A copy of the home that a test may harm."""
    return answering.copy(tmp_path / "home")


def damage(folder: Path, how: str) -> None:
    if how == "bytes":
        [model] = folder.glob("model.*")
        content = bytearray(model.read_bytes())
        content[len(content) // 2] ^= 1
        model.write_bytes(content)
    elif how == "a file more":
        (folder / "extra.txt").write_text("x")
    elif how == "a file less":
        (folder / "MLmodel").unlink()
    else:
        shutil.rmtree(folder)


@pytest.mark.parametrize("how", ["bytes", "a file more", "a file less", "gone"])
def test_a_damaged_version_is_refused_and_the_old_one_answers(pharmacy: Pharmacy, how: str) -> None:
    parts = connect(pharmacy.settings)
    plan, other = publish_plan("demand", parts.publishing), parts.registry.get("demand", "2")
    service = ModelService(
        "demand",
        store=parts.online,
        record=lambda _: None,
        clock=FixedClock(SECOND),
        metrics=RecordingMetrics(),
        run_later=lambda _: True,
    )
    deployment = Deployment(service, plans_folder(pharmacy.home))
    assert deployment.follow(), deployment.problem
    [before] = service.answer([POINT], "r")
    folder = parts.registry.download(other, pharmacy.home / "versions")
    damage(folder, how)
    damaged = PlannedVersion(version="2", content=other.content, folder=str(folder))
    write_plan(plans_folder(pharmacy.home), ServingPlan(model="demand", champion=damaged))
    assert not deployment.follow()
    assert isinstance(deployment.problem, IntegrityError)
    [after] = service.answer([POINT], "r")
    assert (
        (after.version, after.prediction)
        == ("1", before.prediction)
        == (
            plan.champion.version,
            before.prediction,
        )
    )


def test_a_feature_that_needs_an_absent_package_is_found_before_the_switch(
    pharmacy: Pharmacy,
) -> None:
    champion = publish_plan("demand", connect(pharmacy.settings).publishing).champion
    path = Path(champion.folder) / EVIDENCE / "spec.json"
    saved = json.loads(path.read_text())
    text = "import shopping_lib\n\ndef level(table):\n    return table.medicine.length()\n"
    saved["features"].append(
        {
            "kind": "expression",
            "name": "level",
            "function": "prices:level",
            "files": {"prices.py": text},
            "columns": {"medicine": "medicine"},
        }
    )
    path.write_text(json.dumps(saved))
    other = champion.model_copy(update={"content": content_digest(Path(champion.folder))})
    with pytest.raises(SpecError, match="shopping_lib is not installed"):
        load_for_serving(other)


def test_a_registered_version_is_compiled(pharmacy: Pharmacy) -> None:
    plan = publish_plan("demand", connect(pharmacy.settings).publishing)
    loaded = load_for_serving(plan.champion)
    assert loaded.is_compiled, "the project's own form of pipeline answers without data frames"
    findings = read_findings(Path(plan.champion.folder))
    [answers] = [one for one in findings if one.name == NAME]
    assert (answers.verdict, answers.value) == ("pass", 0.0), answers.reason
    parts = connect(pharmacy.settings)
    [entry] = [one for one in parts.ledger.entries("demand") if one.candidate == "1"]
    assert NAME in [finding.name for finding in entry.findings], "the reviewer saw it"


@pytest.mark.parametrize(
    ("answers", "compiles"), [("fail", False), ("no_data", False), (None, True)]
)
def test_what_registration_found_decides_the_form(
    pharmacy: Pharmacy, answers: str | None, compiles: bool
) -> None:
    """None: a version from before registration asked, whose forms are compared when it loads."""
    champion = publish_plan("demand", connect(pharmacy.settings).publishing).champion
    as_registered = load_for_serving(champion)
    example = [dict.fromkeys(as_registered.spec.feature_names)]
    path = Path(champion.folder) / EVIDENCE / "findings.json"
    saved = json.loads(path.read_text())
    saved["findings"] = [one for one in saved["findings"] if one["name"] != NAME or answers]
    for one in saved["findings"]:
        one["verdict"] = answers if one["name"] == NAME else one["verdict"]
    path.write_text(json.dumps(saved))
    other = champion.model_copy(update={"content": content_digest(Path(champion.folder))})
    loaded = load_for_serving(other)
    assert loaded.is_compiled is compiles
    assert loaded.answer(example) == as_registered.answer(example)


def test_a_version_without_serving_is_served_from_the_events(champion: Pharmacy) -> None:
    parts = dataclasses.replace(connect(champion.settings, clock=CLOCK), registry=champion.registry)
    publish_plan("demand", parts.publishing)
    settings = champion.settings.model_copy(update={"serve_models": "demand"})
    app = serving_app(settings, FixedClock(FIRST))
    with TestClient(app) as client:
        answer = client.post("/v1/models/demand/predict", json={"points": [POINT]})
        assert answer.status_code == 200, answer.text
        assert client.get("/readyz").json()["models"]["demand"]["problem"] is None
    [prediction] = answer.json()["predictions"]
    assert prediction["freshness_s"] == {"dispensing_by_pharmacy_medicine": 0.0}
    assert prediction["prediction"] > 0
