"""Decisions: ``ledger``, ``champion``, ``rollback`` and ``approve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding

from pipelines.cli.known_model import connect_known
from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, Lineage, ModelName, Reason, instant, written
from pipelines.cli.output import answer, bar, console, errors, show_findings
from pipelines.core.errors import GauntletError, IntegrityError, SpecError, Unavailable
from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import LIVE
from pipelines.gates.canary.refresh_gain import PAYS
from pipelines.gates.refresh.names import STOP
from pipelines.predictions.segments import segment_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.connections import Connections
    from pipelines.core.findings import Finding
    from pipelines.release.budget import BudgetAccount
    from pipelines.release.ledger import Entry

At = Annotated[str | None, typer.Option(help="an instant, ISO 8601 with a zone; default: now")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (ledger, champion, rollback, approve):
        app.command()(command)


def ledger(name: ModelName, lineage: Lineage = LIVE, as_json: Json = False) -> None:
    """List all decisions, oldest first, with the error budget and the account of refreshes.

    Changed recipes use tries of a year's error budget. Refreshes have an account against the
    versions that they replaced.

    Checks the hash chain and its witness, and judges every decision again.
    """
    from pipelines.release.explanation import explain_entry
    from pipelines.release.verification import verified_entries

    with bar("checking the ledger"):
        connections = connect_known(name, lineage)
        book = connections.ledger
        checked = book.verify(name)
        for other in book.lineages(name):
            verified_entries(name, book, other)
        entries = verified_entries(name, book, lineage)
    account, pays = _newest(entries, STOP), _newest(entries, PAYS)
    if as_json:
        answer(
            "ledger",
            {
                "model": name,
                "lineage": lineage,
                "lineages": list(book.lineages(name)),
                "entries": [entry.as_json() for entry in entries],
                "budget": [
                    {**year.as_json(), "spent": year.spent, "left": year.left}
                    for year in _budget(connections, name, lineage, entries)
                ],
                "refreshes": None if account is None else account.as_json(),
                "refresh_canaries": None if pays is None else pays.as_json(),
            },
        )
        return
    for entry in entries:
        moved = f"{entry.champion_before or 'none'} -> {entry.champion_after or 'none'}"
        console.print(
            f"{entry.sequence:>3}  {instant_text(entry.as_of)[:10]}  "
            f"[bold {'green' if entry.moves else 'yellow'}]"
            f"{'dry run' if entry.kind == 'dry_run' else entry.outcome:<12}[/]  "
            f"candidate {_subject(entry):<4} champion "
            f"{moved if entry.moves else entry.champion_after or 'none'}"
        )
        reasons = [*([entry.trained.summary] if entry.trained else []), *explain_entry(entry)]
        if entry.facts is not None and entry.facts.origin:
            reasons.append(f"started: {entry.facts.origin}")
        console.print(Padding(f"[dim]{rich_text('; '.join(reasons))}[/]", (0, 0, 0, 5)))
    for year in _budget(connections, name, lineage, entries):
        console.print(f"error budget for changed recipes: {year.summary}")
    if account is not None:
        console.print(f"refreshes: {rich_text(account.reason)}", soft_wrap=True)
    if pays is not None:
        console.print(f"canaries of refreshes: {rich_text(pays.reason)}", soft_wrap=True)
    console.print(f"[dim]{checked} entries of {name} checked, the hash chain is whole[/]")


def champion(
    name: ModelName, at: At = None, lineage: Lineage = LIVE, as_json: Json = False
) -> None:
    """Show which version was champion at an instant, and since which decision."""
    from pipelines.release.champion_health import champion_health
    from pipelines.release.explanation import explain_entry
    from pipelines.release.ledger import training_dates
    from pipelines.release.rollout.state import ReleaseState
    from pipelines.release.verification import verified_entries

    with bar("checking the ledger"):
        connections = connect_known(name, lineage)
        moment = instant(at, connections.clock.now())
        entries = verified_entries(name, connections.ledger, lineage)
    known = [entry for entry in entries if entry.recorded_at <= moment]
    moves = [entry for entry in known if entry.moves]
    version = moves[-1].champion_after if moves else None
    segments = ReleaseState.from_entries(name, known).segments
    trained = training_dates(entries, version)
    health = champion_health(known, version)
    if as_json:
        since = moves[-1].as_json()["recorded_at"] if moves else None
        answer(
            "champion",
            {"model": name, "lineage": lineage, "at": instant_text(moment), "version": version}
            | {"since": since, "trained": trained.as_json() if trained else None}
            | {"health": health.finding.as_json() if health else None}
            | {"segments": segments.as_json() if segments else None},
        )
    elif version is None:
        console.print(f"{name} had no champion at {instant_text(moment)}")
    else:
        since = instant_text(moves[-1].recorded_at)
        console.print(
            f"version {version}, since {since}: {rich_text('; '.join(explain_entry(moves[-1])))}"
        )
        if segments is not None:
            for value, own in segments.champions.items():
                named = rich_text(f"{segments.column} {value}")
                console.print(f"{named}: version {own.version}, since {instant_text(own.since)}")
        if trained is not None:
            console.print(trained.summary)
        if health is not None:
            show_findings([health.finding], everything=True)


def rollback(
    name: ModelName,
    to: Annotated[
        str | None,
        typer.Option(help="version to restore; default: the champion before the current one"),
    ] = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(
            help="segment that returns to the champion, by its value; repeatable; the champion "
            "stays"
        ),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Restore a former champion at once, or return segments to the champion. Needs a reason.

    Safe to repeat. To go back further than one version, name the version with --to.
    """
    from pipelines.release.rollback import RollbackRequest, rollback_segments
    from pipelines.release.rollback import rollback as roll_back

    if segment and to:
        raise typer.BadParameter("give --to or --segment, not both")
    with bar("rolling back") as progress:
        connections = connect_known(name)
        head = connections.ledger.head(name)
        request = RollbackRequest(
            name, run=f"rollback-after-{head.sequence if head else 0}", reason=reason, to=to
        )
        about = connections.ledger, connections.registry, connections.clock
        if segment:
            entry = rollback_segments(request, segment, *about)
        else:
            entry = roll_back(
                request,
                *about,
                check_servable=lambda version: _check_servable(connections, name, version),
            )
        if entry.champion_after is None:
            raise ValueError("a rollback entry has no champion")
        progress("updating the pages in MLflow")
        unfilled = [
            *_untold(connections, name),
            *_missing_online(connections, name, entry.champion_after),
        ]
    if as_json:
        answer("rollback", {"entry": entry.as_json(), "unfilled": unfilled})
    else:
        console.print(f"champion of {name}: {_changed_text(entry)}")
        for problem in unfilled:
            console.print(f"[yellow]to do:[/] {rich_text(problem)}", soft_wrap=True)


