"""Decisions and their reasons: ``ledger``, ``explain``, ``champion``, ``rollback``, ``approve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.padding import Padding

from pipelines.cli.options import Json, Lineage, ModelName, Reason, instant, written
from pipelines.cli.output import answer, console, errors, mark, show_findings
from pipelines.core.errors import GauntletError, IntegrityError, SpecError, Unavailable
from pipelines.core.findings import Gate, Verdict
from pipelines.core.names import unknown_name
from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import LIVE
from pipelines.gates.refresh.names import STOP, is_from_record
from pipelines.wiring import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.connections import Connections
    from pipelines.core.findings import Finding
    from pipelines.release.budget import BudgetAccount
    from pipelines.release.ledger import Entry

Version = Annotated[str | None, typer.Argument(help="a version; default: the newest decision")]
At = Annotated[str | None, typer.Option(help="an instant, ISO 8601 with a zone; default: now")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (ledger, explain, champion, rollback, approve):
        app.command()(command)


def _connect(name: str, lineage: str = LIVE) -> Connections:
    """Connect, and check that the model and its lineage exist.

    A ledger is read also when its model is not declared any more.

    Raises:
        SpecError: the model is neither declared nor in the ledger, or it has no such lineage.
    """
    connections = connect()
    lineages = connections.ledger.lineages(name)
    if lineage in lineages or connections.ledger.witnessed(name, lineage) is not None:
        return connections
    if not lineages:
        connections.load_spec(name)
    if lineage != LIVE:
        raise unknown_name(
            "this model has no such lineage", lineage, (LIVE, *lineages), where=f"ledger of {name}"
        )
    return connections


def ledger(name: ModelName, lineage: Lineage = LIVE, as_json: Json = False) -> None:
    """List all decisions, oldest first, with the two purses that they are paid from.

    Changed recipes use tries of a year's error budget. Refreshes have an account against the
    versions that they replaced.

    Checks the hash chain and its witness, and judges every decision again.
    """
    from pipelines.release.verification import verified_entries

    connections = _connect(name, lineage)
    book = connections.ledger
    checked = book.verify(name)
    for other in book.lineages(name):
        verified_entries(name, book, other)
    entries = verified_entries(name, book, lineage)
    account = _refresh_account(entries)
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
        reasons = [*([entry.trained.summary] if entry.trained else []), *entry.reasons]
        console.print(Padding(f"[dim]{escape('; '.join(reasons))}[/]", (0, 0, 0, 5)))
    for year in _budget(connections, name, lineage, entries):
        console.print(f"error budget for changed recipes: {year.summary}")
    if account is not None:
        console.print(f"refreshes: {escape(account.reason)}", soft_wrap=True)
    console.print(f"[dim]{checked} entries of {name} checked, the hash chain is whole[/]")


def explain(
    name: ModelName,
    version: Version = None,
    lineage: Lineage = LIVE,
    everything: Annotated[
        bool, typer.Option("--all", help="also show every contract check that passed")
    ] = False,
    as_json: Json = False,
) -> None:
    """Explain a decision: gates, findings, and a replay of the verdict.

    For a version on live traffic, also show what happened there since.
    """
    from pipelines.release.ledger import replay
    from pipelines.release.rollout.outcome import rollout_outcome

    connections = _connect(name, lineage)
    chain = connections.ledger.entries(name, lineage)
    entry = _judged(name, version, lineage, chain)
    again, since = replay(entry), _since(entry, chain)
    record = _record_again(connections, entry, chain)
    if as_json:
        body = {"entry": entry.as_json(), "replayed": again.as_json(), "record": record}
        answer("explanation", body | {"since": [each.as_json() for each in since]})
        return
    subject = f"version {entry.candidate}" if entry.candidate else "no version"
    console.print(
        f"[bold]{name}[/] {subject}, as of {instant_text(entry.as_of)}: [bold]{entry.outcome}[/]"
    )
    console.print(escape("; ".join(entry.reasons)), soft_wrap=True)
    if entry.trained is not None:
        console.print(entry.trained.summary)
    console.print()
    for gate in again.gates:
        own = [finding for finding in entry.findings if finding.gate is gate.gate]
        brief = gate.gate is Gate.CONTRACT and not everything
        shown = [f for f in own if not (brief and f.verdict is Verdict.PASS)]
        console.print(f"{gate.gate.replace('_', ' ')}: {mark(gate.verdict)}, {len(own)} checks")
        show_findings(shown, everything=True)
    if since:
        console.print(f"live traffic: [bold]{rollout_outcome(since[-1]) or since[-1].outcome}[/]")
    for move in since:
        line = f"{instant_text(move.as_of)[:10]}  {escape('; '.join(move.reasons))}"
        console.print(Padding(line, (0, 0, 0, 2)))
    show_findings(since[-1].findings if since else (), everything=True)
    console.print()
    console.print(
        f"[dim]run {entry.run}, snapshot {entry.snapshot[:12]}, policy {again.policy}, evidence "
        f"{again.evidence[:12]}; judged again just now from the stored findings: the same[/]"
    )
    if record is not None:
        console.print(f"[dim]the weekly record of the version, judged again: {escape(record)}[/]")


def champion(
    name: ModelName, at: At = None, lineage: Lineage = LIVE, as_json: Json = False
) -> None:
    """Show which version was champion at an instant, and since which decision."""
    from pipelines.release.champion_health import champion_health
    from pipelines.release.ledger import training_dates
    from pipelines.release.verification import verified_entries

    connections = _connect(name, lineage)
    moment = instant(at, connections.clock.now())
    entries = verified_entries(name, connections.ledger, lineage)
    moves = [entry for entry in entries if entry.moves and entry.recorded_at <= moment]
    version = moves[-1].champion_after if moves else None
    trained = training_dates(entries, version)
    health = champion_health(entries, version, moment)
    if as_json:
        since = moves[-1].as_json()["recorded_at"] if moves else None
        answer(
            "champion",
            {"model": name, "lineage": lineage, "at": instant_text(moment), "version": version}
            | {"since": since, "trained": trained.as_json() if trained else None}
            | {"health": health.as_json() if health else None},
        )
    elif version is None:
        console.print(f"{name} had no champion at {instant_text(moment)}")
    else:
        since = instant_text(moves[-1].recorded_at)
        console.print(f"version {version}, since {since}: {escape('; '.join(moves[-1].reasons))}")
        if trained is not None:
            console.print(trained.summary)
        if health is not None:
            show_findings([health], everything=True)


def rollback(
    name: ModelName,
    to: Annotated[
        str | None,
        typer.Option(help="version to restore; default: the champion before the current one"),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Restore a former champion at once. Needs a reason.

    Safe to repeat. To go back further than one version, name the version with --to.
    """
    from pipelines.release.rollback import RollbackRequest
    from pipelines.release.rollback import rollback as roll_back

    connections = _connect(name)
    head = connections.ledger.head(name)
    entry = roll_back(
        RollbackRequest(
            name, run=f"rollback-after-{head.sequence if head else 0}", reason=reason, to=to
        ),
        connections.ledger,
        connections.registry,
        connections.clock,
        check_servable=lambda version: _check_servable(connections, name, version),
    )
    if entry.champion_after is None:
        raise ValueError("a rollback entry has no champion")
    unfilled = [
        *_untold(connections, name),
        *_missing_online(connections, name, entry.champion_after),
    ]
    if as_json:
        answer("rollback", {"entry": entry.as_json(), "unfilled": unfilled})
    else:
        console.print(f"champion of {name}: {entry.champion_before} -> {entry.champion_after}")
        for problem in unfilled:
            console.print(f"[yellow]to do:[/] {escape(problem)}", soft_wrap=True)


