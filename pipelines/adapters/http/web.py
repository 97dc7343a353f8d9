"""The HTTP interface of the service: routes, limits, authentication and error responses.

This module is independent of any model. Predictions run in threads, so that concurrent requests
share one wait for the disk of the prediction log.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from pipelines.adapters.http.admission import Admission
from pipelines.adapters.http.boards import board_routes
from pipelines.adapters.http.connection_limits import STATE, ConnectionLimits
from pipelines.adapters.http.failures import UnexpectedErrors
from pipelines.adapters.http.metrics import PrometheusMetrics
from pipelines.adapters.http.rejected import (
    ErrorResponse,
    RejectedRequestError,
    check_token,
    rejected,
)
from pipelines.core.errors import DataError, GauntletError, Unavailable
from pipelines.core.time import instant_text
from pipelines.serving.deployment import Deployment
from pipelines.serving.request import InvalidPointError
from pipelines.serving.service import Answer, ModelService

log = logging.getLogger(__name__)

# The documented responses of rejected requests.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorResponse} for code in (400, 401, 404, 413, 422, 429, 500, 503)
}
LONGEST_INTEGER = 100  # characters; longer numbers are read as a float


@dataclass(frozen=True)
class Limits:
    """Limits of a worker, and the accepted bearer tokens; without tokens, access is open.

    Arguments:
        body_bytes: size of one request.
        rows: points in one request.
        requests: predict requests that are answered or wait.
    """

    body_bytes: int = 1 << 20
    rows: int = 1000
    requests: int = 100
    tokens: tuple[str, ...] = ()
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)


@dataclass(frozen=True)
class ModelEndpoint:
    """The service of one model, and its deployment."""

    service: ModelService
    deployment: Deployment


class PredictRequest(BaseModel):
    """A request with one or more decision points."""

    points: list[dict[str, Any]] = Field(
        description="keys of the entity and attributes of the decision point, by column"
    )


class PredictedPoint(BaseModel):
    """One prediction."""

    request_id: str
    prediction: float
    version: str
    arm: str
    decided_at: str = Field(description="the instant at which features were looked up")
    freshness_s: dict[str, float | None] = Field(
        description="age of each feature view, s; null where the online store had nothing"
    )


class PredictResponse(BaseModel):
    """One prediction for each point, in the order of the request."""

    model: str
    predictions: list[PredictedPoint]


def build_app(
    endpoints: Mapping[str, ModelEndpoint],
    metrics: PrometheusMetrics,
    limits: Limits,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
    boards: Path | None = None,
) -> FastAPI:
    """Build the application that serves some models.

    Arguments:
        endpoints: services and deployments by model name.
        metrics: metrics for ``/metrics``.
        limits: limits of this process.
        around: context that is entered before the first request and left after the last.
        boards: folder of the models' boards; none: there are none.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, ConnectionLimits]]:
        with around():
            yield {STATE: limits.connections}

    app = FastAPI(
        lifespan=lifespan,
        title="Gauntlet",
        description="Predictions of the champion, and of a challenger on trial.",
        exception_handlers={RejectedRequestError: rejected},
    )
    app.add_middleware(UnexpectedErrors)
    admission = Admission(limits.requests)

    @app.post(
        "/v1/models/{model}/predict",
        response_model=PredictResponse,
        responses=PROBLEMS,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": PredictRequest.model_json_schema()}},
            }
        },
    )
    async def predict(model: str, request: Request) -> Response:
        """Predict one or more decision points as of now."""
        try:
            check_token(request, limits.tokens)
            endpoint = _endpoint(endpoints, model)
            body = await _body(request, limits.body_bytes)
            with admission.admitted():
                points, request_id = _points(body, limits.rows), uuid.uuid4().hex
                answers = await to_thread.run_sync(
                    endpoint.service.answer, points, request_id, limiter=admission.threads
                )
        except InvalidPointError as cause:
            metrics.rejected(model, cause.code)
            raise RejectedRequestError(422, **_error_body(cause)) from cause
        except RejectedRequestError as cause:
            metrics.rejected(model if model in endpoints else "", str(cause.problem["error"]))
            raise
        except Unavailable as cause:
            metrics.rejected(model, cause.code)
            raise RejectedRequestError(503, **_error_body(cause)) from cause
        except Exception:
            metrics.rejected(model, "internal")
            raise
        return Response(_response_text(model, answers), media_type="application/json")

    @app.get("/v1/models/{model}", responses=PROBLEMS)
    def described(model: str, request: Request) -> dict[str, Any]:
        """The deployed versions, and the columns that a predict request needs."""
        check_token(request, limits.tokens)
        deployed = _endpoint(endpoints, model).service.deployed
        if deployed is None:
            raise RejectedRequestError(503, "unavailable", "no version is deployed", where=model)
        challenger = deployed.challenger
        return {
            "model": model,
            "champion": deployed.champion.number,
            "challenger": challenger.number if challenger else None,
            "segments": {
                f"{deployed.segment_column} {value}": version.number
                for value, version in deployed.segments.items()
            },
            "columns": {
                name: kind.value for name, kind in deployed.champion.spec.request_columns().items()
            },
            "compiled": deployed.champion.is_compiled,
        }

    def check(model: str, request: Request) -> None:
        check_token(request, limits.tokens)
        _endpoint(endpoints, model)

    app.include_router(board_routes(boards, check, PROBLEMS))

    @app.get("/healthz")
    async def healthy() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", responses={503: {"description": "A model has no version yet"}})
    async def ready(response: Response) -> dict[str, Any]:
        """Whether each model has a deployed version; 503 until then."""
        models = {name: _readiness(endpoint) for name, endpoint in endpoints.items()}
        done = all(one["version"] is not None for one in models.values())
        response.status_code = 200 if done else 503
        return {"ready": done, "models": models}

    @app.get("/metrics", response_class=PlainTextResponse)
    def measured() -> Response:
        """Metrics in the exposition format of Prometheus."""
        content, kind = metrics.exposition()
        return Response(content, media_type=kind)

    return app


