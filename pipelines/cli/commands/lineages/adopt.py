"""``gauntlet adopt``: the recipe of a backfill's champion as a candidate for ``live``."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from pipelines.cli.commands.retrain import as_dict, show_decision, show_step
from pipelines.cli.known_model import connect_known
from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName, Reason, instant, lineage_name
from pipelines.cli.output import answer, console, spinner
from pipelines.flows.retrain.request import Request
from pipelines.wiring import connect


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(adopt)


def adopt(
    name: ModelName,
    lineage: Annotated[
        str, typer.Option(help="the backfill, as in `lineages`", callback=lineage_name)
    ],
    as_of: AsOf = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Train the recipe of a backfill's last champion, and let all gates of live judge it.

    It is a retraining of `live`: a changed recipe uses a try of the error budget. To continue one
    that was interrupted, name its `--as-of`.
    """
    connect_known(name, lineage)
    with spinner("connecting") as progress:
        connections = connect(progress=progress)
        from pipelines.flows.lineages.adoption import plan_adoption
        from pipelines.flows.retrain.steps import retrain

        parts = connections.retraining
        adoption = plan_adoption(name, lineage, parts)
        if not as_json:
            _announce(name, lineage, adoption.version, adoption.changes)
        adopts = f"adopts the recipe of version {adoption.version}, lineage {lineage}"
        request = Request(
            model=name,
            as_of=instant(as_of, connections.clock.now()),
            reason=f"{reason}; {adopts}" if reason.strip() else adopts,
        )
        parts = replace(parts, load_spec=lambda _: adoption.spec)
        done = retrain(request, parts, (lambda _: None) if as_json else show_step)
    if as_json:
        body = {"adopted": adoption.version, "changes": list(adoption.changes)}
        answer("adoption", {**body, **as_dict(done)})
    else:
        console.print()
        show_decision(done, everything=False)


def _announce(model: str, lineage: str, version: str, changes: tuple[str, ...]) -> None:
    console.print(
        f"version {rich_text(version)} of {rich_text(lineage)}: its recipe is trained and "
        "judged in live",
        soft_wrap=True,
    )
    if changes:
        console.print(
            f"change the declaration of {rich_text(model)} as well, or its next retraining goes "
            "back to the declared recipe:",
            soft_wrap=True,
        )
        for change in changes:
            console.print(f"  {rich_text(change)}", soft_wrap=True)
