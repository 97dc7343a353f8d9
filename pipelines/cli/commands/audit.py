"""``gauntlet audit``: explain the offline difference of two recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, ModelName, instant
from pipelines.cli.output import answer, console, show_findings, spinner
from pipelines.core.findings import Interval, Verdict
from pipelines.core.time import instant_text
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.gates.audit.record import Audit

NAMES = {
    "champion_training": "champion's training rows",
    "candidate_training": "candidate's training rows",
    "candidate_holdout": "candidate's own holdout",
    "live": "live points",
}
LEVEL = 0.95


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(audit)


def audit(
    name: ModelName,
    against: Annotated[
        str | None,
        typer.Option(help="a declaration (.yaml) or a version; default: the champion"),
    ] = None,
    as_of: AsOf = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also show findings that passed")
    ] = False,
    as_json: Json = False,
) -> None:
    """Split the offline difference of two recipes into model, rows and labels.

    Comparing another recipe than the champion's uses a try of the year's error budget.
    Exit code 0 when no flag stops the recipe, 1 when one does.
    """
    with spinner("connecting") as progress:
        connections = connect(progress=progress)
        connections.load_spec(name)  # report its mistakes before the libraries are loaded
        from pipelines.flows.audit import audit_recipes, choose_pair

        collaborators = connections.retraining
        pair = choose_pair(collaborators, name, against)
        done = audit_recipes(collaborators, pair, instant(as_of, collaborators.clock.now()))
    found = done.audit
    stopped = any(f.blocking and f.verdict is not Verdict.PASS for f in found.findings)
    if as_json:
        entry = None if done.entry is None else done.entry.as_json()
        answer("audit", {"stopped": stopped, **found.as_json(), "ledger_entry": entry})
    else:
        show(found, everything=everything)
        console.print(f"[dim]{rich_text(done.summary)}[/]", soft_wrap=True)
    raise typer.Exit(1 if stopped else 0)


def show(found: Audit, *, everything: bool = False) -> None:
    """The report: what decides first, then why own holdouts say something else."""
    console.print(
        f"[bold]{rich_text(found.model)}[/] against {rich_text(found.champion)}, "
        f"as of {instant_text(found.as_of)[:16]}"
    )
    for change in found.changes or ("the recipes are the same",):
        console.print(f"  {rich_text(change)}", soft_wrap=True)
    _live(found)
    _own(found)
    _moved(found)
    _distances(found)
    _luck(found)
    console.print()
    show_findings(found.findings, everything=everything)
    stopped = [f.name for f in found.findings if f.blocking and f.verdict is not Verdict.PASS]
    colour, word = ("red", "stopped by " + ", ".join(stopped)) if stopped else ("green", "no flag")
    console.print(f"\n[bold {colour}]{rich_text(word)}[/]", soft_wrap=True)


def _live(found: Audit) -> None:
    live = found.live
    if live is None:
        console.print("\non live points, the two cannot be compared")
        return
    line = (
        f"\n[bold]On live points[/] {found.metric}: candidate {live.candidate:.5g}, "
        f"champion's recipe {live.baseline:.5g}"
    )
    if live.difference is not None:
        interval = live.difference.interval(LEVEL)
        line += f", gain [bold]{live.difference.estimate:+.4g}[/] ({_interval_words(interval)})"
    console.print(line, soft_wrap=True)


def _own(found: Audit) -> None:
    own = found.own
    if own is None:
        console.print("own holdouts: the metric does not exist for every population")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column("gain on own holdouts, from", no_wrap=True)
    table.add_column("", justify="right")
    table.add_column("which is")
    rows = (
        ("new model", own.terms["model"], "same rows, same labels"),
        ("new rows", own.terms["rows"], "same model, other points to answer for"),
        ("new labels", own.terms["labels"], "same model, another rule of what is right"),
        ("together", own.total, "what offline shows; live points decide"),
    )
    for what, value, meaning in rows:
        table.add_row(what, f"{value:+.4g}", f"[dim]{meaning}[/]")
    if found.weighted is not None:
        share = found.weighted.effective_share
        table.add_row(
            "weighted to live",
            f"{found.weighted.gain:+.4g}",
            f"[dim]own holdout by its features, effective share {share:.0%}; "
            "it cannot see what no feature tells[/]",
        )
    for shift in found.shifts:
        terms = shift.terms
        table.add_row(
            f"{shift.model}, holdout to live",
            f"{terms.total:+.4g}",
            f"[dim]other features {terms.to_shared + terms.from_shared:+.4g}, "
            f"other outcome at the same features {terms.outcome:+.4g}[/]",
        )
    console.print()
    console.print(table)


def _moved(found: Audit) -> None:
    from pipelines.gates.audit.findings import describe_movement

    for moved in found.movements:
        words = describe_movement(moved.left, moved.left_share, moved.entered, moved.entered_share)
        console.print(f"{moved.population:<9} {rich_text(words)}", soft_wrap=True)


def _distances(found: Audit) -> None:
    pairs = [(each.first, each.second) for each in found.distances]
    if not pairs:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("how far apart (0.5: not at all)", "", "area (95 %)", "by"):
        table.add_column(heading, no_wrap=True)
    for first, second in dict.fromkeys(pairs):
        widest = found.distance(first, second)
        if widest is None:
            raise ValueError("the two row sets have no distance")
        interval = widest.auc.interval(LEVEL)
        table.add_row(
            NAMES[first],
            NAMES[second],
            f"{widest.auc.area:.3f} ({interval.low:.3f} to {interval.high:.3f})",
            f"{widest.columns}, {widest.method}",
        )
    console.print()
    console.print(table)


def _luck(found: Audit) -> None:
    refits = found.refits
    if refits is None:
        return
    share = refits.luck_share
    console.print(
        f"\nrefits of both recipes ({refits.how}): gain {refits.expected:+.4g} on average, "
        f"{refits.noise:.3g} by luck alone"
        + ("" if share is None else f"; [bold]{share:.0%}[/] of the apparent gain is luck"),
        soft_wrap=True,
    )


def _interval_words(interval: Interval) -> str:
    return f"{interval.level:.0%}: {interval.low:.4g} to {interval.high:.4g}"
