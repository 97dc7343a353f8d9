"""The links from Airflow's pages to MLflow."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest

VIEW = "?workflowType=machine_learning"


@pytest.mark.parametrize(
    ("dag_id", "page"),
    [
        ("retrain__demand", f"http://mlflow.example:5000/#/models/demand{VIEW}"),
        ("backfill__demand", f"http://mlflow.example:5000/#/models/demand.backfill{VIEW}"),
        ("release__price_by_shop", f"http://mlflow.example:5000/#/models/price_by_shop{VIEW}"),
        ("x__../../admin?y", f"http://mlflow.example:5000/#/models/..%2F..%2Fadmin%3Fy{VIEW}"),
        ("somebody_elses_dag", ""),
    ],
)
def test_a_tasks_button_leads_to_its_model(links_file: ModuleType, dag_id: str, page: str) -> None:
    button = links_file.ModelInMLflow()
    task = SimpleNamespace(dag_id=dag_id, task_id="contract", run_id="none")
    assert button.get_link(None, ti_key=task) == page


def test_the_menu_leads_to_all_models(links_file: ModuleType) -> None:
    [entry] = links_file.GauntletLinks.external_views
    assert entry["href"] == f"http://mlflow.example:5000/#/models{VIEW}"
    assert entry["destination"] == "nav"


@pytest.mark.parametrize("address", ["", "sqlite:////somewhere/mlflow.db"])
def test_without_an_address_for_a_browser_there_is_no_link(
    links_file: ModuleType, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delenv("GAUNTLET_MLFLOW_UI")
    monkeypatch.setenv("GAUNTLET_MLFLOW_URI", address)
    assert links_file.mlflow_page() == ""
    assert links_file.model_page(links_file.mlflow_page(), "retrain__demand") == ""
