"""``gauntlet serve``: models answer over HTTP."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.markup import rich_text
from pipelines.cli.options import model_names
from pipelines.cli.output import console
from pipelines.core.errors import GauntletError, Unavailable
from pipelines.stores import open_online, open_store
from pipelines.wiring import SystemClock, connect, declared_model

if TYPE_CHECKING:
    from pipelines.connections import Connections
    from pipelines.release.ledger import Entry
    from pipelines.serving.plan import ServingPlan
    from pipelines.settings import Settings

SHIP_EVERY = 10  # looks at the registry between two shippings of the log
PATIENCE_S = 10  # for a registry at the start
LAST_SHIPPING_S = 30  # for the log at the end

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
    without_tokens: Annotated[
        bool, typer.Option("--without-tokens", help="answer other machines without a token")
    ] = False,
) -> None:
    """Answer requests with champions and challengers until stopped.

    Follows changes of the aliases without a restart and without a failed request. Replaces workers
    that die. The exit code is 0 if the whole log was shipped at the end.
    """
    from uvicorn.supervisors import Multiprocess

    from pipelines.adapters.http.address import checked_host, listening_socket
    from pipelines.adapters.http.workers import could_not_start, worker_config
    from pipelines.flows.serving.publish import journal_path
    from pipelines.predictions.journal import Journal
    from pipelines.settings import Settings

    settings, connections, names = Settings(), cache(connect), list(dict.fromkeys(names))
    checked_host(host, has_tokens=bool(settings.tokens), without_tokens=without_tokens)
    listening = listening_socket(host, port)
    open_online(settings)  # what a worker needs is tried here: there, one after another would die
    for name in names:
        console.print(f"{name}: version {_first_plan(name, connections).champion.version}")
        Journal(journal_path(settings.home, name)).close()
    console.print(
        f"http://{rich_text(host)}:{port}/docs answers in some seconds; /readyz lists the models"
    )
    os.environ["GAUNTLET_SERVE_MODELS"] = ",".join(names)
    ended = threading.Event()
    # Each has its own thread: a registry that hangs does not delay the shipping of the log.
    following = [
        _thread(partial(_publish, name, connections, []), every, ended, last=False)
        for name in names
    ]
    shipping = [
        _thread(partial(_ship, name, settings), every * SHIP_EVERY, ended, last=True)
        for name in names
    ]
    with tempfile.TemporaryDirectory(prefix="gauntlet-metrics-") as pool:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = pool
        for keeper in (*following, *shipping):
            keeper.start()
        supervisor = Multiprocess(
            worker_config("pipelines.wiring:serving_app", workers), [listening]
        )
        try:
            supervisor.run()
        finally:
            ended.set()
            end = time.perf_counter() + LAST_SHIPPING_S
            for keeper in shipping:
                keeper.join(max(0.0, end - time.perf_counter()))
    if could_not_start(supervisor):
        raise GauntletError(
            "the service could not start",
            where=", ".join(names),
            hint="the messages of its workers are above",
        )
    _check_shipped(names, settings.home)


def _publish(name: str, connections: Callable[[], Connections], chain: list[Entry]) -> None:
    from pipelines.flows.serving.publish import publish_plan

    publish_plan(name, connections().publishing, chain)


def _ship(name: str, settings: Settings) -> None:
    """Ship the log. It needs neither the registry nor the ledger."""
    from pipelines.flows.serving.publish import ship_log

    spec = declared_model(settings, name)
    store = open_store(spec.store or settings.store_address)
    ship_log(name, settings.home.resolve(), store, SystemClock())


def _check_shipped(names: list[str], home: Path) -> None:
    """Check that every journal is empty.

    Raises:
        Unavailable: when predictions are left, with their number.
    """
    from pipelines.flows.serving.publish import journal_path
    from pipelines.predictions.journal import Journal

    left = {}
    for name in names:
        with Journal(journal_path(home, name)) as journal:
            left[name] = journal.backlog().rows
    if not any(left.values()):
        return
    raise Unavailable(
        "the service ended before the whole prediction log was in the store",
        where=", ".join(str(journal_path(home, name)) for name in names if left[name]),
        got=", ".join(f"{rows:,} rows of {name}" for name, rows in left.items() if rows),
        wanted="an empty journal",
        hint=f"nothing is lost: `gauntlet serve {' '.join(names)}` on this machine ships them",
    )


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

    def look() -> None:
        found.append(publish_plan(name, connections().publishing))

    # A client may retry for minutes, so the thread is not joined for longer.
    looking = _thread(look, 0, once, last=True)
    looking.start()
    looking.join(PATIENCE_S)
    if not found:
        log.warning("%s: no newer plan could be had, the last known plan is served", name)
    return found[0] if found else known


def _thread(
    do: Callable[[], object], every: float, ended: threading.Event, *, last: bool
) -> threading.Thread:
    return threading.Thread(target=_keep, args=(do, every, ended, last), daemon=True)


def _keep(do: Callable[[], object], every: float, ended: threading.Event, last: bool) -> None:
    """Repeat ``do`` until ``ended``, and once more then if ``last``; a problem is logged once."""
    reported = ""
    while True:
        over = ended.wait(every)
        if over and not last:
            return
        try:
            do()
            reported = ""
        except GauntletError as problem:
            if reported != str(problem):
                log.warning("%s", problem)
            reported = str(problem)
        except Exception:  # the next attempt may succeed, and this thread must not end
            log.exception("a look at the registry or the log failed")
        if over:
            return