def _readiness(endpoint: ModelEndpoint) -> dict[str, Any]:
    deployed, problem = endpoint.service.deployed, endpoint.deployment.problem
    return {
        "version": deployed.champion.number if deployed else None,
        "problem": problem.what if problem else None,
    }


def _endpoint(endpoints: Mapping[str, ModelEndpoint], model: str) -> ModelEndpoint:
    if model not in endpoints:
        raise RejectedRequestError(
            404, "unknown_model", f"there is no model {model!r} here", wanted=f"{sorted(endpoints)}"
        )
    return endpoints[model]


async def _body(request: Request, most: int) -> bytes:
    """Read the body, up to a limit in bytes."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > most:
                raise RejectedRequestError(
                    413, "body_too_large", "the body is too large", wanted=f"at most {most:,} bytes"
                )
    except ClientDisconnect as cause:
        raise RejectedRequestError(
            400, "client_disconnected", "the caller left before the end of it"
        ) from cause
    return bytes(content)


def _points(body: bytes, most: int) -> list[Any]:
    try:
        body_value = json.loads(body, parse_int=_number, object_pairs_hook=_object)
    except (ValueError, RecursionError) as cause:
        raise RejectedRequestError(
            400, "invalid_json", "the body is not valid JSON", got=str(cause)[:200]
        ) from cause
    points = body_value.get("points") if isinstance(body_value, dict) else None
    if not isinstance(points, list) or not points or set(body_value) != {"points"}:
        raise RejectedRequestError(
            422,
            "invalid_request",
            "a request is an object with a list of points",
            wanted='{"points": [{...}, ...]}, at least one',
        )
    if len(points) > most:
        raise RejectedRequestError(
            413,
            "too_many_points",
            "there are too many points in one request",
            got=f"{len(points):,}",
            wanted=f"at most {most:,}",
        )
    return points


def _number(text: str) -> int | float:
    """A JSON number without a fraction. Python refuses to read very long ones as an integer."""
    return int(text) if len(text) <= LONGEST_INTEGER else float(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which each name occurs once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RejectedRequestError(
            422, "invalid_request", "an object has the same name twice", got=repr(twice)[:80]
        )
    return found


def _response_text(model: str, answers: list[Answer]) -> str:
    decided = {instant: instant_text(instant) for instant in {one.decided_at for one in answers}}
    predictions = [
        {
            "request_id": one.request_id,
            "prediction": one.prediction,
            "version": one.version,
            "arm": one.arm.value,
            "decided_at": decided[one.decided_at],
            "freshness_s": one.freshness_s,
        }
        for one in answers
    ]
    return json.dumps({"model": model, "predictions": predictions})


def _error_body(cause: GauntletError) -> dict[str, str]:
    """The error for the caller: full for a mistake in the request, without details otherwise."""
    if isinstance(cause, DataError):
        return cause.as_dict()
    return {"error": cause.code, "what": cause.what}
