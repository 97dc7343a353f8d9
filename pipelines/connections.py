"""The collaborators of a process, and the subset that each flow uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import GauntletError

if TYPE_CHECKING:
    from pipelines.core.run_page import RunPages
    from pipelines.core.time import Clock
    from pipelines.data.events import Progress
    from pipelines.data.objects import ObjectStore
    from pipelines.data.reader import EventReader
    from pipelines.features.online.store import OnlineStore
    from pipelines.flows.backtest.run import BacktestCollaborators
    from pipelines.flows.doctor import DoctorCollaborators
    from pipelines.flows.drill.run import DrillCollaborators
    from pipelines.flows.features.materialize import MaterializeCollaborators
    from pipelines.flows.monitor.alert import AlertCollaborators
    from pipelines.flows.monitor.collaborators import MonitorCollaborators
    from pipelines.flows.monitor.deliver import DeliverCollaborators
    from pipelines.flows.release.collaborators import ReleaseCollaborators
    from pipelines.flows.retrain.run import LoadSuite, RetrainCollaborators
    from pipelines.flows.serving.batch_score import ScoreCollaborators
    from pipelines.flows.serving.board import BoardCollaborators
    from pipelines.flows.serving.publish import PublishCollaborators
    from pipelines.flows.status import StatusCollaborators
    from pipelines.flows.versions import VersionReader
    from pipelines.monitoring.alerts import Channel
    from pipelines.quality.suite import GroupedSuiteRunner
    from pipelines.release.ledger import Ledger
    from pipelines.release.registry import Registry
    from pipelines.simulation.collaborators import SimulationCollaborators
    from pipelines.spec.model import ModelSpec
    from pipelines.spec.monitor import Alerts


@dataclass(frozen=True)
class Connections:
    """All collaborators of a process, created by ``wiring.connect``.

    Only the command line, the DAGs and tests use it. A flow receives one of the properties below,
    or the individual collaborators that it uses. Each collaborator connects, and loads the library
    that it needs for this, on first use.

    Arguments:
        home: folder of the cache, runs, plans and embedded databases.
        declared: the names of the declared models.
        load_spec: reads a declaration by the model's name.
        load_suite: reads a model's hand-written suite.
        open_events: opens the event streams of a model.
        open_store: opens the object store of a model.
        open_shared: opens the object store that machines share; ``None``: there is one machine.
        suite_runner: runs suites on tables.
        registry: holds versions and aliases.
        pages: holds pages of retrainings and of monitoring reports.
        ledger: records decisions.
        online: the online store of production.
        scratch_online: creates an empty online store in memory.
        lock: locks one model and lineage during a run.
        alert_channels: opens the channels for alerts that a model declares for every process.
        channel_problems: why declared channels would get no alert, as far as this process knows.
        clock: gives the current time.
        progress: called with short progress messages.
    """

    home: Path
    declared: Callable[[], tuple[str, ...]]
    load_spec: Callable[[str], ModelSpec]
    load_suite: LoadSuite
    open_events: Callable[[ModelSpec], EventReader]
    open_store: Callable[[ModelSpec], ObjectStore]
    open_shared: Callable[[], ObjectStore] | None
    suite_runner: GroupedSuiteRunner
    registry: Registry
    pages: RunPages
    ledger: Ledger
    online: OnlineStore
    scratch_online: Callable[[], OnlineStore]
    lock: Callable[[str, str], AbstractContextManager[object]]
    alert_channels: Callable[[Alerts], tuple[Channel, ...]]
    channel_problems: Callable[[Alerts], tuple[str, ...]]
    clock: Clock
    progress: Progress = lambda _: None

    @property
    def cache(self) -> Path:
        """Content-addressed copies of event objects, and the manifests of snapshots."""
        return self.home / "cache"

    @property
    def versions(self) -> VersionReader:
        """Verified copies of registered versions."""
        from pipelines.flows.versions import VersionReader

        return VersionReader(self.registry, self.home / "versions", self.ledger)

    @property
    def release(self) -> ReleaseCollaborators:
        """Collaborators of a release step."""
        from pipelines.flows.release.collaborators import ReleaseCollaborators

        return ReleaseCollaborators(
            load_spec=self.load_spec,
            open_events=self.open_events,
            versions=self.versions,
            registry=self.registry,
            pages=self.pages,
            ledger=self.ledger,
            lock=self.lock,
            clock=self.clock,
            evidence_folder=self.home / "releases",
            report_folder=self.home / "release_reports",
        )

    @property
    def retraining(self) -> RetrainCollaborators:
        """Collaborators of a retraining."""
        from pipelines.flows.retrain.run import RetrainCollaborators
        from pipelines.flows.workspace import RunFolders

        return RetrainCollaborators(
            runs=RunFolders(self.home / "runs", self.open_shared),
            fits=self.home / "backtest" / "predictions",
            load_spec=self.load_spec,
            load_suite=self.load_suite,
            open_events=self.open_events,
            suite_runner=self.suite_runner,
            versions=self.versions,
            pages=self.pages,
            ledger=self.ledger,
            online=self.online,
            lock=self.lock,
            clock=self.clock,
            progress=self.progress,
        )

    @property
    def backtesting(self) -> BacktestCollaborators:
        """Collaborators of a backtest."""
        from pipelines.flows.backtest.run import BacktestCollaborators
        from pipelines.release.broken_windows.exclusions import with_exclusions

        return BacktestCollaborators(
            home=self.home,
            load_spec=self.load_spec,
            load_suite=self.load_suite,
            open_events=self.open_events,
            suite_runner=self.suite_runner,
            lock=self.lock,
            clock=self.clock,
            with_exclusions=lambda spec, as_of: with_exclusions(
                spec, self.ledger.entries(spec.name), as_of
            ),
            progress=self.progress,
        )

    @property
    def drilling(self) -> DrillCollaborators:
        """Collaborators of a drill."""
        from pipelines.flows.drill.run import DrillCollaborators

        return DrillCollaborators(folder=self.home / "drills", retraining=self.retraining)

    @property
    def monitoring(self) -> MonitorCollaborators:
        """Collaborators of monitoring."""
        from pipelines.flows.monitor.collaborators import MonitorCollaborators

        return MonitorCollaborators(
            folder=self.home / "monitor",
            load_spec=self.load_spec,
            open_events=self.open_events,
            suite_runner=self.suite_runner,
            versions=self.versions,
            ledger=self.ledger,
            clock=self.clock,
            progress=self.progress,
        )

    def delivery(
        self,
        spec: ModelSpec,
        *,
        publish: bool = True,
        alert: bool = True,
        further: Sequence[Channel] = (),
    ) -> DeliverCollaborators:
        """Collaborators of the delivery of a monitoring report.

        Arguments:
            spec: the model's declaration.
            publish: whether it becomes a run in MLflow and rows of a stream.
            alert: whether alerts are sent.
            further: channels that only this process can use.
        """
        from pipelines.flows.monitor.alert import AlertCollaborators
        from pipelines.flows.monitor.deliver import DeliverCollaborators

        alerts = AlertCollaborators(
            folder=self.home / "alerts",
            channels=(*self.alert_channels(spec.monitor.alerts), *further),
            budget=spec.monitor.alerts.budget,
            lock=self.lock,
            open_shared=self.open_shared,
        )
        return DeliverCollaborators(
            pages=self.pages if publish else None,
            open_store=(lambda: self.open_store(spec)) if publish else None,
            alerts=alerts if alert else None,
            clock=self.clock,
        )

    def event_alerts(self, model: str, channels: Sequence[Channel]) -> AlertCollaborators:
        """Collaborators of messages about runs of a model, also if its declaration is wrong.

        Arguments:
            model: its name.
            channels: that messages go to.
        """
        from pipelines.flows.monitor.alert import AlertCollaborators
        from pipelines.spec.monitor import Alerts

        try:
            budget = self.load_spec(model).monitor.alerts.budget
        except GauntletError:
            budget = Alerts().budget
        return AlertCollaborators(
            folder=self.home / "alerts",
            channels=channels,
            budget=budget,
            lock=self.lock,
            open_shared=self.open_shared,
        )

    @property
    def overview(self) -> StatusCollaborators:
        """Collaborators of the status of all models."""
        from pipelines.flows.status import StatusCollaborators

        return StatusCollaborators(
            declared=self.declared,
            load_spec=self.load_spec,
            open_events=self.open_events,
            open_store=self.open_store,
            ledger=self.ledger,
            online=self.online,
            monitor_reports=self.monitoring.folder,
            release_reports=self.release.report_folder,
            clock=self.clock,
        )

    @property
    def diagnosis(self) -> DoctorCollaborators:
        """Collaborators of the checks of an installation."""
        from pipelines.flows.doctor import DoctorCollaborators

        return DoctorCollaborators(
            home=self.home,
            declared=self.declared,
            load_spec=self.load_spec,
            load_suite=self.load_suite,
            open_store=self.open_store,
            open_shared=self.open_shared,
            registry=self.registry,
            ledger=self.ledger,
            online=self.online,
            clock=self.clock,
        )

    @property
    def materialization(self) -> MaterializeCollaborators:
        """Collaborators of a materialization."""
        from pipelines.flows.features.materialize import MaterializeCollaborators

        return MaterializeCollaborators(
            load_spec=self.load_spec,
            open_events=self.open_events,
            versions=self.versions,
            ledger=self.ledger,
            online=self.online,
            lock=self.lock,
            clock=self.clock,
        )

    @property
    def publishing(self) -> PublishCollaborators:
        """Collaborators of publishing a serving plan."""
        from pipelines.flows.serving.publish import PublishCollaborators

        return PublishCollaborators(
            home=self.home,
            load_spec=self.load_spec,
            versions=self.versions,
            ledger=self.ledger,
        )

    @property
    def scoring(self) -> ScoreCollaborators:
        """Collaborators of batch scoring."""
        from pipelines.flows.serving.batch_score import ScoreCollaborators

        return ScoreCollaborators(
            load_spec=self.load_spec,
            open_events=self.open_events,
            open_store=self.open_store,
            scratch_online=self.scratch_online,
            publish=self.publishing,
            lock=self.lock,
            clock=self.clock,
        )

    @property
    def boards(self) -> BoardCollaborators:
        """Collaborators of boards."""
        from pipelines.flows.serving.board import BoardCollaborators

        return BoardCollaborators(
            home=self.home,
            load_spec=self.load_spec,
            open_events=self.open_events,
            open_store=self.open_store,
            versions=self.versions,
            clock=self.clock,
        )

    @property
    def simulation(self) -> SimulationCollaborators:
        """Collaborators of a simulation."""
        from pipelines.simulation.collaborators import SimulationCollaborators

        return SimulationCollaborators(
            home=self.home,
            load_spec=self.load_spec,
            open_store=self.open_store,
            ledger=self.ledger,
            retraining=self.retraining,
            materialization=self.materialization,
            publishing=self.publishing,
            scoring=self.scoring,
            release=self.release,
            progress=self.progress,
        )
