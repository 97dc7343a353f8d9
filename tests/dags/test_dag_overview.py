"""The page in Airflow: for those who are logged in, one row a model, and nothing to change."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipelines.core.time import instant_text
from tests.dags.conftest import ROOT, dags, load, store_dag

USER = "reader"


class Manager:
    """The user of Airflow's auth manager, and what this user may read."""

    async def get_user_from_token(self, token: str) -> str:
        from jwt import InvalidTokenError

        if token != USER:
            raise InvalidTokenError
        return token

    def get_authorized_dag_ids(self, *, user: str, method: str) -> set[str]:
        assert (user, method) == (USER, "GET")
        return {"retrain__demand"}


@pytest.fixture
def overview_file(
    airflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The plugin, with a home that declares two models, of which one may be read."""
    from airflow.api_fastapi import app
    from airflow.api_fastapi.core_api import security

    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(ROOT / "models" / "demand.yaml", models)
    text = (ROOT / "models" / "demand.yaml").read_text(encoding="utf-8")
    (models / "secret.yaml").write_text(text.replace("name: demand", "name: secret", 1))
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GAUNTLET_MODELS", str(models))
    monkeypatch.setattr(app, "get_auth_manager", Manager)
    monkeypatch.setattr(security, "get_auth_manager", Manager)
    from airflow.utils.session import create_session

    with create_session() as session:
        for dag in dags("retrain", models).values():
            store_dag(dag, session)
    return load(ROOT / "plugins" / "gauntlet_overview.py")


def client(overview_file: ModuleType) -> Any:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    server = FastAPI()
    (mounted,) = overview_file.GauntletOverview.fastapi_apps
    server.mount(mounted["url_prefix"], mounted["app"])
    return TestClient(server)


def test_the_page_needs_a_login(overview_file: ModuleType) -> None:
    browser = client(overview_file)
    assert browser.get("/gauntlet/").status_code == 401
    assert browser.get("/gauntlet/", cookies={"_token": "forged"}).status_code == 403
    assert browser.post("/gauntlet/", cookies={"_token": USER}).status_code == 405


def test_a_dag_that_no_file_has_any_more_is_left_out(overview_file: ModuleType) -> None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import update

    assert "retrain__demand" in overview_file._dags(["demand"])
    with create_session() as session:
        session.execute(update(DagModel).values(is_stale=True))
    assert overview_file._dags(["demand"]) == {}


def test_a_reader_sees_the_models_whose_dags_they_may_read(overview_file: ModuleType) -> None:
    answer = client(overview_file).get("/gauntlet/", cookies={"_token": USER})
    assert answer.status_code == 200
    assert '/dags/retrain__demand" target="_top">demand</a>' in answer.text
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text


def test_the_run_of_the_last_decision_is_found_among_all_events(overview_file: ModuleType) -> None:
    """Neither an earlier decision, nor a dry run, nor another model's event takes its place."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    as_of = datetime(2026, 1, 12, 6, 0, 0, 250000, tzinfo=UTC)
    with create_session() as session:
        ids = {}
        for model in ("demand", "secret"):
            uri = f"gauntlet://{model}/decision"
            asset_id = select(AssetModel.id).where(AssetModel.uri == uri)
            ids[model] = session.scalar(asset_id)
            if ids[model] is None:
                row = AssetModel(name=f"{model}.decision", uri=uri, group="gauntlet")
                session.add(row)
                session.flush()
                ids[model] = row.id
        for model, run, at, dry_run in (
            ("demand", "earlier", as_of - timedelta(days=7), False),
            ("demand", "wanted", as_of, False),
            ("demand", "dry", as_of, True),
            ("secret", "other", as_of, False),
        ):
            extra = {"as_of": instant_text(at), "dry_run": dry_run}
            source = {"source_dag_id": f"retrain__{model}", "source_run_id": run}
            session.add(AssetEvent(asset_id=ids[model], extra=extra, **source))
    found = overview_file._deciding_runs({"demand": as_of, "unknown": as_of})
    assert found == {("demand", as_of): ("retrain__demand", "wanted")}
    assert overview_file._deciding_runs({}) == {}