def _changed_text(entry: Entry) -> str:
    """What a rollback changed."""
    if entry.segments is None:
        return f"{entry.champion_before} -> {entry.champion_after}"
    named = segment_words(entry.segments.column, entry.segments.values)
    return f"version {entry.champion_after} answers {rich_text(named)} again"


def _untold(connections: Connections, name: str) -> list[str]:
    """What is wrong with the pages in MLflow; the rollback stands, whatever is away."""
    from pipelines.flows.release.pages import update_model_pages

    try:
        owner = connections.load_spec(name).owner
        update_model_pages(name, connections.ledger.entries(name), connections.registry, owner)
    except GauntletError as problem:
        return [f"the next `gauntlet release {name}` tells it in MLflow: {problem.what}"]
    return []


def _check_servable(connections: Connections, name: str, version: str) -> None:
    """Refuse a damaged version: services would, and go on with the one that is to be rid of."""
    try:
        connections.versions.load(name, version)
    except IntegrityError as cause:
        raise IntegrityError(
            f"version {version} is damaged, nothing was rolled back",
            where=f"{name} version {version}",
            got=f"{cause.what}: {cause.got}",
            wanted=cause.wanted,
            hint="name another former champion with --to, or restore its files",
        ) from cause
    except Unavailable:
        return  # at once: services have their own copies


def _missing_online(connections: Connections, name: str, version: str) -> list[str]:
    """What production lacks of a version's features; the rollback stands, whatever is away."""
    from pipelines.flows.features.store_gaps import missing_online

    try:
        spec = connections.versions.load(name, version).spec
        return missing_online(spec, connections.clock.now(), connections.online)
    except GauntletError as problem:
        return [f"look whether version {version} has its features online: {problem.what}"]


def approve(
    name: ModelName,
    version: Annotated[str, typer.Argument(help="the version that awaits review")],
    by: Annotated[str, typer.Option(help="name of the person who decides", callback=written)],
    evidence: Annotated[
        str, typer.Option(help="the evidence hash shown on the review page, or its first 8 digits")
    ],
    refuse: Annotated[bool, typer.Option("--refuse", help="reject instead of approving")] = False,
    note: Annotated[str, typer.Option(help="note, kept in the ledger", callback=written)] = "",
    as_json: Json = False,
) -> None:
    """Approve or reject a version that awaits review. Applies to the named evidence only."""
    from pipelines.release.approval import ReviewAnswer, answer_review

    given = ReviewAnswer(by=by, evidence=evidence, approved=not refuse, note=note)
    with bar("recording the answer"):
        connections = connect_known(name)
        entry = answer_review(
            name, version, given, connections.ledger, connections.registry, connections.clock
        )
    if as_json:
        answer("review", {"entry": entry.as_json()})
    else:
        console.print(f"{entry.outcome}: {rich_text('; '.join(entry.reasons))}")


def _subject(entry: Entry) -> str:
    """The version that an entry is about: judged, or moved on live traffic."""
    return entry.candidate or (entry.transition.challenger if entry.transition else "-")


def _newest(entries: Sequence[Entry], name: str) -> Finding | None:
    """The newest finding of this name."""
    found = (one for entry in reversed(entries) for one in entry.findings)
    return next((one for one in found if one.name == name), None)


def _budget(
    connections: Connections, name: str, lineage: str, entries: Sequence[Entry]
) -> tuple[BudgetAccount, ...]:
    """The years' accounts; a ledger is read also when its model is not declared any more."""
    from pipelines.release.budget import budget_accounts

    try:
        declared = connections.load_spec(name).gates.budget
    except SpecError as problem:
        errors.print(f"[yellow]no error budget is shown:[/] {rich_text(problem.what)}")
        return ()
    return budget_accounts(
        entries, declared, connections.clock.now().year if lineage == LIVE else None
    )
