"""What a rollout's metrics may be called, and the errors of a wrong declaration."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.spec.live_metrics import live_metrics
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import RICH, declaration
from tests.support.rollout_factory import ROLLOUT


def declared(change: Any) -> ModelSpec:
    rollout = copy.deepcopy(ROLLOUT)
    change(rollout)
    return ModelSpec.model_validate(declaration(RICH, rollout=rollout))


def test_a_model_has_its_losses_the_logs_metrics_and_its_own_measures() -> None:
    spec = declared(lambda _: None)
    assert spec.rollout is not None
    assert live_metrics(spec, spec.rollout.measures) == (
        "absolute_error",
        "squared_error",
        "error_share",
        "latency_ms",
        "packs_a_sale",
    )


def test_a_percentage_error_is_a_live_metric_where_it_is_declared() -> None:
    whole = declaration(RICH, rollout=ROLLOUT, guardrails=[{"name": "mape", "margin": 0.1}])
    assert "mape" in live_metrics(ModelSpec.model_validate(whole), {})
    rooted = declaration(RICH, rollout=ROLLOUT, guardrails=[{"name": "rmse", "margin": 0.1}])
    assert "rmse" not in live_metrics(ModelSpec.model_validate(rooted), {}), "not a mean of rows"


def _of(column: str, **more: str) -> dict[str, Any]:
    return {"column": column, "values": ["north"], "margin": 1.0, **more}


WRONG = {
    "no live metric": lambda r: r["canary"]["outcome"].update(name="revenue"),
    "several rows": lambda r: r["canary"]["outcome"].update(ratio=False),
    "less of absolute_error is better": lambda r: r["canary"]["outcome"].update(
        name="absolute_error"
    ),
    "canary.covariates": lambda r: r["canary"].update(covariates=["weather"]),
    "'till' is not declared": lambda r: r["measures"]["packs_a_sale"].update(stream="till"),
    r"has no column \['packs'\]": lambda r: r["measures"]["packs_a_sale"].update(column="packs"),
    "'region' is no number": lambda r: r["measures"]["packs_a_sale"].update(column="region"),
    "one column for each key": lambda r: r["measures"]["packs_a_sale"].update(by=["pharmacy"]),
    "count takes none": lambda r: r["measures"]["packs_a_sale"].update(aggregate="count"),
    r"has no column \['weather'\]": lambda r: r["canary"].update(segments=[_of("weather")]),
    "segments.kind: stream 'till'": lambda r: r["canary"].update(
        segments=[_of("kind", stream="till")]
    ),
    "'quantity' is a float": lambda r: r["canary"].update(segments=[_of("quantity")]),
    r"has no column \['kind'\]": lambda r: r["canary"].update(
        segments=[_of("kind", stream="stock")]
    ),
    "needs a key of the point": lambda r: r["canary"].update(
        segments=[_of("kind")], promote="segments"
    ),
    "by one column: an entity": lambda r: r["canary"].update(
        segments=[_of("medicine"), _of("pharmacy")], promote="segments"
    ),
    "name is taken": lambda r: r["measures"].update(
        absolute_error={"stream": "dispensing", "aggregate": "count"}
    ),
}


@pytest.mark.parametrize("reported", WRONG)
def test_a_mistake_is_named(reported: str) -> None:
    with pytest.raises(ValidationError, match=reported):
        declared(WRONG[reported])


def test_pinball_is_there_only_where_a_quantile_is() -> None:
    outcome = {"name": "pinball", "minimum_effect": 0.1, "ratio": True}
    with pytest.raises(ValidationError, match="no live metric 'pinball'"):
        declared(lambda r: r["canary"].update(outcome=outcome))
    rollout = copy.deepcopy(ROLLOUT)
    rollout["canary"]["outcome"] = outcome
    metric = {"name": "pinball", "quantile": 0.9, "minimum_effect": 0.5}
    assert ModelSpec.model_validate(declaration(RICH, rollout=rollout, metric=metric)).rollout
