"""Tells a story of live traffic: from the champion's training to the end of its challenger's trial.

Everything is real but the customers: both versions pass every offline gate, the service answers
over HTTP or a batch is scored each night, and the release judges what the log and the tills say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from pipelines.core.findings import Verdict
from pipelines.core.time import Window
from pipelines.flows.collaborators import Parts
from pipelines.flows.features.materialize import materialize
from pipelines.flows.release.report import ReleaseReport
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.steps import Retraining, retrain
from pipelines.release.ledger import Entry
from pipelines.release.policy import Outcome
from pipelines.release.rollout.actions import ReleaseAction
from pipelines.release.rollout.outcome import rollout_outcome
from pipelines.release.rollout.transition import Stage
from pipelines.simulation.demo.scenarios import LiveStory, Recipe
from pipelines.simulation.people.closed_loop import Living
from pipelines.simulation.people.forecast_clients import Asking, MovingClock
from pipelines.simulation.people.inventory import Shelves
from pipelines.simulation.writing import write_world

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


@dataclass(frozen=True)
class Told:
    """What became of a story.

    Arguments:
        chain: its ledger.
        steps: of the release, in this telling.
        sold_share: of what customers asked for; none when it was told before.
    """

    story: LiveStory
    chain: tuple[Entry, ...]
    steps: tuple[ReleaseReport, ...] = ()
    sold_share: float | None = None

    @property
    def last(self) -> Entry:
        """The newest move, or the decision after which there was none."""
        moves = [entry for entry in self.chain if entry.transition]
        return moves[-1] if moves else self.chain[-1]

    @property
    def over(self) -> bool:
        """Whether the trial has ended."""
        move = self.last.transition
        return move is not None and move.stage in (Stage.PROMOTED, Stage.ENDED)

    @property
    def became(self) -> str:
        """How it ended: promoted, rolled_back, inconclusive, or where it stands."""
        move = self.last.transition
        if move is None:
            return str(self.last.outcome)
        if move.stage is Stage.ENDED:
            return rollout_outcome(self.last).replace(" ", "_")
        return move.stage.value

    @property
    def harms(self) -> tuple[str, ...]:
        """Names of the findings that showed harm."""
        return tuple(
            one.name
            for one in self.last.findings
            if one.name.startswith(HARM) and one.verdict is Verdict.FAIL
        )


def tell_live(
    story: LiveStory,
    declarations: Declarations,
    parts: Parts,
    clock: MovingClock,
    asking: Asking,
    tell: Tell = lambda _: None,
) -> Told:
    """Live a story to its end; one that was told before is only looked up.

    Arguments:
        story: which.
        declarations: where its model is declared; the parts read it there.
        parts: the collaborators, on ``clock``, with a store of the story's own.
        clock: moved through the story.
        asking: how forecasts are asked for.
        tell: hears of each retraining, and of each step of the release.

    Raises:
        GauntletError: as the flows do, and when a service does not answer.
    """
    world, model = story.world(), story.model
    before = parts.ledger.entries(model)
    if before:
        return Told(story, before)
    steps: list[ReleaseReport] = []

    def make(recipe: Recipe, at: datetime, reason: str) -> Told:
        clock.move(at)
        declarations.declare(story, recipe)
        materialize(model, at, parts.materialization)
        tell(retrain(Request(model=model, as_of=at, reason=reason), parts.retraining))
        return Told(story, parts.ledger.entries(model))

    declarations.declare(story, story.champion)
    parts.progress("writing what happened before")
    store = parts.open_store(parts.load_spec(model))
    write_world(world, store, Window(story.scale.start, story.challenged))
    made = make(story.champion, story.made, "the first version")
    if made.became != Outcome.FIRST_VERSION:
        return made
    asked = make(story.challenger, story.challenged, story.title)
    if asked.became != Outcome.START_ROLLOUT:
        return asked
    first = story.challenged.date()
    shelves = Shelves(world, first, story.cover)
    with asking(world, model, parts, clock) as asker:
        living = Living(model, shelves, asker, parts, clock, first)
        for report in living.days(first + timedelta(days=story.days)):
            steps.append(report)
            tell(report)
            if report.action in (ReleaseAction.PROMOTED, ReleaseAction.ENDED):
                break
    share = float(shelves.sold.sum() / shelves.wanted.sum())
    return Told(story, parts.ledger.entries(model), tuple(steps), share)
