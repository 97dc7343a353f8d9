"""Stories of live traffic, told in a folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pipelines.settings import Settings
from pipelines.simulation.live_stories import LiveStory
from pipelines.simulation.live_story import Declarations, Told, settled, tell_live
from pipelines.simulation.living import MovingClock
from pipelines.wiring import connect, service_here
from tests.pharmacy import ROOT


def told(story: LiveStory, folder: Path) -> tuple[Told, Settings]:
    """A story to its end, on files and SQLite; and the settings of its home."""
    declarations = Declarations(
        folder / "live", ROOT / "models" / "demand.yaml", ROOT / "expectations" / "demand.json"
    )
    settings = settled(Settings(home=folder / "home"), story, declarations)
    clock = MovingClock(story.made)
    parts = connect(settings, clock=clock)
    service = partial(service_here, settings, clock)
    return tell_live(story, declarations, parts, clock, service), settings
