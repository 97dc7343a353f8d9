"""``gauntlet serve``: models answer over HTTP."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.output import console
from pipelines.core.errors import GauntletError
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.flows.run import Parts

SHIP_EVERY = 10  # looks at the registry between two shippings of the log

log = logging.getLogger(__name__)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(serve)


def serve(
    names: Annotated[list[str], typer.Argument(help="declared models")],
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="processes that answer")] = 2,
    every: Annotated[float, typer.Option(min=0.1, help="seconds between looks at the aliases")] = 1,
) -> None:
    """Answer for the champions, and for challengers on trial, until stopped.

    A switch of an alias is picked up without a restart and without a failed request.
    """
    import uvicorn

    from pipelines.flows.serve import publish_plan

    parts = connect()
    for name in names:
        plan = publish_plan(name, parts)
        console.print(f"{name}: version {plan.champion.version} answers")
    console.print(f"http://{host}:{port}/docs")
    os.environ["GAUNTLET_SERVE_MODELS"] = ",".join(names)
    ended = threading.Event()
    keeper = threading.Thread(target=_keep, args=(names, parts, every, ended), daemon=True)
    with tempfile.TemporaryDirectory(prefix="gauntlet-metrics-") as pool:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = pool
        keeper.start()
        try:
            uvicorn.run(
                "pipelines.wiring:serving_app",
                factory=True,
                host=host,
                port=port,
                workers=workers,
                log_level="warning",
                access_log=False,
            )
        finally:
            ended.set()
            keeper.join()


def _keep(names: list[str], parts: Parts, every: float, ended: threading.Event) -> None:
    """Follow the aliases and ship the log; what is away now is asked again, and said once."""
    from pipelines.flows.serve import publish_plan, ship_log

    said: dict[str, str] = {}
    look = 0
    while True:
        last = ended.wait(every)
        look += 1
        for name in names:
            try:
                publish_plan(name, parts)
                if last or look % SHIP_EVERY == 0:
                    ship_log(name, parts)
                said.pop(name, None)
            except GauntletError as problem:
                if said.get(name) != str(problem):
                    log.warning("%s", problem)
                said[name] = str(problem)
        if last:
            return
