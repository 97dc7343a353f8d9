"""``gauntlet check``: whether a declared model is ready to be retrained."""

from __future__ import annotations

import typer
from rich.markup import escape
from rich.table import Table

from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, console, number, spinner
from pipelines.core.time import instant_text
from pipelines.wiring import connect


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(check)


def check(name: ModelName, as_of: AsOf = None, as_json: Json = False) -> None:
    """Check declaration, suite and events; print "ready" or every problem.

    Exit code 0 when ready, 3 when not.
    """
    with spinner("reading") as progress:
        connections = connect(progress=progress)
        spec = connections.load_spec(name)
        suite = connections.load_suite(spec, thorough=True)
        from pipelines.flows.check import check_readiness

        found = check_readiness(
            spec,
            suite,
            instant(as_of, connections.clock.now()),
            events=connections.open_events(spec),
            online=connections.online,
            suite_runner=connections.suite_runner,
        )
    if as_json:
        answer("readiness", {"ready": found.ready, **found.as_json()})
        raise typer.Exit(0 if found.ready else 3)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("stream", "rows", "first event", "last event", "repeated", "missing"):
        table.add_column(heading)
    for stream, facts in found.streams.items():
        missing = {column: share for column, share in facts.missing_share.items() if share}
        table.add_row(
            stream,
            f"{facts.rows:,}",
            instant_text(facts.first_event)[:10] if facts.first_event else "",
            instant_text(facts.last_event)[:10] if facts.last_event else "",
            "" if facts.repeated is None else f"{facts.repeated:,}",
            ", ".join(f"{column} {share:.1%}" for column, share in missing.items()) or "none",
        )
    console.print(table)
    points = found.points
    console.print(
        f"\n{points.points:,} decision points of {points.entities:,} entities, "
        f"{points.matured:,} matured, {points.labelled:,} with a label "
        f"(mean {number(points.label_mean)})\n"
        f"training span {found.plan.train}: {points.train:,} labelled\n"
        f"recent window {found.plan.recent}: {points.recent:,} labelled"
    )
    gaps = {feature: share for feature, share in points.missing.items() if share}
    if gaps:
        listed = ", ".join(f"{feature} {share:.1%}" for feature, share in gaps.items())
        console.print(f"missing at decision points: {listed}")
    if found.ready:
        console.print(f"\n[bold green]ready[/]  next: `gauntlet retrain {name}`")
        return
    console.print(f"\n[bold red]not ready[/], {len(found.problems)} problem(s):")
    for problem in found.problems:
        console.print(f"  - {escape(problem)}", soft_wrap=True)
    raise typer.Exit(3)
