"""Tells a story of live traffic: from the champion's training to the end of its challenger's trial.

Everything is real but the customers: both versions pass every offline gate, the service answers
over HTTP, and the release judges what its log and the tills say.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from pipelines.core.time import Window
from pipelines.core.verdict import Verdict
from pipelines.flows.materialize import materialize
from pipelines.flows.release_report import Act, ReleaseReport
from pipelines.flows.request import Request
from pipelines.flows.retrain import Retraining, retrain
from pipelines.flows.run import Parts
from pipelines.simulation.calling import Callers
from pipelines.simulation.live_stories import LiveStory, Recipe
from pipelines.simulation.living import Living, MovingClock
from pipelines.simulation.shelves import Shelves
from pipelines.simulation.writing import write_world

Service = Callable[[], AbstractContextManager[tuple[int, Callable[[], None]]]]
Tell = Callable[[Retraining | ReleaseReport], None]
HARM = "canary.harm."


@dataclass(frozen=True)
class Declarations:
    """Where a story's model is declared.

    Arguments:
        folder: gets ``models/`` and ``expectations/``.
        demand: ``models/demand.yaml``.
        suite: ``expectations/demand.json``.
    """

    folder: Path
    demand: Path
    suite: Path

    @property
    def models(self) -> Path:
        """Folder of declarations."""
        return self.folder / "models"

    @property
    def expectations(self) -> Path:
        """Folder of suites."""
        return self.folder / "expectations"

    def declare(self, story: LiveStory, recipe: Recipe) -> None:
        """Write declaration and suite of a version that is to be made."""
        self.models.mkdir(parents=True, exist_ok=True)
        self.expectations.mkdir(parents=True, exist_ok=True)
        declared = story.declared(yaml.safe_load(self.demand.read_text("utf-8")), recipe)
        text = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True)
        (self.models / f"{story.model}.yaml").write_text(text, "utf-8")
        (self.expectations / f"{story.model}.json").write_bytes(self.suite.read_bytes())


@dataclass
class Told:
    """What became of a story."""

    story: LiveStory
    champion: Retraining
    challenger: Retraining
    reports: list[ReleaseReport] = field(default_factory=list)
    sold_share: float = 1.0

    @property
    def became(self) -> str:
        """How the trial ended: promoted, rolled_back, inconclusive, or something else."""
        last = self.reports[-1] if self.reports else None
        if last is None or last.act not in (Act.PROMOTED, Act.ENDED):
            return last.act.value if last else self.challenger.decision.outcome.value
        if last.act is Act.PROMOTED:
            return "promoted"
        return "rolled_back" if self.harms else "inconclusive"

    @property
    def harms(self) -> tuple[str, ...]:
        """Names of the findings that showed harm."""
        found = self.reports[-1].findings if self.reports else ()
        return tuple(
            one.name for one in found if one.name.startswith(HARM) and one.verdict is Verdict.FAIL
        )


def tell_live(
    story: LiveStory,
    declarations: Declarations,
    parts: Parts,
    clock: MovingClock,
    service: Service,
    tell: Tell = lambda _: None,
) -> Told:
    """Live a story to its end.

    Arguments:
        story: which.
        declarations: where its model is declared; the parts read it there.
        parts: the collaborators, on ``clock``, with a store of the story's own.
        clock: moved through the story.
        service: the service that answers for its model, on the same clock.
        tell: hears of each retraining, and of each step of the release.

    Raises:
        GauntletError: as the flows do, and when the service does not answer.
    """
    world, model = story.world(), story.model
    parts.progress("writing what happened before")

    def make(recipe: Recipe, reason: str) -> Retraining:
        declarations.declare(story, recipe)
        materialize(model, clock.now(), parts)
        done = retrain(Request(model=model, as_of=clock.now(), reason=reason), parts)
        tell(done)
        return done

    declarations.declare(story, story.champion)
    store = parts.open_store(parts.load_spec(model))
    write_world(world, store, Window(story.scale.start, story.challenged))
    clock.move(story.made)
    champion = make(story.champion, "the first version")
    clock.move(story.challenged)
    told = Told(story, champion, make(story.challenger, story.title))
    if told.became != "challenge":
        return told
    first = story.challenged.date()
    shelves = Shelves(world, first, story.cover)
    with service() as (port, follow), Callers(world, model, port) as callers:
        living = Living(model, shelves, callers, parts, clock, follow, first)
        for report in living.days(first + timedelta(days=story.days)):
            told.reports.append(report)
            tell(report)
            if report.act in (Act.PROMOTED, Act.ENDED):
                break
    told.sold_share = float(shelves.sold.sum() / shelves.wanted.sum())
    return told


def settled(settings: Any, story: LiveStory, declarations: Declarations) -> Any:
    """Settings under which a story's parts and service are connected."""
    return settings.model_copy(
        update={
            "models": declarations.models,
            "expectations": declarations.expectations,
            "store": str(settings.home.resolve() / "live" / story.model),
            "serve_models": story.model,
        }
    )
