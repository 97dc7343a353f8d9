"""The demonstration's second half: challengers on live traffic, shown step by step."""

from __future__ import annotations

import shutil
from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table

from pipelines.cli.commands.retrain import show_decision
from pipelines.cli.markup import rich_text
from pipelines.cli.output import console, show_findings, show_table, spinner
from pipelines.settings import Settings
from pipelines.wiring import connect, service_here

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.flows.release.report import ReleaseReport
    from pipelines.flows.retrain.steps import Retraining
    from pipelines.release.ledger import Entry
    from pipelines.simulation.demo.rollout_demo import ScenarioResult
    from pipelines.simulation.demo.scenarios import RolloutScenario

ENDED = "finished"  # a file in the home of a scenario that has run to its end
_COLOURS = {"promoted": "green", "rolled_back": "red", "ended": "red"}
_SHOWN = ("canary.harm.", "canary.primary", "canary.guardrail.", "canary.corrected_gain")


def show_live_scenarios(settings: Settings, first: int, *, quiet: bool) -> list[ScenarioResult]:
    """One challenger that is promoted by its canary, and one that is rolled back.

    Arguments:
        settings: of the demonstration; each scenario has its own home under ``<home>/live``.
        first: number of the first scenario.
        quiet: print nothing.
    """
    from pipelines.simulation.demo.scenarios import BETTER_FORECAST, MEDIAN_FORECAST

    return [
        _live(settings, story, first + number, quiet=quiet)
        for number, story in enumerate((BETTER_FORECAST, MEDIAN_FORECAST))
    ]


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
    settings: Settings, story: RolloutScenario, number: int, *, quiet: bool
) -> ScenarioResult:
    from pipelines.flows.release.report import ReleaseReport
    from pipelines.simulation.demo.rollout_demo import Declarations, run_scenario
    from pipelines.simulation.people.forecast_clients import SettableClock, http_clients

    known, clock = settings.apart(story.model), SettableClock(story.champion.trained_at)
    declarations = Declarations(
        known.home, settings.models / "demand.yaml", settings.expectations / "demand.json"
    )
    _clear_what_was_cut_off(known.home)
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
    (known.home / ENDED).touch()
    if not quiet and result.outcome != story.expected:
        meant = story.expected.replace("_", " ")
        console.print(f"  [yellow]meant to be {meant}: this draw of the arms showed too little[/]")
    if not quiet and result.sold_share is None:
        console.print(f"  [dim]from an earlier run: {result.outcome.replace('_', ' ')}[/]\n")
    elif not quiet:
        sold = f"{result.sold_share:.0%} of what customers asked for was on the shelf"
        console.print(f"\n  [dim]{sold}[/]\n")
    return result


def _clear_what_was_cut_off(home: Path) -> None:
    """Remove a scenario that was killed: it cannot go on, because stock levels are not stored."""
    if home.exists() and not (home / ENDED).exists():
        shutil.rmtree(home)


def _show_retraining(done: Retraining) -> None:
    version = done.version.version if done.version else "none"
    console.print(f"  {done.run.request.as_of:%d %B}  version {version}: ", end="")
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
