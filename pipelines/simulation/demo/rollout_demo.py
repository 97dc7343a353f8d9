"""Runs a rollout scenario: the champion's training, the challenger's rollout, and what waits then.

Only the customers are simulated. Both versions pass every offline gate, forecasts come from the
HTTP service or from a nightly batch, and the release judges the prediction log and the sales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import yaml

from pipelines.core.errors import GauntletError
from pipelines.core.files import write_bytes
from pipelines.core.findings import Verdict
from pipelines.core.formats import StoredFormat
from pipelines.core.time import Window
from pipelines.flows.features.materialize import materialize
from pipelines.flows.release.report import ReleaseReport
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.steps import Retraining, retrain
from pipelines.release.ledger import Entry
from pipelines.release.policy import Outcome
from pipelines.release.rollout.actions import ReleaseAction
from pipelines.release.rollout.outcome import rollout_outcome
from pipelines.release.rollout.transition import Stage
from pipelines.simulation.collaborators import SimulationCollaborators
from pipelines.simulation.demo.calendar import FOLDER
from pipelines.simulation.demo.scenarios import RolloutScenario, VersionRecipe
from pipelines.simulation.people.closed_loop import ClosedLoop
from pipelines.simulation.people.forecast_clients import OpenForecastClient, SettableClock
from pipelines.simulation.people.inventory import Inventory, Shelves
from pipelines.simulation.writing import write_days, write_world

OnReport = Callable[[Retraining | ReleaseReport], None]
HARM = "canary.harm."
_ENDS = (Stage.PROMOTED, Stage.ENDED)
_MARK = "# Written by `gauntlet demo`"
_HEADER = f"{_MARK}, which may write it and its suite again.\n"
_SHELVES = StoredFormat("the shelves of a simulated chain", Shelves)


@dataclass(frozen=True)
class Declarations:
    """The folders in which a scenario's model is declared.

    Arguments:
        models: folder of declarations.
        expectations: folder of suites.
        demand: content of ``models/demand.yaml``.
        suite: content of ``expectations/demand.json``.
    """

    models: Path
    expectations: Path
    demand: Path
    suite: Path

    def path(self, scenario: RolloutScenario) -> Path:
        """The file of a scenario's declaration."""
        return self.models / f"{scenario.model}.yaml"

    def check(self, scenario: RolloutScenario) -> None:
        """Check that the files of a scenario's model are absent, or the demonstration's own.

        Raises:
            GauntletError: a file of that name was not written by the demonstration.
        """
        path, suite = self.path(scenario), self._suite_path(scenario)
        if path.exists():
            found, generated = path, path.read_bytes().startswith(_MARK.encode())
        else:
            found, generated = suite, not suite.exists()
        if not generated:
            raise GauntletError(
                "a file of your own has the name of one of the demonstration",
                where=str(found),
                wanted="no such file, or the one that the demonstration wrote",
                hint=f"rename your model {scenario.model}, or remove the file",
            )

    def declare(self, scenario: RolloutScenario, recipe: VersionRecipe) -> None:
        """Write the declaration and suite of a version before it is trained.

        The declaration is written first: its first line shows to a run after a kill that both files
        are the demonstration's own.

        Raises:
            GauntletError: a file of that name was not written by the demonstration.
        """
        self.check(scenario)
        declared = scenario.declaration(yaml.safe_load(self.demand.read_text("utf-8")), recipe)
        text = _HEADER + yaml.safe_dump(declared, sort_keys=False, allow_unicode=True)
        write_bytes(self.path(scenario), text.encode())
        write_bytes(self._suite_path(scenario), self.suite.read_bytes())

    def _suite_path(self, scenario: RolloutScenario) -> Path:
        return self.expectations / f"{scenario.model}.json"


@dataclass(frozen=True)
class ScenarioResult:
    """The result of a scenario.

    Arguments:
        chain: entries of its ledger.
        steps: steps of the release in this run.
        sold_share: sold share of the demanded packs; ``None`` when the scenario had already run.
    """

    scenario: RolloutScenario
    chain: tuple[Entry, ...]
    steps: tuple[ReleaseReport, ...] = ()
    sold_share: float | None = None

    @property
    def last(self) -> Entry:
        """The last move of the scenario's own rollout, or the decision when there was no move."""
        moves = [entry for entry in self.chain if entry.transition]
        ends = [entry for entry in moves if entry.transition and entry.transition.stage in _ENDS]
        return (ends[:1] or moves[-1:] or self.chain[-1:])[0]

    @property
    def finished(self) -> bool:
        """Whether the trial has ended."""
        move = self.last.transition if self.chain else None
        return move is not None and move.stage in _ENDS

    @property
    def outcome(self) -> str:
        """The outcome: promoted, rolled_back, inconclusive, or the current stage."""
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


