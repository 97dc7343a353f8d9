"""``gauntlet serve``: models answer over HTTP."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import model_names
from pipelines.cli.output import console
from pipelines.core.errors import GauntletError, SpecError
from pipelines.wiring import connect, open_online

if TYPE_CHECKING:
    from pipelines.connections import Connections
    from pipelines.release.ledger import Entry
    from pipelines.serving.plan import ServingPlan

SHIP_EVERY = 10  # looks at the registry between two shippings of the log
LATER = 10  # priority of looks and shipping, as of `nice`
KEEP_ALIVE_S = 75  # longer than the 60 s that proxies keep an idle connection for
PATIENCE_S = 10  # for a registry or a store, at the start and at the end
DRAIN_S = 30  # for requests under way at the end; later ones are cut off
UNWELL_S = 30  # a worker that is silent for so long is replaced; a busy machine is not a dead one

log = logging.getLogger(__name__)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(serve)


def serve(
    names: Annotated[list[str], typer.Argument(help="declared models", callback=model_names)],
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="number of worker processes")] = 2,
    every: Annotated[float, typer.Option(min=0.1, help="seconds between reads of the aliases")] = 1,
) -> None:
    """Answer requests with champions and challengers until stopped.

    Follows changes of the aliases without a restart and without a failed request. Replaces workers
    that die.
    """
    from uvicorn import Config
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    from pipelines.flows.serving.publish import journal_path
    from pipelines.predictions.journal import Journal
    from pipelines.settings import Settings

    connections, listening, names = (
        cache(connect),
        _listening(host, port),
        list(dict.fromkeys(names)),
    )
    open_online(Settings())  # what a worker needs is tried here: there, one after another would die
    for name in names:
        console.print(f"{name}: version {_first_plan(name, connections).champion.version}")
        Journal(journal_path(Settings().home, name)).close()
    console.print(f"http://{host}:{port}/docs answers in some seconds; /readyz lists the models")
    os.environ["GAUNTLET_SERVE_MODELS"] = ",".join(names)
    ended = threading.Event()
    # Each has its own thread: a registry that hangs does not delay the shipping of the log.
    keepers = [
        threading.Thread(
            target=_keep, args=(partial(do, name), connections, wait, ended), daemon=True
        )
        for name in names
        for do, wait in (
            (partial(_publish, chain=[]), every),
            (_ship, every * SHIP_EVERY),
        )
    ]
    with tempfile.TemporaryDirectory(prefix="gauntlet-metrics-") as pool:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = pool
        for keeper in keepers:
            keeper.start()
        config = Config(
            "pipelines.wiring:serving_app",
            factory=True,
            workers=workers,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
            timeout_worker_healthcheck=UNWELL_S,
        )
        supervisor = Multiprocess(config, [listening])
        try:
            supervisor.run()
        finally:
            ended.set()
            for keeper in keepers:  # the journal keeps what is not shipped by then
                keeper.join(PATIENCE_S / len(keepers))
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        raise GauntletError(
            "the service could not start",
            where=", ".join(names),
            hint="the messages of its workers are above",
        )


def _publish(name: str, connections: Connections, chain: list[Entry]) -> None:
    from pipelines.flows.serving.publish import publish_plan

    publish_plan(name, connections.publishing, chain)


def _ship(name: str, connections: Connections) -> None:
    from pipelines.flows.serving.publish import ship_log

    ship_log(
        name,
        connections.home,
        connections.open_store(connections.load_spec(name)),
        connections.clock,
    )


def _listening(host: str, port: int) -> socket.socket:
    """The socket that all workers answer at; callers who come too early wait in its queue."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as cause:
        raise SpecError(
            "cannot listen there",
            where=f"--host {host} --port {port}",
            got=str(cause),
            wanted="an address of this machine, and a free port",
            hint=f"another --port; `ss -ltnp sport = :{port}` shows the process that has this one",
        ) from cause


def _first_plan(name: str, connections: Callable[[], Connections]) -> ServingPlan:
    """The plan from the registry; when it does not answer in time, the last known plan."""
    from pipelines.flows.serving.publish import plans_folder, publish_plan
    from pipelines.serving.plan import read_plan
    from pipelines.settings import Settings

    known = read_plan(plans_folder(Settings().home.resolve()), name)
    if known is None:
        return publish_plan(name, connections().publishing)
    found: list[ServingPlan] = []
    once = threading.Event()
    once.set()

    def ask(connected: Connections) -> None:
        found.append(publish_plan(name, connected.publishing))

    # A client may retry for minutes, so the thread is not joined for longer.
    look = threading.Thread(target=_keep, args=(ask, connections, 0, once), daemon=True)
    look.start()
    look.join(PATIENCE_S)
    if not found:
        log.warning("%s: no newer plan could be had, the last known plan is served", name)
    return found[0] if found else known


def _keep(
    do: Callable[[Connections], object],
    connections: Callable[[], Connections],
    every: float,
    ended: threading.Event,
) -> None:
    """Repeat ``do`` until ``ended``, and once more then; a repeated problem is logged once."""
    if sys.platform == "linux":  # where each thread has a priority of its own: callers come first
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LATER)
    reported, last = "", False
    while not last:
        last = ended.wait(every)
        try:
            do(connections())
            reported = ""
        except GauntletError as problem:
            if reported != str(problem):
                log.warning("%s", problem)
            reported = str(problem)
        except Exception:  # the next attempt may succeed, and this thread must not end
            log.exception("a look at the registry or the log failed")
