"""HTTP: every refusal by its status and name, limits, tokens, and what ``/metrics`` shows."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from pipelines.adapters.http.metrics import PrometheusMetrics
from pipelines.adapters.http.web import Limits, ModelEndpoint, build_app
from pipelines.core.arrays import Floats
from pipelines.core.time import FixedClock
from pipelines.packaging.fast_predict import Row
from pipelines.predictions.journal import Journal
from pipelines.serving.deployment import Deployment
from pipelines.serving.service import ModelService
from pipelines.spec.predictions import Arm
from tests.support.pharmacy import ROOT
from tests.support.prediction_factory import NOON
from tests.support.services.model import (
    RecordingMetrics,
    ServiceHarness,
    constant_model,
    filled_store,
    point,
    version,
)

HEALTH = ("/healthz", "/readyz")
PATH = "/v1/models/demand/predict"
GOOD = {"points": [point(3)]}
Caller = Callable[..., Any]


@contextmanager
def caller(
    tmp_path: Path,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    predict: Callable[[Sequence[Row]], Floats] = constant_model(7),  # noqa: B008
    most_rows: int = 1000,
) -> Iterator[TestClient]:
    with Journal(tmp_path / "demand.db", most_rows=most_rows) as journal:
        service = ModelService(
            "demand",
            store=filled_store(),
            record=journal.append,
            clock=FixedClock(NOON),
            metrics=(
                metrics := PrometheusMetrics(
                    lambda: {"demand": (journal.backlog().rows, 5.0)}, lambda: {"demand": 7.5}
                )
            ),
            run_later=lambda _: True,
        )
        ServiceHarness(service, [], RecordingMetrics(), []).deploy(version("7", predict))
        empty = ModelService(
            "empty",
            store=filled_store(),
            record=journal.append,
            clock=FixedClock(NOON),
            metrics=metrics,
            run_later=lambda _: True,
        )
        endpoints = {
            one.model: ModelEndpoint(one, Deployment(one, tmp_path)) for one in (service, empty)
        }
        app = build_app(endpoints, metrics, limits)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client


def test_an_answer_names_version_time_and_freshness(tmp_path: Path) -> None:
    with caller(tmp_path) as client:
        answer = client.post(PATH, json=GOOD)
    assert answer.status_code == 200
    [answers] = answer.json()["predictions"]
    assert len(answers.pop("request_id")) > 30
    assert answers == {
        "prediction": 7.0,
        "version": "7",
        "arm": "champion",
        "decided_at": "2026-01-05T12:00:00Z",
        "freshness_s": {"dispensing_by_pharmacy_medicine": 3600.0},
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "error", "reported"),
    [
        (PATH, b"{", 400, "invalid_json", ""),
        (PATH, b"\xff", 400, "invalid_json", ""),
        (PATH, b"[" * 100_000, 400, "invalid_json", ""),
        (PATH, b"[]", 422, "invalid_request", ""),
        (PATH, b'{"points": []}', 422, "invalid_request", ""),
        (PATH, b'{"points": [{}], "more": 1}', 422, "invalid_request", ""),
        (PATH, b'{"points": {}}', 422, "invalid_request", ""),
        (PATH, b'{"points": [3]}', 422, "invalid_point", "row 0"),
        (PATH, b'{"points": [{"pharmacy": "p"}]}', 422, "invalid_point", "column medicine"),
        (
            PATH,
            b'{"points": [{"pharmacy": "p", "medicine": NaN}]}',
            422,
            "invalid_point",
            "column medicine",
        ),
        (
            PATH,
            rb'{"points": [{"pharmacy": "p", "medicine": "\ud800"}]}',
            422,
            "invalid_point",
            "column medicine",
        ),
        (PATH, b'{"points": [{"medicine": "m", "medicine": "n"}]}', 422, "invalid_request", ""),
        (PATH, b'{"points": [], "points": []}', 422, "invalid_request", ""),
        (
            PATH,
            b'{"points": [{"pharmacy": "p", "medicine": ' + b"9" * 4400 + b"}]}",
            422,
            "invalid_point",
            "column medicine",
        ),
        (
            PATH,
            b'{"points": [{"pharmacy": "p", "medicine": ' + b"[" * 400 + b"]" * 400 + b"}]}",
            422,
            "invalid_point",
            "column medicine",
        ),
        (PATH, rb'{"points": [{"\ud800": "p"}]}', 422, "invalid_point", "column \ud800"),
        (PATH, json.dumps({"points": [point(1)] * 6}).encode(), 413, "too_many_points", ""),
        (PATH, b'{"points": [' + b" " * 2000 + b"]}", 413, "body_too_large", ""),
        ("/v1/models/other/predict", b"{}", 404, "unknown_model", ""),
        ("/v1/models/empty/predict", json.dumps(GOOD).encode(), 503, "unavailable", ""),
    ],
)
def test_what_is_not_answered_has_a_status_and_a_name(
    tmp_path: Path, path: str, body: bytes, status: int, error: str, reported: str
) -> None:
    with caller(tmp_path, Limits(body_bytes=150_000 if len(body) > 4000 else 1000, rows=5)) as one:
        answer = one.post(path, content=body)
        found = answer.json()
        assert (answer.status_code, found["error"]) == (status, error)
        assert reported in found.get("where", "")
        assert one.post(PATH, json=GOOD).status_code == 200, "the next caller pays for it"


def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    def long() -> Iterator[bytes]:
        for _ in range(1000):
            yield b" " * 100

    with caller(tmp_path, Limits(body_bytes=1000)) as client:
        answer = client.post(PATH, content=long())
        assert "content-length" not in answer.request.headers
    assert (answer.status_code, answer.json()["error"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Basic one", "one", "Bearer", "Bearer \u00fc"]
)
def test_a_request_without_a_token_is_not_answered(tmp_path: Path, header: str | None) -> None:
    headers = {"Authorization": header.encode()} if header else {}
    with caller(tmp_path, Limits(tokens=("one", "two"))) as client:
        for send in (
            lambda: client.post(PATH, json=GOOD, headers=headers),
            lambda: client.get("/v1/models/demand", headers=headers),
        ):
            answer = send()
            assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
        for token in ("one", "two"):
            known = {"Authorization": f"bearer {token}"}
            assert client.post(PATH, json=GOOD, headers=known).status_code == 200
        assert client.get("/healthz").status_code == 200, "probes have no token"
        page = client.get("/metrics").text
    assert 'gauntlet_rejected_total{model="demand",reason="unauthorized"} 1.0' in page


def test_a_fault_of_ours_shows_a_caller_nothing(tmp_path: Path) -> None:
    def breaks(rows: Sequence[Row]) -> Floats:
        raise ZeroDivisionError("the password is hunter2")

    with caller(tmp_path, predict=breaks) as client:
        answer = client.post(PATH, json=GOOD)
        page = client.get("/metrics").text
    assert answer.status_code == 500
    assert 'gauntlet_rejected_total{model="demand",reason="internal"} 1.0' in page
    failed = 'gauntlet_failures_total{arm="champion",model="demand",version="7"} 1.0'
    assert failed in page, "a model raises whatever it likes"
    assert answer.json() == {
        "error": "internal",
        "what": "the service failed; its log says why",
    }


def test_a_full_journal_is_503_and_reports_when_to_come_again(tmp_path: Path) -> None:
    with caller(tmp_path, most_rows=1) as client:
        assert client.post(PATH, json=GOOD).status_code == 200
        answer = client.post(PATH, json=GOOD)
        page = client.get("/metrics").text
    assert (answer.status_code, answer.json()["error"]) == (503, "journal_full")
    assert answer.headers["retry-after"] == "1"
    assert str(tmp_path) not in answer.text, "where our files are is not the caller's affair"
    assert 'gauntlet_rejected_total{model="demand",reason="journal_full"} 1.0' in page


def test_a_full_queue_is_429_and_reports_when_to_come_again(tmp_path: Path) -> None:
    working, may_end = threading.Event(), threading.Event()

    def waits(rows: Sequence[Row]) -> Floats:
        working.set()
        assert may_end.wait(60)
        return constant_model(7)(rows)

    with caller(tmp_path, Limits(requests=1), waits) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, PATH, json=GOOD)
        assert working.wait(60)
        one_more = client.post(PATH, json=GOOD)
        alive = client.get("/healthz").status_code
        may_end.set()
        assert first.result().status_code == 200
        refused = client.post(PATH, content=b"{").status_code
        later = client.post(PATH, json=GOOD).status_code
        page = client.get("/metrics").text
    assert (one_more.status_code, one_more.json()["error"]) == (429, "too_many_requests")
    assert one_more.headers["retry-after"] == "1"
    assert (alive, refused, later) == (200, 400, 200), "a place that is not given back"
    assert 'gauntlet_rejected_total{model="demand",reason="too_many_requests"} 1.0' in page
    assert 'gauntlet_log_rows{model="demand"} 2.0' in page, "only answers are logged"


def test_a_worker_with_all_threads_at_work_answers_other_requests(tmp_path: Path) -> None:
    working, may_end = threading.Semaphore(0), threading.Event()

    def waits(rows: Sequence[Row]) -> Floats:
        working.release()
        assert may_end.wait(120)
        return constant_model(7)(rows)

    with caller(tmp_path, predict=waits) as client, ThreadPoolExecutor(64) as pool:
        paths = (*HEALTH, "/v1/models/demand")
        before = [client.get(path).json() for path in paths]
        requests = [pool.submit(client.post, PATH, json=GOOD) for _ in range(60)]
        try:
            assert all(working.acquire(timeout=60) for _ in range(40)), "a worker has 40 threads"
            during = [pool.submit(client.get, path) for path in paths]
            metrics = pool.submit(client.get, "/metrics")
            assert [one.result(timeout=60).json() for one in during] == before
            assert "gauntlet_log_rows" in metrics.result(timeout=60).text
        finally:
            may_end.set()
        assert {one.result().status_code for one in requests} == {200}


def test_ready_means_a_version_for_every_model(tmp_path: Path) -> None:
    with caller(tmp_path) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["models"]["demand"]["version"] == "7"
    assert answer.json()["models"]["empty"]["version"] is None


def test_metrics_count_answers_refusals_and_what_waits(tmp_path: Path) -> None:
    with caller(tmp_path) as client:
        client.post(PATH, json={"points": [point(1), point(2)]})
        client.post(PATH, content=b"{")
        page = client.get("/metrics").text
    reported = 'arm="champion",model="demand",version="7"'
    assert f"gauntlet_predictions_total{{{reported}}} 2.0" in page
    assert f"gauntlet_request_seconds_count{{{reported}}} 1.0" in page
    assert 'gauntlet_rejected_total{model="demand",reason="invalid_json"} 1.0' in page
    assert 'gauntlet_log_rows{model="demand"} 2.0' in page
    assert 'gauntlet_log_lag_seconds{model="demand"} 5.0' in page
    assert 'gauntlet_plan_stale_seconds{model="demand"} 7.5' in page


def test_the_openapi_page_describes_question_answer_and_problem(tmp_path: Path) -> None:
    with caller(tmp_path) as client:
        described = client.get("/openapi.json").json()
        assert client.get("/docs").status_code == 200
    requested = described["paths"]["/v1/models/{model}/predict"]["post"]
    question = requested["requestBody"]["content"]["application/json"]["schema"]
    assert set(question["properties"]) == {"points"}
    assert {"200", "400", "401", "404", "413", "422", "429", "503"} <= set(requested["responses"])
    assert {"PredictResponse", "ErrorResponse"} <= set(described["components"]["schemas"])


def test_a_model_describes_its_request(tmp_path: Path) -> None:
    with caller(tmp_path) as client:
        reported = client.get("/v1/models/demand").json()
    assert reported["columns"] == {"pharmacy": "string", "medicine": "string"}
    assert (reported["champion"], reported["challenger"]) == ("7", None)


WORKER = """
import sys
from pipelines.adapters.http.metrics import PrometheusMetrics
from pipelines.spec.predictions import Arm
metrics = PrometheusMetrics(lambda: {"demand": (3, 5.0)}, lambda: {"demand": 7.5})
metrics.answered("demand", "7", Arm.CHAMPION, 0.001, int(sys.argv[1]))
metrics.exposition()
if len(sys.argv) > 2:
    print(metrics.exposition()[0].decode())
