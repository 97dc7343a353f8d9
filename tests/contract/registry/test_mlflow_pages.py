"""Pages of monitoring reports and of retrainings in MLflow: one run for each key."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.artifacts import list_artifacts

from pipelines.adapters.lock.file import FileLock
from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.adapters.registry.mlflow_pages import MlflowPages
from pipelines.core.run_page import PagePart, RunPage
from pipelines.core.time import FixedClock
from pipelines.flows.fill_report import fill_section, publish_report
from pipelines.flows.lineages.publish import publish_comparison
from pipelines.monitoring.report import Cause
from pipelines.release.lineage_comparison.comparison import LineageComparison
from pipelines.reporting.monitor_page import champion_chart, report_page
from pipelines.reporting.retraining.later_sections import LaterSection, empty_section
from pipelines.reporting.retraining.sections import REPORT
from tests.support.monitor_reports import MONDAY, alarm, measured_report

DAY = timedelta(days=1)


def test_an_instant_has_one_run_below_the_champions_own(
    database: str, pack: Callable, registration: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = registration("r1", "watched")
    version = MlflowRegistry(database).register(given, pack("regression").folder)
    report = measured_report(alarm(Cause.FEED)).model_copy(update={"model": "watched"})
    page = replace(report_page(report), version=version.version)
    pages = MlflowPages(database, "http://mlflow.example/")
    with monkeypatch.context() as killed:
        killed.setattr(mlflow.MlflowClient, "set_terminated", _fail)
        with pytest.raises(KeyboardInterrupt):
            pages.publish(page)
    address = pages.publish(page)
    assert pages.publish(page) == address, "a repeated run makes no second page"
    for _ in range(2):  # repeatable
        pages.continue_charts("watched", version.version, champion_chart(report))
    pages.continue_charts("watched", "99", champion_chart(report))

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("watched").experiment_id
    trained, watched = sorted(
        client.search_runs([experiment]), key=lambda run: "gauntlet.monitored" in run.data.tags
    )
    run = watched.info.run_id
    assert (
        address
        == f"http://mlflow.example/#/experiments/{experiment}/runs/{run}?workflowType=machine_learning"
    )
    assert watched.info.run_name == "2025-04-07 monitor v3: broken data"
    assert (watched.info.status, watched.info.start_time) == ("FINISHED", _ms())
    assert watched.data.tags["mlflow.parentRunId"] == trained.info.run_id
    note = watched.data.tags["mlflow.note.content"]
    assert "Action: fix the feed" in note
    assert f"(/get-artifact?path=drift.png&run_uuid={run})" in note
    weekly = client.get_metric_history(run, "performance/absolute_error")
    assert [(one.step, one.value) for one in weekly] == [(0, 20.0), (1, 22.0), (2, 24.0), (3, 26.0)]
    assert {Path(one.path).name for one in list_artifacts(run_id=run)} == {
        *("drift.png", "performance.png", "training_range.png", "report.json", "report.txt")
    }

    over_time = client.get_metric_history(trained.info.run_id, "champion/absolute_error")
    first, second = sorted((one.step, one.value) for one in over_time)
    assert (first[1], second[1]) == (22.0, 24.0), "matured weeks, without the held-out one"
    assert second[0] - first[0] == DAY * 7 // DAY

    pages.publish(replace(page, content="other settings of monitoring"))
    assert len(client.search_runs([experiment])) == 2, "other content replaces the page"


def _fail(*_: object) -> None:
    raise KeyboardInterrupt("as if killed")


def _ms() -> int:
    return int(MONDAY.timestamp() * 1000)


def _page(model: str, run: str, **changes: Any) -> RunPage:
    """The page of a retraining that was decided."""
    page = RunPage(
        model=model,
        lineage="live",
        key=("gauntlet.run", run),
        content="decided",
        title="2026-01-05 held",
        text="",
        tags={},
        metrics={},
        files={},
    )
    return replace(page, **changes)


def test_a_retraining_has_its_run_completed_after_a_kill_with_parts_tables_and_links(
    server: str, pack: Callable, registration: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, pages = MlflowRegistry(server), MlflowPages(server, "http://mlflow.example")
    version = registry.register(registration("r7", "shown"), pack("regression").folder)
    table = {"columns": ["part", "gain"], "data": [["overall", 1.5], ["day", 1.25]]}
    page = _page(
        "shown",
        "r7",
        title="2026-01-05 promoted v1",
        text="✔ Promoted\n\n[Full report](run_files/report.html)",
        tags={"outcome": "promoted", "mlflow.user": "ada"},
        parameters={"estimator": "trees"},
        metrics={"day_gain/absolute_error": [(MONDAY, 1.0), (MONDAY + DAY, 1.5)]},
        files={"report.html": b"<html></html>", "evaluation.json": json.dumps(table).encode()},
        tables=("evaluation.json",),
        parts=(PagePart("candidate", {}, {"gain": 1.0}), PagePart("seed 2", {}, {"gain": 2.0})),
        started=MONDAY,
    )
    with monkeypatch.context() as killed:
        killed.setattr(mlflow.MlflowClient, "set_terminated", _fail)
        with pytest.raises(KeyboardInterrupt):
            pages.publish(page)
    address = pages.publish(page)
    assert pages.publish(page) == address

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("shown")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    found = client.search_runs([experiment.experiment_id])
    (run,) = (one for one in found if "mlflow.parentRunId" not in one.data.tags)
    assert run.info.run_id == client.get_model_version("shown", version.version).run_id
    assert (run.info.run_name, run.data.tags["mlflow.user"]) == (page.title, "ada")
    assert {one.info.run_name for one in found if one is not run} == {"candidate", "seed 2"}
    assert {one.info.status for one in found} == {"FINISHED"}
    link = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/report.html"
    assert link in run.data.tags["mlflow.note.content"]
    assert address.endswith("?workflowType=machine_learning")
    loaded = client.load_table(run.info.experiment_id, "evaluation.json", run_ids=[run.info.run_id])
    assert loaded["gain"].tolist() == [1.5, 1.25]
    schema = json.loads(run.inputs.dataset_inputs[0].dataset.schema)
    assert [one["name"] for one in schema["mlflow_colspec"]] == ["size", "kind"]

    charts = pages.charts("shown", version.version, "day_gain/")
    assert charts == {"day_gain/absolute_error": [(MONDAY, 1.0), (MONDAY + DAY, 1.5)]}
    for _ in range(2):  # repeatable
        pages.change_file("shown", version.version, "report.html", lambda _: "<html>✔</html>")
    reports: list[str] = []

    def kept(text: str) -> str:
        reports.append(text)
        return text

    for number, file in ((version.version, "report.html"), (version.version, "no"), ("99", "no")):
        pages.change_file("shown", number, file, kept)
    assert reports == ["<html>✔</html>"]
    assert pages.charts("shown", "99", "") == {}

    registry.describe("shown", version.version, page.text)
    assert link in registry.described("shown", version.version)
    registry.describe_model("shown", "Champion: version 1")
    assert client.get_registered_model("shown").description == "Champion: version 1"
    updated = replace(page, content="approved", title="2026-01-05 promoted v1, approved")
    report = client.create_run(
        experiment.experiment_id, tags={"mlflow.parentRunId": run.info.run_id}, run_name="report"
    )
    assert pages.publish(updated) == address, "the run of a version is kept"
    found = client.search_runs([experiment.experiment_id])
    assert report.info.run_id in {one.info.run_id for one in found}, (
        "a report that another process is publishing is no part of the page"
    )
    registry.remove(version)
    assert client.search_runs([experiment.experiment_id]) == []
    registry.remove(version)  # repeatable


def test_a_repeated_publication_keeps_the_sections_that_later_steps_filled(
    database: str,
    pack: Callable,
    registration: Callable,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A release goes on from the ledger while the page of the decision is not complete."""
    version = MlflowRegistry(database).register(
        registration("r9", "filled"), pack("regression").folder
    )
    pages = MlflowPages(database, "")
    lock = partial(FileLock(tmp_path, FixedClock(MONDAY)).hold, process="test")
    sections = "".join(map(empty_section, LaterSection)).encode()
    page = _page("filled", "r9", title="2026-01-05 challenger v1", files={REPORT: sections})
    with monkeypatch.context() as killed:
        killed.setattr(mlflow.MlflowClient, "set_terminated", _fail)
        with pytest.raises(KeyboardInterrupt):
            publish_report(page, version.version, pages, lock)
    fill_section("filled", version.version, LaterSection.ROLLOUT, "canary", pages, lock)
    publish_report(page, version.version, pages, lock)
    report = pages.text_file("filled", version.version, REPORT)
    assert report == '<section id="rollout">canary</section><section id="drill"></section>'
    run = mlflow.MlflowClient().get_model_version("filled", version.version).run_id
    (tmp_path / REPORT).write_bytes(report.partition("</section>")[0].encode() + "✔".encode()[:1])
    mlflow.MlflowClient().log_artifact(run, str(tmp_path / REPORT))
    publish_report(replace(page, content="approved"), version.version, pages, lock)
    assert pages.text_file("filled", version.version, REPORT) == page.files[REPORT].decode()
    assert pages.text_file("filled", version.version, "none.html") == ""
    assert pages.text_file("filled", "99", REPORT) == ""


