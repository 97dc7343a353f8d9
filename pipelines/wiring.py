"""Creates the real collaborators from the settings. Importing this module creates nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.adapters.third_party import settle_libraries
from pipelines.core.errors import Unavailable
from pipelines.settings import Settings
from pipelines.stores import open_events, open_online, open_store

if TYPE_CHECKING:
    from fastapi import FastAPI

    from pipelines.connections import Connections
    from pipelines.core.time import Clock
    from pipelines.data.events import Progress
    from pipelines.features.online.store import OnlineReader
    from pipelines.flows.explore import Readers
    from pipelines.flows.retrain.run import RetrainCollaborators
    from pipelines.spec.model import ModelSpec


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, in UTC."""
        return datetime.now(UTC)


def connect(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    progress: Progress = lambda _: None,
) -> Connections:
    """Create the collaborators that the settings name.

    Arguments:
        settings: default: the settings from the environment.
        clock: default: the clock of the machine.
        progress: called with short progress messages.

    Raises:
        Unavailable: when the home folder cannot be created, or an address cannot be read.
    """
    settle_libraries()
    from pipelines.adapters.alerts.channels import channel_problems, open_channels
    from pipelines.adapters.database import open_engine
    from pipelines.adapters.expectations.on_first_use import GreatExpectationsOnFirstUse
    from pipelines.adapters.ledger.sql import SqlLedger
    from pipelines.adapters.ledger.witness import FileWitness
    from pipelines.adapters.online.memory import MemoryOnline
    from pipelines.adapters.registry.mlflow import MlflowRegistry
    from pipelines.adapters.registry.mlflow_pages import MlflowPages
    from pipelines.connections import Connections
    from pipelines.quality.sql.runner import SqlRunner

    known, present = settings or Settings(), clock or SystemClock()
    try:
        known.home.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise Unavailable(
            "the home folder cannot be made",
            where=str(known.home),
            got=str(cause),
            wanted="a folder that this account may write",
            hint="mend the path, the rights or GAUNTLET_HOME, then run again",
        ) from cause
    engine, cache = open_engine(known.ledger_address), known.home.resolve() / "cache"
    return Connections(
        home=known.home.resolve(),
        declared=known.declared_models,
        load_spec=partial(declared_model, known),
        load_suite=partial(_load_suite, known),
        open_events=lambda spec: open_events(known, spec, cache, progress, engine=known.engine),
        open_store=lambda spec: open_store(spec.store or known.store_address),
        open_shared=partial(open_store, known.shared) if known.shared else None,
        suite_runner=SqlRunner(GreatExpectationsOnFirstUse()),
        registry=MlflowRegistry(known.mlflow_address),
        pages=MlflowPages(known.mlflow_address, known.mlflow_page),
        ledger=SqlLedger(engine, present, FileWitness(known.home.resolve() / "witness")),
        online=open_online(known),
        scratch_online=MemoryOnline,
        lock=open_lock(known, present),
        alert_channels=partial(open_channels, known.home.resolve(), os.environ),
        channel_problems=partial(channel_problems, os.environ),
        clock=present,
        progress=progress,
    )


def retraining_elsewhere(settings: Settings) -> Callable[[], RetrainCollaborators]:
    """What creates the collaborators of a retraining in another process; it can be pickled."""
    return partial(_retraining, settings)


def _retraining(settings: Settings) -> RetrainCollaborators:
    return connect(settings).retraining


def connect_readers(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    progress: Progress = lambda _: None,
) -> Readers:
    """Create the read-only collaborators for exploring, with readers' credentials if configured.

    For a stream in PostgreSQL, these are the address in ``<url_env>_READER``; for S3, the AWS
    profile that ``GAUNTLET_READER_PROFILE`` names.

    Arguments:
        settings: default: the settings from the environment.
        clock: default: the clock of the machine.
        progress: called with short progress messages.
    """
    from pipelines.flows.explore import FOLDER, Readers

    settle_libraries()
    known = settings or Settings()
    home = known.home.resolve()
    cache = home / FOLDER / "cache"
    return Readers(
        home=home,
        load_spec=partial(declared_model, known),
        open_events=lambda spec: open_events(known, spec, cache, progress, reading=True),
        clock=clock or SystemClock(),
        progress=progress,
    )


