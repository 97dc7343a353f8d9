"""Scenarios of live traffic, run in a folder."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.connections import Connections
from pipelines.settings import Settings
from pipelines.simulation.demo.rollout_demo import (
    Declarations,
    OnReport,
    ScenarioResult,
    run_scenario,
)
from pipelines.simulation.demo.scenarios import RolloutScenario
from pipelines.simulation.people.forecast_clients import SettableClock, batch_client, http_clients
from pipelines.wiring import connect, service_here
from tests.support.pharmacy import ROOT


def run_in_folder(
    story: RolloutScenario,
    folder: Path,
    on_report: OnReport = lambda _: None,
    *,
    batch: bool = False,
) -> tuple[ScenarioResult, Connections]:
    """A story to its end, on files and SQLite; and the collaborators that were in it.

    Arguments:
        batch: forecasts are scored every night; else pharmacies ask for them over HTTP.
    """
    settings = Settings(home=folder).apart(story.model)
    declarations = Declarations(
        settings.home, ROOT / "models" / "demand.yaml", ROOT / "expectations" / "demand.json"
    )
    clock = SettableClock(story.champion.trained_at)
    parts = dataclasses.replace(
        connect(settings, clock=clock), registry=FolderRegistry(settings.home / "registry")
    )
    clients = batch_client if batch else http_clients(partial(service_here, settings, clock))
    return run_scenario(story, declarations, parts.simulation, clock, clients, on_report), parts
