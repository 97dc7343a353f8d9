"""Stories of live traffic, told in a folder."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from pipelines.adapters.registry_folder import FolderRegistry
from pipelines.flows.run import Parts
from pipelines.settings import Settings
from pipelines.simulation.live_stories import LiveStory
from pipelines.simulation.live_story import Declarations, Tell, Told, tell_live
from pipelines.simulation.living import MovingClock
from pipelines.wiring import connect, service_here
from tests.pharmacy import ROOT


def told(story: LiveStory, folder: Path, tell: Tell = lambda _: None) -> tuple[Told, Parts]:
    """A story to its end, on files and SQLite; and the collaborators that were in it."""
    settings = Settings(home=folder).apart(story.model)
    declarations = Declarations(
        settings.home, ROOT / "models" / "demand.yaml", ROOT / "expectations" / "demand.json"
    )
    clock = MovingClock(story.made)
    parts = dataclasses.replace(
        connect(settings, clock=clock), registry=FolderRegistry(settings.home / "registry")
    )
    service = partial(service_here, settings, clock)
    return tell_live(story, declarations, parts, clock, service, tell), parts