def serving_app(
    settings: Settings | None = None, clock: Clock | None = None, *, follows: bool = True
) -> FastAPI:
    """Create the application of one worker of ``gauntlet serve``.

    Arguments:
        settings: default: the settings from the environment.
        clock: default: the clock of the machine.
        follows: whether it follows changes of the serving plans by itself; if not, the caller has
            to call ``Deployment.follow``.
    """
    settle_libraries()
    from pipelines.adapters.http.connection_limits import ConnectionLimits
    from pipelines.adapters.http.metrics import PrometheusMetrics
    from pipelines.adapters.http.report_metrics import ReportGauges, newest_reports
    from pipelines.adapters.http.web import Limits, ModelEndpoint, build_app
    from pipelines.adapters.http.worker import ShadowExecutor, follow_plans
    from pipelines.flows.serving.board import boards_folder
    from pipelines.flows.serving.publish import journal_path, plans_folder
    from pipelines.predictions.journal import Journal
    from pipelines.serving.deployment import Deployment
    from pipelines.serving.service import ModelService

    known, present = settings or Settings(), clock or SystemClock()
    home, store, shadow_executor = known.home.resolve(), open_online(known), ShadowExecutor()
    journals = {
        name: Journal(journal_path(home, name), fsync=known.serve_fsync)
        for name in known.serve_models.split(",")
    }

    def backlog() -> dict[str, tuple[int, float]]:
        found = {name: journal.backlog() for name, journal in journals.items()}
        return {name: (one.rows, one.age_s(present.now())) for name, one in found.items()}

    def stale_for() -> dict[str, float]:
        return {name: endpoint.deployment.stale_for_s for name, endpoint in endpoints.items()}

    def from_events(spec: ModelSpec) -> OnlineReader:
        from pipelines.features.online.from_events import EventsOnline

        cache = plans_folder(home) / "events"  # apart from the caches of the gates
        return EventsOnline(spec, lambda one: open_events(known, one, cache), present)

    endpoints: dict[str, ModelEndpoint] = {}
    reports = ReportGauges(lambda: newest_reports(home / "monitor", journals))
    metrics = PrometheusMetrics(backlog, stale_for, [reports])
    for name, journal in journals.items():
        service = ModelService(
            name,
            store=store,
            record=journal.append,
            clock=present,
            metrics=metrics,
            run_later=shadow_executor,
            from_events=from_events,
        )
        endpoints[name] = ModelEndpoint(service, Deployment(service, plans_folder(home)))
    limits = Limits(
        body_bytes=known.serve_body_bytes,
        rows=known.serve_rows,
        requests=known.serve_queue,
        tokens=known.tokens,
        connections=ConnectionLimits(
            known.serve_connections, known.serve_request_s
        ).within_descriptors(),
    )

    @contextmanager
    def around() -> Iterator[None]:
        with (
            follow_plans([endpoint.deployment for endpoint in endpoints.values()])
            if follows
            else nullcontext()
        ):
            yield
        shadow_executor.close()
        for journal in journals.values():
            journal.close()

    app = build_app(endpoints, metrics, limits, around, boards_folder(home))
    app.state.endpoints, app.state.shadow_executor = endpoints, shadow_executor
    return app


@contextmanager
def service_here(settings: Settings, clock: Clock) -> Iterator[tuple[int, Callable[[], None]]]:
    """Run the service over HTTP in a thread of this process, for simulations with their own clock.

    Yields:
        The port, and a function that finishes all shadow predictions and deploys the newest plans.
    """
    from pipelines.adapters.http.in_process_server import serve_in_process

    app = serving_app(settings, clock, follows=False)

    def follow() -> None:
        app.state.shadow_executor.finish()
        for endpoint in app.state.endpoints.values():
            endpoint.deployment.follow()

    with serve_in_process(app) as port:
        yield port, follow


def declared_model(settings: Settings, name: str) -> ModelSpec:
    """Read a declaration by the model's name.

    Raises:
        SpecError: no such model is declared, or its declaration is wrong.
    """
    from pipelines.spec.load import load_model

    return load_model(settings.models / f"{name}.yaml")


def _load_suite(settings: Settings, spec: ModelSpec, thorough: bool = False) -> dict[str, Any]:
    """The hand-written suite; ``thorough`` checks it with Great Expectations, which is slow."""
    from pipelines.adapters.expectations.validation import expectation_mistakes, remembering
    from pipelines.data.cache import Cache
    from pipelines.quality.suite import load_suite

    path = settings.expectations / f"{spec.name}.json"
    if not thorough:
        return load_suite(path, spec)
    return load_suite(path, spec, remembering(expectation_mistakes, Cache(settings.home / "cache")))


def open_lock(
    settings: Settings, clock: Clock
) -> Callable[[str, str], AbstractContextManager[object]]:
    """Open the locks: files if the ledger is in SQLite, else advisory locks in PostgreSQL.

    Arguments:
        settings: name the home and the ledger's database.
        clock: gives the time at which a lock was taken.
    """
    from pipelines.release.lock import this_process

    process = this_process()
    if settings.ledger_address.startswith("sqlite"):
        from pipelines.adapters.lock.file import FileLock

        file = FileLock(settings.home / "locks", clock)
        return lambda model, lineage: file.hold(model, lineage, process)
    from pipelines.adapters.database import open_engine
    from pipelines.adapters.lock.postgres import PostgresLock

    database = PostgresLock(open_engine(settings.ledger_address), clock)
    return lambda model, lineage: database.hold(model, lineage, process)
