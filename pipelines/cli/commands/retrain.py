"""``gauntlet retrain``: one run through all gates, shown step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, Lineage, ModelName, Reason, instant
from pipelines.cli.output import answer, console, mark, show_findings, spinner
from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import LIVE, Request, StepReport
from pipelines.wiring import SystemClock, connect

if TYPE_CHECKING:
    from pipelines.data.events import Progress
    from pipelines.flows.retrain.steps import Retraining


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(retrain)


def retrain(
    name: ModelName,
    as_of: AsOf = None,
    lineage: Lineage = LIVE,
    reason: Reason = "",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="compare, but do not register or decide; uses a try of the error budget",
        ),
    ] = False,
    waive: Annotated[
        list[str] | None, typer.Option(help="finding to ignore once; needs a reason; repeatable")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also show findings that passed")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a candidate as of an instant, compare it with the champion, decide and record.

    Exit code 0 means that a decision was made, whatever it is.
    """
    with spinner("connecting") as progress:
        request = Request(
            model=name,
            as_of=instant(as_of, SystemClock().now()),
            lineage=lineage,
            reason=reason,
            dry_run=dry_run,
            waive=tuple(waive or ()),
        )
        done = run_retraining(request, (lambda _: None) if as_json else show_step, progress)
    if as_json:
        answer("retraining", as_dict(done))
    else:
        console.print()
        show_decision(done, everything=everything)


def run_retraining(
    request: Request,
    on_step: Callable[[StepReport], None] = lambda _: None,
    progress: Progress = lambda _: None,
) -> Retraining:
    """Retrain with the settings of the environment.

    Arguments:
        request: what is to be trained.
        on_step: called with the report of each step.
        progress: called with short messages.

    Raises:
        GauntletError: the declaration is wrong, another run is active, or a server does not answer.
    """
    connections = connect(progress=progress)
    connections.load_spec(request.model)  # report its mistakes before the libraries are loaded
    from pipelines.flows.retrain.steps import retrain as run_all

    return run_all(request, connections.retraining, on_step)


def show_step(report: StepReport) -> None:
    """Print one line for a finished step; the decision is shown at the end, with its findings."""
    if report.step == "decide":
        return
    if report.skipped:
        sign = "[dim]skipped[/]"
    else:
        sign = mark(report.verdict) if report.verdict else "[green]done[/]"
    console.print(f"  {report.step:<12} {sign}  {rich_text(report.summary)}", soft_wrap=True)


def show_decision(done: Retraining, *, everything: bool) -> None:
    """The findings that matter and the decision."""
    decision = done.decision
    show_findings(done.findings, everything=everything)
    colour = "green" if decision.outcome.moves else "yellow"
    console.print(f"[bold {colour}]{decision.outcome.replace('_', ' ')}[/]", end="  ")
    console.print(rich_text("; ".join(decision.reasons)), soft_wrap=True)
    if before := done.identity.decided:
        earlier = (
            f"decided at {instant_text(before.recorded_at)}: the same question, the same answer"
        )
        console.print(f"[dim]{earlier}[/]", soft_wrap=True)


def as_dict(done: Retraining) -> dict[str, object]:
    """The answer for scripts."""
    request, identity = done.request, done.identity
    return {
        "model": request.model,
        "as_of": request.as_json()["as_of"],
        "lineage": request.lineage,
        "run": identity.id,
        "snapshot": done.snapshot,
        "champion": identity.champion,
        "candidate": done.candidate,
        "decision": done.decision.as_json(),
        "findings": [finding.as_json() for finding in done.findings],
    }