"""


def test_metrics_are_those_of_all_workers_the_dead_among_them(tmp_path: Path) -> None:
    def worker(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(WORKER), *arguments],
            env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    worker("30")
    page = worker("12", "tell")
    reported = 'arm="champion",model="demand",version="7"'
    assert f"gauntlet_predictions_total{{{reported}}} 42.0" in page
    families = [family.name for family in text_string_to_metric_families(page)]
    assert len(families) == len(set(families)), "no valid page: a family stands in it twice"
    assert 'gauntlet_log_lag_seconds{model="demand"} 5.0' in page
    assert "pid=" not in page, "the last values of a dead worker would stay for ever"


def test_the_log_reports_once_why_a_version_fails(caplog: pytest.LogCaptureFixture) -> None:
    metrics = PrometheusMetrics(dict, dict)
    for cause in (ValueError("no leaf"), ValueError("no leaf"), LookupError("no branch")):
        metrics.failed("demand", "8", Arm.CHALLENGER, cause)
    assert [str(reported.exc_info[1]) for reported in caplog.records if reported.exc_info] == [
        "no leaf",
        "no branch",
    ], "the alert on gauntlet_failures_total points there; a failure a request is no page"


def test_a_failing_request_is_one_line_and_its_traceback_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(rows: Sequence[Row]) -> Floats:
        raise ZeroDivisionError("the password is hunter2")

    with caller(tmp_path, predict=breaks) as client:
        for _ in range(3):
            assert client.post(PATH, json=GOOD).status_code == 500
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 3
    assert [record.exc_info is not None for record in errors] == [True, False, False]
    assert all("ZeroDivisionError" in record.getMessage() for record in errors)
