"""Clients that request a night's forecasts: one suite for pharmacies over HTTP and for a batch."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.arrays import Floats
from pipelines.core.time import parse_instant
from pipelines.flows.serving.batch_score import score_status
from pipelines.simulation.people.forecast_clients import (
    SHIPPED_AT,
    OpenForecastClient,
    SettableClock,
    batch_client,
    http_clients,
)
from pipelines.simulation.world import World
from pipelines.wiring import connect, service_here
from tests.support.pharmacy import SCALE, SECOND, SEED, Pharmacy
from tests.support.prediction_factory import logged_rows

NIGHT = SECOND.date()
ASKERS = ("over_http", "in_batch")


@pytest.fixture
def pharmacy(answering: Pharmacy, tmp_path: Path) -> Pharmacy:
    """The answering pharmacy, with a store of its own."""
    return answering.twin(tmp_path)


def night(pharmacy: Pharmacy, how: str) -> tuple[Floats, World, SettableClock]:
    world, clock = World(SCALE, SEED), SettableClock(SECOND)
    settings = pharmacy.settings.model_copy(update={"serve_models": "demand"})
    over: OpenForecastClient = http_clients(partial(service_here, settings, clock))
    clients = {"over_http": over, "in_batch": batch_client}[how]
    parts = connect(pharmacy.settings, clock=clock)
    with clients(world, "demand", parts.simulation, clock) as asker:
        answers = asker.forecast(NIGHT)
    return answers, world, clock


@pytest.mark.parametrize("how", ASKERS)
def test_every_pair_that_sells_has_a_forecast_and_every_forecast_is_in_the_log(
    pharmacy: Pharmacy, how: str
) -> None:
    answers, world, clock = night(pharmacy, how)
    people = world.population
    assert answers.shape == (len(people.pharmacies), len(people.medicines))
    assert clock.now() == SECOND + SHIPPED_AT
    sells = world.prescriptions(NIGHT) > 0
    assert not np.isnan(answers[sells]).any()
    rows = logged_rows(LocalStore(Path(pharmacy.store)))
    assert len(rows) == np.isfinite(answers).sum() > 50, (
        "one answer for each forecast, and no other"
    )
    for row in rows:
        entity = json.loads(row["entity"])
        place = (
            people.pharmacies.index(entity["pharmacy"]),
            people.medicines.index(entity["medicine"]),
        )
        assert answers[place] == row["prediction"], entity
        assert SECOND <= parse_instant(row["decided_at"].isoformat()) <= SECOND + SHIPPED_AT


def test_a_batch_orders_what_pharmacies_would_have_been_answered(
    pharmacy: Pharmacy, tmp_path: Path
) -> None:
    """Requests come half an hour later, so that a sale of the last hour may lie between them."""
    other = pharmacy.copy(tmp_path / "other")
    answered, _, _ = night(pharmacy, "over_http")
    scored, _, clock = night(other, "in_batch")
    both = np.isfinite(answered) & np.isfinite(scored)
    assert both.sum() > 50
    assert (answered[both] == scored[both]).mean() > 0.9
    assert np.corrcoef(answered[both], scored[both])[0, 1] > 0.99
    parts = connect(other.settings, clock=clock)
    spec = parts.load_spec("demand")
    assert not score_status(spec, parts.open_store(spec), clock.now()).stale
