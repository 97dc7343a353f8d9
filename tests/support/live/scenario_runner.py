"""Scenarios of live traffic, run in a folder."""

from __future__ import annotations

import dataclasses
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.connections import Connections
from pipelines.flows.release.report import ReleaseReport
from pipelines.flows.retrain.steps import Retraining
from pipelines.release.rollout.actions import ReleaseAction
from pipelines.settings import Settings
from pipelines.simulation.demo.rollout_demo import (
    Declarations,
    ScenarioResult,
    run_after_rollout,
    run_live_days,
    run_scenario,
    train_versions,
)
from pipelines.simulation.demo.scenarios import RolloutScenario
from pipelines.simulation.people.forecast_clients import SettableClock, batch_client, http_clients
from pipelines.wiring import connect, service_here
from tests.support.pharmacy import ROOT
from tests.support.services.mlflow_database import put_database
from tests.support.shared_worlds import built_once


class Killed(Exception):
    """Ends a simulation in the middle."""


@dataclasses.dataclass(frozen=True)
class ScenarioFolder:
    """A scenario on files and SQLite.

    Arguments:
        scenario: the scenario.
        folder: an empty folder, or one in which it was run before.
    """

    scenario: RolloutScenario
    folder: Path

    @property
    def settings(self) -> Settings:
        """Settings of the scenario's own home."""
        home = self.folder / "home"
        return Settings(
            home=home,
            models=home / "models",
            expectations=home / "expectations",
            serve_models=self.scenario.model,
        )

    @property
    def declarations(self) -> Declarations:
        """The folder of its declaration."""
        return Declarations(
            self.settings.models,
            self.settings.expectations,
            ROOT / "models" / "demand.yaml",
            ROOT / "expectations" / "demand.json",
        )

    def connect(self, clock: SettableClock) -> Connections:
        """Collaborators with a registry in a folder."""
        registry = FolderRegistry(self.settings.home / "registry")
        return dataclasses.replace(connect(self.settings, clock=clock), registry=registry)


def run_in_folder(
    scenario: RolloutScenario,
    folder: Path,
    *,
    batch: bool = False,
    killed_at: ReleaseAction | None = None,
) -> tuple[ScenarioResult, Connections]:
    """Run a scenario to its end, and return its result and the collaborators.

    The versions are trained once for all tests of a scenario.

    Arguments:
        batch: forecasts are scored every night; otherwise pharmacies request them over HTTP.
        killed_at: the first run ends at this step of the release, and a second one goes on.
    """

    def kill(report: Retraining | ReleaseReport) -> None:
        if isinstance(report, ReleaseReport) and report.action is killed_at:
            raise Killed

    own = ScenarioFolder(scenario, folder)
    clock = SettableClock(scenario.champion.trained_at)
    new = not own.settings.home.exists()
    if new:
        shutil.copytree(_trained(scenario), own.settings.home)
    parts = own.connect(clock)
    clients = batch_client if batch else http_clients(partial(service_here, own.settings, clock))
    if new:
        with suppress(Killed):
            return run_live_days(scenario, parts.simulation, clock, clients, kill), parts
    return run_scenario(scenario, own.declarations, parts.simulation, clock, clients), parts


def run_on(scenario: RolloutScenario, folder: Path) -> ScenarioResult:
    """Run what follows the rollout of a scenario, which ``run_in_folder`` ran to its end."""
    own, clock = ScenarioFolder(scenario, folder), SettableClock(scenario.ends)
    parts = own.connect(clock).simulation
    return run_after_rollout(scenario, own.declarations, parts, clock, scenario.ends)


def _trained(scenario: RolloutScenario) -> Path:
    """The home of a scenario whose versions are trained."""

    def build(folder: Path) -> None:
        own = ScenarioFolder(scenario, folder)
        put_database(own.settings.home / "mlflow.db")
        clock = SettableClock(scenario.champion.trained_at)
        result = train_versions(scenario, own.declarations, own.connect(clock).simulation, clock)
        assert result.outcome == "start_rollout", result.last.reasons

    folder = built_once(f"scenario-{scenario.model}", build)
    return ScenarioFolder(scenario, folder).settings.home
