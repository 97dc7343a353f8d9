"""``gauntlet demo``: a pharmacy chain on six Mondays, and two challengers on live traffic."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from pipelines.cli.commands.demo_live import (
    live_declarations,
    show_live_scenarios,
    show_moves,
    show_waiting,
)
from pipelines.cli.commands.retrain import show_decision, show_step
from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json
from pipelines.cli.output import answer, console, spinner
from pipelines.core.errors import GauntletError
from pipelines.core.time import FixedClock, Window, instant_text
from pipelines.flows.retrain.request import Request
from pipelines.settings import Settings
from pipelines.stores import open_store
from pipelines.wiring import SystemClock, connect

if TYPE_CHECKING:
    from datetime import datetime

    from pipelines.flows.features.materialize import MaterializeReport
    from pipelines.flows.retrain.steps import Retraining
    from pipelines.simulation.demo.retrain_demo import DemoRun
    from pipelines.simulation.demo.rollout_demo import ScenarioResult

MODEL = "demand"
_NO_TRAFFIC = (
    "models/demand.yaml declares a rollout. These retrainings have no live traffic, so they leave "
    "it out: a candidate that passes the offline gates is promoted. Live traffic comes after them. "
    "They are weeks apart, too few for a record of what age costs, so each refresh is tested by "
    "itself (`gates.refresh.evidence: tested`)."
)
_QUIET = timedelta(days=2)  # every feed has events of every day


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(demo)


def demo(as_json: Json = False) -> None:
    """Simulate pharmacies: six weekly retrainings, then two challengers on live traffic.

    The story ends on the newest Monday, and the events go on until today. Uses files and SQLite in
    the home folder, and runs the service in this process. A second run finds the results of the
    first and adds the days since. Exit code 1 when a decision differs from the expected one. The
    canary arms are drawn anew, so a canary may rarely be inconclusive; the output says so.
    """
    from pipelines.simulation.demo.calendar import demo_calendar
    from pipelines.simulation.demo.retrain_demo import RETRAIN_DEMO
    from pipelines.simulation.writing import write_days, write_world

    settings, now = _embedded(), SystemClock().now()
    began = perf_counter()
    calendar = demo_calendar(settings.home, now)
    story = RETRAIN_DEMO.moved(calendar.weeks_from(RETRAIN_DEMO.ends))
    with spinner("writing the events of ten months"):
        world, store = story.world(), open_store(settings.store_address)
        rows = write_world(world, store, Window(story.begins, story.ends))
        write_days(world, store, Window(story.ends, now))
    if not as_json:
        listed = ", ".join(f"{count:,} of {stream}" for stream, count in rows.items())
        console.print(f"A pharmacy chain from {story.begins:%d %B %Y}: events {listed}.")
        console.print(f"[dim]{_NO_TRAFFIC}[/]\n")
    results = []
    for number, run in enumerate(story.runs, 1):
        done = _retrain(settings, run, number, quiet=as_json)
        results.append((run, done, _became(done)))
    lived = show_live_scenarios(settings, calendar, now, len(results) + 1, quiet=as_json)
    with spinner("filling the online store as of now"):
        _fill(settings, now, [MODEL, *(one.scenario.model for one in lived)])
    wrong = [run.title for run, _, became in results if became != run.expected]
    other = [one.scenario.title for one in lived if one.outcome != one.scenario.expected]
    if as_json:
        runs = [_as_dict(*one) for one in results]
        live = [_live_as_dict(one) for one in lived]
        answer("demo", {"chapters": runs, "live": live, "unexpected": wrong + other})
    else:
        _summary(results)
        console.rule("[bold]Live traffic, move by move[/]")
        show_moves(lived)
        show_waiting(connect(settings))
        console.print(f"\n{perf_counter() - began:.0f} seconds. What to look at now:")
        console.print("  gauntlet status               every model, and what waits for you")
        console.print("  gauntlet ledger replenishment every decision of a model, and why")
        console.print("  gauntlet explain demand       the last one, judged again")
        console.print("  make up                       MLflow and Airflow, with these models")
    if wrong:
        raise GauntletError(
            "the demonstration ended with an unexpected decision",
            got=f"in {', '.join(wrong)}",
            hint="a gate or the simulation has changed: see `gauntlet ledger demand`",
        )


def _embedded() -> Settings:
    """The settings, which must be the embedded default: no real store or registry is written to.

    Raises:
        GauntletError: a setting names a store or a server, or the user has files of, or decisions
            about, a model with the name of one of the demonstration.
    """
    settings = Settings()
    given = [
        f"GAUNTLET_{name.upper()}"
        for name in ("store", "mlflow_uri", "ledger_url", "online_url")
        if getattr(settings, name)
    ]
    if given:
        raise GauntletError(
            "the demonstration runs on the embedded default only",
            got=f"{', '.join(given)} is set",
            hint=f"unset it: env {' '.join(f'-u {name}' for name in given)} gauntlet demo",
        )
    _check_names(settings)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return settings


def _check_names(settings: Settings) -> None:
    """Check that no model of the user has the name of one of the demonstration."""
    from pipelines.simulation.demo.calendar import has_demo
    from pipelines.simulation.demo.scenarios import LIVE_SCENARIOS

    for scenario in LIVE_SCENARIOS:
        live_declarations(settings).check(scenario)
    if has_demo(settings.home):
        return
    ledger = connect(settings).ledger
    models = (MODEL, *(one.model for one in LIVE_SCENARIOS))
    decided = [model for model in models if ledger.lineages(model)]
    if decided:
        raise GauntletError(
            "the home has decisions that are not of this demonstration",
            where=str(settings.home),
            got=f"decisions about {', '.join(decided)}",
            hint="run it in another home: GAUNTLET_HOME=.gauntlet-demo gauntlet demo",
        )


def _retrain(settings: Settings, run: DemoRun, number: int, *, quiet: bool) -> Retraining:
    from pipelines.flows.features.materialize import materialize
    from pipelines.flows.mark_broken import MarkCollaborators, mark_broken
    from pipelines.flows.retrain.steps import retrain
    from pipelines.simulation.demo.retrain_demo import MARKED_AFTER, demo_declaration

    if not quiet:
        console.rule(f"[bold]{number}. Monday {run.as_of:%d %B %Y}: {run.title}[/]")
        console.print(f"[dim]{rich_text(run.planted)}[/]\n")
    with spinner("retraining") as progress:
        connections = connect(settings, clock=FixedClock(run.as_of), progress=progress)
        offline = demo_declaration(connections.load_spec(MODEL))
        connections = replace(connections, load_spec=lambda _: offline)
        filled = materialize(MODEL, run.as_of, connections.materialization)
        if not quiet:
            _show_filled(filled)
        request = Request(model=MODEL, as_of=run.as_of, reason=run.title)
        done = retrain(request, connections.retraining, (lambda _: None) if quiet else show_step)
        if run.broken is not None:
            later = connect(settings, clock=FixedClock(run.as_of + MARKED_AFTER))
            using = MarkCollaborators(later.load_spec, later.ledger, later.lock, later.clock)
            mark_broken(MODEL, run.broken, run.title, using)
    if not quiet:
        console.print()
        show_decision(done, everything=False)
        if run.broken is not None:
            console.print(f"  marked  {rich_text(run.broken.text)}", soft_wrap=True)
        console.print()
    return done


def _fill(settings: Settings, now: datetime, models: list[str]) -> None:
    """Fill the online store, so that the next run finds the features of today."""
    from pipelines.flows.features.materialize import materialize

    connections = connect(settings, clock=FixedClock(now))
    for model in models:
        materialize(model, now, connections.materialization)


def _show_filled(filled: MaterializeReport) -> None:
    """What became of the online store, and which feeds have stopped."""
    rows = sum(view.rows for view in filled.views)
    text = f"{len(filled.views)} views, {rows:,} entities written"
    console.print(f"  {'materialize':<12} [green]done[/]  {text}", soft_wrap=True)
    for view in filled.views:
        if view.last_event and filled.as_of - view.last_event > _QUIET:
            text = f"{view.view}: newest event {instant_text(view.last_event)}"
            console.print(f"  {'':<12} [yellow]silent[/]  {text}", soft_wrap=True)


def _became(done: Retraining) -> str:
    if done.decision.outcome.moves:
        return "promoted"
    return "not_promoted" if done.candidate else "stopped_by_contract"


def _summary(results: list[tuple[DemoRun, Retraining, str]]) -> None:
    console.rule("[bold]What happened[/]")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("as of", "", "outcome", "champion after"):
        table.add_column(heading)
    for run, done, became in results:
        colour = {"promoted": "green", "not_promoted": "default"}.get(became, "red")
        before = done.identity.champion or "none"
        after = done.candidate if became == "promoted" else before
        table.add_row(
            f"{run.as_of:%Y-%m-%d}",
            run.title,
            f"[{colour}]{became.replace('_', ' ')}[/]",
            f"version {after}",
        )
    console.print(table)


def _as_dict(run: DemoRun, done: Retraining, became: str) -> dict[str, object]:
    return {
        "as_of": run.as_json()["as_of"],
        "title": run.title,
        "expected": run.expected,
        "became": became,
        "outcome": done.decision.outcome.value,
        "against": [
            finding.name
            for finding in done.findings
            if finding.verdict != "pass" and finding.blocking
        ],
    }


def _live_as_dict(result: ScenarioResult) -> dict[str, object]:
    return {
        "model": result.scenario.model,
        "title": result.scenario.title,
        "expected": result.scenario.expected,
        "became": result.outcome,
        "harms": list(result.harms),
        "moves": [
            {"as_of": entry.as_json()["as_of"], "stage": entry.transition.stage.value}
            for entry in result.chain
            if entry.transition
        ],
    }
