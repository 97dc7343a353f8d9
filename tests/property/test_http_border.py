"""Any request is answered as the OpenAPI page declares, and never with 500."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks
from schemathesis.checks import load_all_checks

from pipelines.adapters.http.rejected import ErrorResponse
from pipelines.adapters.http.web import Limits, PredictResponse
from tests.support.services.model import point
from tests.unit.adapters.http.test_web import PATH, caller

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.checks import CheckFunction
    from schemathesis.specs.openapi.schemas import OpenApiSchema
    from starlette.testclient import TestClient

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**310)
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "\x00", "0001-01-01T00:00:00+01:00", "p3"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
COLUMNS = st.sampled_from(["pharmacy", "medicine", "colour", "\ud800", ""]) | st.text()
POINTS = st.dictionaries(COLUMNS, VALUES, max_size=4).map(lambda more: point(3) | more) | VALUES
BODIES = (
    st.binary(max_size=200)
    | VALUES.map(json.dumps).map(str.encode)
    | st.lists(POINTS, max_size=7).map(lambda points: json.dumps({"points": points}).encode())
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
PATHS = st.sampled_from(
    ["/v1/models/demand", PATH, "/v1/models/empty/predict", "/v1/models/%ff/predict", "/healthz"]
) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(
    lambda text: f"/v1/models/{text.replace('#', '')}/predict"
)
load_all_checks()
DOCUMENTED: list[CheckFunction] = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
SOME = settings(max_examples=60, suppress_health_check=[*HealthCheck])
FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    limits = Limits(body_bytes=5000, rows=5)
    with caller(tmp_path_factory.mktemp("journal"), limits, most_rows=10**6) as found:
        yield found


@pytest.fixture(scope="module")
def documented(client: TestClient) -> set[int]:
    page: dict[str, Any] = client.get("/openapi.json").json()
    described = page["paths"]["/v1/models/{model}/predict"]["post"]["responses"]
    return {int(status) for status in described} - {500}


@FEW
@given(body=BODIES)
def test_a_predict_request_is_answered_as_documented(
    client: TestClient, documented: set[int], caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    caplog.clear()
    answer = client.post(PATH, content=body)
    assert answer.status_code in documented, body
    kind = PredictResponse if answer.status_code == 200 else ErrorResponse
    kind.model_validate(answer.json())
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


@FEW
@given(method=METHODS, path=PATHS, body=BODIES)
def test_no_path_or_method_fails(client: TestClient, method: str, path: str, body: bytes) -> None:
    answer = client.request(method, path, content=body)
    assert answer.status_code < 500 or answer.status_code == 503, (method, path, body)


@pytest.fixture(scope="module")
def page(client: TestClient) -> OpenApiSchema:
    found = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    found.app = client.app
    return found


@SOME
@given(data=st.data(), mode=st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
def test_every_operation_answers_as_the_openapi_page_declares(
    page: OpenApiSchema,
    client: TestClient,
    caplog: pytest.LogCaptureFixture,
    data: st.DataObject,
    mode: GenerationMode,
) -> None:
    """Status, kind of content and schema of the answer are on the page."""
    caplog.clear()
    served = page["/v1/models/{model}/predict"]["POST"]
    fixed = served.as_strategy(mode, path_parameters={"model": "demand"})
    case = data.draw(page.as_strategy(mode) | fixed)
    answer = client.request(**case.as_transport_kwargs())
    case.validate_response(answer, checks=DOCUMENTED)
    assert answer.status_code != 500
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]