def test_a_page_has_no_user_where_the_process_has_no_account(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container that runs as a user id without a line in ``/etc/passwd``."""

    def no_account() -> str:
        raise KeyError("getpwuid(): uid not found: 50123")

    monkeypatch.setattr(getpass, "getuser", no_account)
    MlflowPages(database, "").publish(_page("accounts", "r8", text="held"))
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("accounts").experiment_id])
    assert run.info.status == "FINISHED"
    assert "mlflow.user" not in run.data.tags


def test_a_comparison_is_published_once_and_linked_from_the_versions_of_backfills(
    database: str, pack: Callable, registration: Callable
) -> None:
    registry, pages = MlflowRegistry(database), MlflowPages(database, "http://mlflow.example/")
    compared = LineageComparison(model="compared", first="live", second="past", weeks=())
    registry.register(registration("r1", "compared", lineage="past"), pack("regression").folder)
    address = publish_comparison(compared, pages, registry)
    assert publish_comparison(compared, pages, registry) == address
    client = mlflow.MlflowClient()
    about = client.get_registered_model("compared.backfill").description
    assert about.splitlines()[1:] == [f"- [live and past]({address})"]
    run = address.partition("/runs/")[2].partition("?")[0]
    assert {Path(one.path).name for one in list_artifacts(run_id=run)} == {
        "comparison.html",
        "comparison.json",
    }
