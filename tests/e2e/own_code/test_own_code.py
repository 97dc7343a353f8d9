"""A model of own code after its first retraining: served over HTTP, backfilled and drilled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import instant_text
from pipelines.faults.catalogue import FAULTS
from pipelines.faults.matrix import Cell
from pipelines.flows.drill.cells import DrillCells
from pipelines.flows.drill.run import DrillCollaborators, DrillRequest, opened
from pipelines.wiring import connect
from tests.support.own_code import own_pharmacy
from tests.support.pharmacy import FIRST, SECOND, Pharmacy
from tests.support.prediction_factory import logged_rows
from tests.support.services.running import ONE_WORKER, check_log, points_of, serving


@pytest.fixture
def pharmacy(tmp_path: Path) -> Pharmacy:
    """Home and store of its own; version 1 is champion."""
    return own_pharmacy().twin(tmp_path)


def test_the_service_answers_with_own_estimator_and_feature(pharmacy: Pharmacy) -> None:
    """The declaration's code has changed since, so the service has to use that of the version."""
    changed = pharmacy.home / "models" / "code" / "spans.py"
    changed.write_text("DAYS = 1.0\n", encoding="utf-8")
    points = points_of(pharmacy)
    with serving(pharmacy, *ONE_WORKER) as service:
        status, answer = service.predict(*points)
        assert status == 200, answer
    given = answer["predictions"]
    assert len(given) == len(points) > 50
    store = LocalStore(Path(pharmacy.store))
    check_log(pharmacy, [one["request_id"] for one in given], store)
    served = {row["request_id"]: json.loads(row["features"]) for row in logged_rows(store)}
    features = pd.DataFrame([served[one["request_id"]] for one in given])
    numbers = features[["sold", "on_hand", "cover"]].astype("float64")
    wanted = 14.0 * numbers["on_hand"] / numbers["sold"].replace(0.0, np.nan)
    np.testing.assert_allclose(numbers["cover"], wanted)
    assert numbers["cover"].notna().mean() > 0.5
    version = connect(pharmacy.settings).retraining.versions.load("demand", "1")
    inputs = features[["medicine"]].astype(object).join(numbers)[list(version.spec.input_names)]
    np.testing.assert_allclose(
        [one["prediction"] for one in given], version.load_pipeline().predict(inputs)
    )


@pytest.mark.proof  # in short: unit/flows/test_backfill.py, dags/test_dag_own_code.py
def test_a_backfill_judges_past_weeks_by_the_own_metric(pharmacy: Pharmacy) -> None:
    span = ("--from", instant_text(FIRST), "--to", instant_text(SECOND), "--every", "7d")
    answer = pharmacy.cli("backfill", "demand", *span, "--from-scratch", "--json")
    assert answer.code == 0, answer.err
    first, second = answer.body["weeks"]
    assert first["outcome"] == "first_version"
    assert second["outcome"] in {"promote", "hold"}
    lineage = answer.body["lineage"]
    entries = connect(pharmacy.settings).ledger.entries("demand", lineage)
    assert [entry.as_of for entry in entries] == [FIRST, SECOND]
    values = [one for one in entries[0].findings if one.name == "recent_window.baseline"]
    assert values[0].unit == "own_error"
    text = pharmacy.cli("explain", "demand", "--lineage", lineage)
    assert text.code == 0, text.err


def test_a_fault_that_no_check_finds_costs_what_fits_of_own_code_lose(
    pharmacy: Pharmacy, tmp_path: Path
) -> None:
    retraining = connect(pharmacy.settings).retraining
    collaborators = DrillCollaborators(tmp_path / "drills", retraining)
    with opened(DrillRequest(model="demand"), collaborators) as context:
        [clipped] = [one for one in FAULTS if one.name == "clipped_values"]
        planter = DrillCells(context, quick=False).planter(clipped)
        much, little = (planter.cell(share) for share in (0.5, 0.01))
    assert isinstance(much, Cell), much
    assert isinstance(little, Cell), little
    assert (much.caught, little.caught) == (True, False)
    assert little.cost, "fits of own code measure it"


@pytest.mark.proof  # in short: the test above, and cli/commands/test_drill.py
def test_a_drill_plants_faults_and_trains_with_own_code(pharmacy: Pharmacy) -> None:
    faults = ("clipped_values", "shifted_labels")
    answer = pharmacy.cli("drill", "demand", "--faults", ",".join(faults), "--json")
    assert answer.code == 0, answer.err
    rows = {row["fault"]: row for row in answer.body["rows"]}
    assert rows.keys() == set(faults)
    assert answer.body["metric"] == "own_error"
    cells = [cell for row in rows.values() for cell in row["cells"]]
    missed = [cell for cell in cells if not cell["caught_by"]]
    assert 0 < len(missed) < len(cells)
    assert all(cell["cost"] for cell in missed), "fits of own code measure it"


def test_the_page_shows_the_search_of_the_own_estimator(pharmacy: Pharmacy) -> None:
    client = MlflowClient(f"sqlite:///{pharmacy.home / 'mlflow.db'}")
    page = client.get_model_version("demand", "1").description
    assert "### Search of parameters (best first)" in page
    assert "ridge\\_\\_alpha = " in page