def run_scenario(
    scenario: RolloutScenario,
    declarations: Declarations,
    collaborators: SimulationCollaborators,
    clock: SettableClock,
    open_client: OpenForecastClient,
    on_report: OnReport = lambda _: None,
) -> ScenarioResult:
    """Run a scenario until its rollout has ended; if it ran before, only return its result.

    A run that was killed goes on from its last day.

    Arguments:
        scenario: scenario to run.
        declarations: folder of its declaration, from which the collaborators read it.
        collaborators: collaborators that use ``clock`` and a separate store for the scenario.
        clock: clock to move through the scenario.
        open_client: opens the client that requests forecasts.
        on_report: called with each retraining's report and each step of the release.

    Raises:
        GauntletError: as the flows do, and when a service does not answer.
    """
    before = ScenarioResult(scenario, collaborators.ledger.entries(scenario.model))
    if before.finished:
        return before
    if not any(entry.outcome == Outcome.START_ROLLOUT for entry in before.chain):
        trained = train_versions(scenario, declarations, collaborators, clock, on_report)
        if trained.outcome != Outcome.START_ROLLOUT:
            return trained
    return run_live_days(scenario, collaborators, clock, open_client, on_report)


def train_versions(
    scenario: RolloutScenario,
    declarations: Declarations,
    collaborators: SimulationCollaborators,
    clock: SettableClock,
    on_report: OnReport = lambda _: None,
) -> ScenarioResult:
    """Write the events before live traffic, and train the champion and the challenger.

    Returns:
        The result so far; its outcome is ``start_rollout`` when both versions passed.

    Raises:
        GauntletError: as the flows do.
    """
    model = scenario.model
    declarations.declare(scenario, scenario.champion)
    collaborators.progress("writing what happened before")
    store = collaborators.open_store(collaborators.load_spec(model))
    span = Window(scenario.begins, scenario.challenger.trained_at)
    write_world(scenario.world(), store, span, folder=model)
    for recipe, reason, wanted in (
        (scenario.champion, "the first version", Outcome.FIRST_VERSION),
        (scenario.challenger, scenario.title, Outcome.START_ROLLOUT),
    ):
        result = _train(scenario, recipe, reason, declarations, collaborators, clock, on_report)
        if result.outcome != wanted:
            break
    return result


def run_live_days(
    scenario: RolloutScenario,
    collaborators: SimulationCollaborators,
    clock: SettableClock,
    open_client: OpenForecastClient,
    on_report: OnReport = lambda _: None,
) -> ScenarioResult:
    """Run the live traffic of trained versions until the rollout ends, from the last kept day on.

    Raises:
        GauntletError: as the flows do, and when a service does not answer.
    """
    steps: list[ReleaseReport] = []
    world, model = scenario.world(), scenario.model
    clock.move(scenario.challenger.trained_at)
    first = scenario.challenger.trained_at.date()
    inventory = Inventory(world, first, scenario.chain.order_factor)
    path = _shelves(scenario, collaborators)
    if path.exists():
        inventory.go_on(_SHELVES.from_text(path.read_bytes(), str(path)))

    def keep() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, _SHELVES.to_text(inventory.shelves()).encode())

    with open_client(world, model, collaborators, clock) as client:
        loop = ClosedLoop(model, inventory, client, collaborators, clock, keep)
        for report in loop.days(first + timedelta(days=scenario.days)):
            steps.append(report)
            on_report(report)
            if report.action in (ReleaseAction.PROMOTED, ReleaseAction.ENDED):
                break
    share = float(inventory.sold.sum() / inventory.demanded.sum())
    return ScenarioResult(scenario, collaborators.ledger.entries(model), tuple(steps), share)


def run_after_rollout(
    scenario: RolloutScenario,
    declarations: Declarations,
    collaborators: SimulationCollaborators,
    clock: SettableClock,
    now: datetime,
    on_report: OnReport = lambda _: None,
) -> ScenarioResult:
    """Write the days since the rollout ended, and train the version that waits for an approval.

    Pharmacies order without forecasts on these days. A later run adds the days since.

    Arguments:
        now: the last whole day before it is the last that is written.

    Raises:
        GauntletError: as the flows do.
    """
    model, waiting = scenario.model, scenario.waiting
    if not declarations.path(scenario).exists():
        declarations.declare(scenario, waiting or scenario.challenger)
    path = _shelves(scenario, collaborators)
    ended = _SHELVES.from_text(path.read_bytes(), str(path)).next_day
    store = collaborators.open_store(collaborators.load_spec(model))
    days = Window(datetime.combine(ended, time(), UTC), now)
    write_days(scenario.world(), store, days, folder=model)
    result = ScenarioResult(scenario, collaborators.ledger.entries(model))
    if waiting is None or any(entry.as_of == waiting.trained_at for entry in result.chain):
        return result
    why = "the next challenger, after a rollback"
    return _train(scenario, waiting, why, declarations, collaborators, clock, on_report)


def _train(
    scenario: RolloutScenario,
    recipe: VersionRecipe,
    reason: str,
    declarations: Declarations,
    collaborators: SimulationCollaborators,
    clock: SettableClock,
    on_report: OnReport,
) -> ScenarioResult:
    """Declare and train a version."""
    clock.move(recipe.trained_at)
    declarations.declare(scenario, recipe)
    materialize(scenario.model, recipe.trained_at, collaborators.materialization)
    request = Request(model=scenario.model, as_of=recipe.trained_at, reason=reason)
    on_report(retrain(request, collaborators.retraining))
    return ScenarioResult(scenario, collaborators.ledger.entries(scenario.model))


def _shelves(scenario: RolloutScenario, collaborators: SimulationCollaborators) -> Path:
    """The file that keeps the inventory after each live day."""
    return collaborators.home / FOLDER / f"{scenario.model}.json"
