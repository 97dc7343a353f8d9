"""``gauntlet update``: let the champion learn the points that have matured since its training."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.commands.retrain import as_dict, show_decision, show_step
from pipelines.cli.options import AsOf, Json, ModelName, Reason, instant
from pipelines.cli.output import answer, console, spinner
from pipelines.flows.retrain.request import Request
from pipelines.wiring import SystemClock, connect


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(update)


def update(
    name: ModelName,
    as_of: AsOf = None,
    reason: Reason = "",
    waive: Annotated[
        list[str] | None, typer.Option(help="finding to ignore once; needs a reason; repeatable")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also show findings that passed")
    ] = False,
    as_json: Json = False,
) -> None:
    """Update the champion on newly matured points, judge the update, decide and record.

    Exit code 0 means that a decision was made, or that too few points have matured.
    """
    with spinner("connecting") as progress:
        connections = connect(progress=progress)
        request = Request(
            model=name,
            as_of=instant(as_of, SystemClock().now()),
            reason=reason,
            update=True,
            waive=tuple(waive or ()),
        )
        connections.load_spec(name)  # report its mistakes before the libraries are loaded
        from pipelines.flows.update.steps import update as run_all

        shown = (lambda _: None) if as_json else show_step
        done = run_all(request, connections.retraining, shown)
    if done.result is None:
        if as_json:
            answer(
                "update", {"model": name, "run": done.identity.id, "skipped": done.report.summary}
            )
        return
    if as_json:
        answer("update", as_dict(done))
    else:
        console.print()
        show_decision(done, everything=everything)
