"""The links from Airflow's pages to MLflow."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.mark.parametrize(
    ("dag_id", "page"),
    [
        ("retrain__demand", "http://mlflow.example:5000/#/models/demand"),
        ("release__price_by_shop", "http://mlflow.example:5000/#/models/price_by_shop"),
        ("somebody_elses_dag", "http://mlflow.example:5000/#/models"),
        ("x__../../admin?y", "http://mlflow.example:5000/#/models/..%2F..%2Fadmin%3Fy"),
    ],
)
def test_a_dags_tab_leads_to_its_model(links_file: ModuleType, dag_id: str, page: str) -> None:
    assert links_file.model_page(links_file.mlflow_page(), dag_id) == page


def test_the_redirect_answers(links_file: ModuleType) -> None:
    from fastapi.testclient import TestClient

    client = TestClient(links_file.redirects("http://mlflow.example"), follow_redirects=False)
    answer = client.get("/models/retrain__demand")
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://mlflow.example/#/models/demand"


def test_airflow_takes_the_plugin(links_file: ModuleType) -> None:
    plugin = links_file.GauntletLinks
    assert [view["destination"] for view in plugin.external_views] == ["nav", "dag"]
    assert plugin.external_views[1]["href"].startswith(plugin.fastapi_apps[0]["url_prefix"])


@pytest.mark.parametrize("address", ["", "sqlite:////somewhere/mlflow.db"])
def test_without_an_address_for_a_browser_there_is_no_link(
    links_file: ModuleType, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.delenv("GAUNTLET_MLFLOW_UI")
    monkeypatch.setenv("GAUNTLET_MLFLOW_URI", address)
    assert links_file.mlflow_page() == ""
