"""Scenarios of live traffic, run in a folder."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.flows.collaborators import Parts
from pipelines.settings import Settings
from pipelines.simulation.demo.rollout_demo import Declarations, Tell, Told, tell_live
from pipelines.simulation.demo.scenarios import LiveStory
from pipelines.simulation.people.forecast_clients import MovingClock, in_batch, over_http
from pipelines.wiring import connect, service_here
from tests.support.pharmacy import ROOT


def run_scenario(
    story: LiveStory, folder: Path, tell: Tell = lambda _: None, *, batch: bool = False
) -> tuple[Told, Parts]:
    """A story to its end, on files and SQLite; and the collaborators that were in it.

    Arguments:
        batch: forecasts are scored every night; else pharmacies ask for them over HTTP.
    """
    settings = Settings(home=folder).apart(story.model)
    declarations = Declarations(
        settings.home, ROOT / "models" / "demand.yaml", ROOT / "expectations" / "demand.json"
    )
    clock = MovingClock(story.made)
    parts = dataclasses.replace(
        connect(settings, clock=clock), registry=FolderRegistry(settings.home / "registry")
    )
    asking = in_batch if batch else over_http(partial(service_here, settings, clock))
    return tell_live(story, declarations, parts, clock, asking, tell), parts