def _untold(connections: Connections, name: str) -> list[str]:
    """What is wrong with the pages in MLflow; the rollback stands, whatever is away."""
    from pipelines.flows.release.pages import update_model_pages

    try:
        update_model_pages(name, connections.ledger.entries(name), connections.registry)
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

    connections = _connect(name)
    given = ReviewAnswer(by=by, evidence=evidence, approved=not refuse, note=note)
    entry = answer_review(
        name, version, given, connections.ledger, connections.registry, connections.clock
    )
    if as_json:
        answer("review", {"entry": entry.as_json()})
    else:
        console.print(f"{entry.outcome}: {escape('; '.join(entry.reasons))}")


def _subject(entry: Entry) -> str:
    """The version that an entry is about: judged, or moved on live traffic."""
    return entry.candidate or (entry.transition.challenger if entry.transition else "-")


def _record_again(connections: Connections, entry: Entry, chain: Sequence[Entry]) -> str | None:
    """Whether the recipe's record gives the stored findings; ``None`` without such findings."""
    stored = tuple(filter(is_from_record, entry.findings))
    lane = "change" if entry.facts is None else entry.facts.lane
    if not stored or lane == "change" or entry.candidate is None or entry.transition is not None:
        return None
    from pipelines.flows.retrain.record import judge_again
    from pipelines.gates.champion.emergency import without_the_record

    try:
        version = connections.versions.load(entry.model, entry.candidate)
        again = judge_again(version, entry, chain)
        if lane == "emergency":
            again = without_the_record(again)
    except (GauntletError, OSError, ValueError) as problem:
        return f"not possible, {problem.what if isinstance(problem, GauntletError) else problem}"
    return "the same findings" if again == stored else "other findings"


def _refresh_account(entries: Sequence[Entry]) -> Finding | None:
    """The newest finding about what refreshes gained or lost against replaced versions."""
    found = (one for entry in reversed(entries) for one in entry.findings)
    return next((one for one in found if one.name == STOP), None)


def _budget(
    connections: Connections, name: str, lineage: str, entries: Sequence[Entry]
) -> tuple[BudgetAccount, ...]:
    """The years' accounts; a ledger is read also when its model is not declared any more."""
    from pipelines.release.budget import budget_accounts

    try:
        declared = connections.load_spec(name).gates.budget
    except SpecError as problem:
        errors.print(f"[yellow]no error budget is shown:[/] {escape(problem.what)}")
        return ()
    return budget_accounts(
        entries, declared, connections.clock.now().year if lineage == LIVE else None
    )


def _judged(name: str, version: str | None, lineage: str, chain: Sequence[Entry]) -> Entry:
    """The newest decision, or the newest about a version."""
    entries = [entry for entry in chain if entry.decision is not None]
    wanted = [e for e in entries if version is None or e.candidate == version]
    if not wanted:
        raise GauntletError(
            "there is no such decision",
            where=f"ledger of {name}, lineage {lineage}",
            got=f"version {version}" if version else "an empty ledger",
            wanted=f"one of {[e.candidate for e in entries if e.candidate]}" if entries else "",
            hint=f"`gauntlet retrain {name}` makes one",
        )
    return wanted[-1]


def _since(entry: Entry, chain: Sequence[Entry]) -> list[Entry]:
    """What became of a version on live traffic after it was judged."""
    from pipelines.reporting.rollout_page import rollout_histories

    mine = [one for one in rollout_histories(chain) if one.version == entry.candidate]
    moves = [move for one in mine for move in (*one.transitions, one.replaced) if move is not None]
    return [move for move in moves if move.sequence > entry.sequence]
