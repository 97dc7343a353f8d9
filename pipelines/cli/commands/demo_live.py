"""The demonstration's second half: challengers on live traffic, shown step by step."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table

from pipelines.cli.commands.retrain import show_decision
from pipelines.cli.markup import rich_text
from pipelines.cli.output import console, show_findings, show_table, spinner
from pipelines.settings import Settings
from pipelines.wiring import connect, service_here

if TYPE_CHECKING:
    from datetime import datetime

    from pipelines.connections import Connections
    from pipelines.flows.release.report import ReleaseReport
    from pipelines.flows.retrain.steps import Retraining
    from pipelines.release.ledger import Entry
    from pipelines.simulation.demo.calendar import DemoCalendar
    from pipelines.simulation.demo.rollout_demo import Declarations, ScenarioResult
    from pipelines.simulation.demo.scenarios import RolloutScenario

_COLOURS = {"promoted": "green", "rolled_back": "red", "ended": "red"}
_SHOWN = ("canary.harm.", "canary.primary", "canary.guardrail.", "canary.corrected_gain")


def live_declarations(settings: Settings) -> Declarations:
    """The folders of the scenarios' declarations, which are made of that of ``demand``."""
    from pipelines.simulation.demo.rollout_demo import Declarations

    return Declarations(
        settings.models,
        settings.expectations,
        settings.models / "demand.yaml",
        settings.expectations / "demand.json",
    )


def show_live_scenarios(
    settings: Settings, calendar: DemoCalendar, now: datetime, first: int, *, quiet: bool
) -> list[ScenarioResult]:
    """One challenger that is promoted by its canary, and one that is rolled back.

    Arguments:
        settings: of the demonstration.
        calendar: when the demonstration takes place.
        now: events are written until here.
        first: number of the first scenario.
        quiet: print nothing.
    """
    from pipelines.simulation.demo.scenarios import LIVE_SCENARIOS

    stories = [one.moved(calendar.weeks_from(one.ends)) for one in LIVE_SCENARIOS]
    return [
        _live(settings, story, now, first + number, quiet=quiet)
        for number, story in enumerate(stories)
    ]


def show_waiting(connections: Connections) -> None:
    """Print what waits for a person."""
    from pipelines.flows.status import overview

    for model in overview(None, connections.overview).models:
        for task in model.pending:
            console.print(f"\n[yellow]{model.model}[/]: {rich_text(task.what)}")
            console.print(f"  {rich_text(task.next_step)}", soft_wrap=True)


def show_moves(results: list[ScenarioResult]) -> None:
    """Print every decision and move in the ledgers of the scenarios."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("as of", "model", "in the ledger", "version", "champion after", "share"):
        table.add_column(heading)
    for one in results:
        for entry in one.chain:
            table.add_row(*_row(entry))
    show_table(table)


def _row(entry: Entry) -> tuple[str, ...]:
    from pipelines.release.rollout.outcome import rollout_outcome

    move, how = entry.transition, rollout_outcome(entry)
    what = move.stage.value if move else str(entry.outcome)
    share = (
        f"{move.share or move.shadow_share:.0%}" if move and move.share + move.shadow_share else ""
    )
    colour = "green" if entry.moves else "red" if how else "default"
    return (
        f"{entry.as_of:%Y-%m-%d}",
        entry.model,
        f"[{colour}]{what}{f': {how}' if how else ''}[/]",
        str(move.challenger if move else entry.candidate or ""),
        f"version {entry.champion_after}" if entry.champion_after else "none",
        share,
    )


def _live(
    settings: Settings, story: RolloutScenario, now: datetime, number: int, *, quiet: bool
) -> ScenarioResult:
    from pipelines.flows.release.report import ReleaseReport
    from pipelines.simulation.demo.rollout_demo import run_after_rollout, run_scenario
    from pipelines.simulation.people.forecast_clients import SettableClock, http_clients

    known = settings.model_copy(update={"serve_models": story.model})
    clock = SettableClock(story.champion.trained_at)
    declarations = live_declarations(settings)
    if not quiet:
        console.rule(f"[bold]{number}. Live traffic: {story.title}[/]")
        console.print(f"[dim]{rich_text(story.planted)}[/]\n")
    with spinner(story.title) as say:

        def progress(text: str) -> None:
            say(f"{clock.now():%d %B %Y}: {text}")

        weeks = 0

        def show(what: Retraining | ReleaseReport) -> None:
            nonlocal weeks
            if quiet:
                return
            if not isinstance(what, ReleaseReport):
                _show_retraining(what)
            elif what.action.changes_ledger or what.weeks > weeks:
                _show_release(what)
                weeks = what.weeks

        connections = connect(known, clock=clock, progress=progress)
        clients = http_clients(partial(service_here, known, clock))
        result = run_scenario(story, declarations, connections.simulation, clock, clients, show)
    if not quiet and result.outcome != story.expected:
        meant = story.expected.replace("_", " ")
        console.print(f"  [yellow]meant to be {meant}: this draw of the arms showed too little[/]")
    if not quiet and result.sold_share is None:
        console.print(f"  [dim]from an earlier run: {result.outcome.replace('_', ' ')}[/]\n")
    elif not quiet:
        sold = f"{result.sold_share:.0%} of what customers asked for was on the shelf"
        console.print(f"\n  [dim]{sold}[/]\n")
    if not result.finished:
        return result
    with spinner("writing what happened since"):
        after = run_after_rollout(story, declarations, connections.simulation, clock, now, show)
    if not quiet:
        console.print()
    return replace(result, chain=after.chain)


def _show_retraining(done: Retraining) -> None:
    version = done.candidate or "none"
    console.print(f"  {done.request.as_of:%d %B}  version {version}: ", end="")
    show_decision(done, everything=False)


def _show_release(report: ReleaseReport) -> None:
    """A move, and what it came from; or how far it is."""
    action, day = report.action, f"{report.as_of:%d %B}"
    if not action.changes_ledger:
        weeks = f"{report.weeks} of {report.planned_weeks} weeks have matured"
        console.print(f"  [dim]{day}  {action.replace('_', ' ')}  {weeks}[/]")
        return
    console.print(f"  {day}  [bold {_COLOURS.get(action, 'yellow')}]{action}[/]", end="  ")
    console.print(rich_text(report.summary), soft_wrap=True)
    if report.challenger is None:
        show_findings([f for f in report.findings if f.name.startswith(_SHOWN)], everything=True)
