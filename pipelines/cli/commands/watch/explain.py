"""``gauntlet explain``: why a decision was made, on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.table import Table

from pipelines.cli.known_model import connect_known
from pipelines.cli.markup import rich_text
from pipelines.cli.options import Json, Lineage, ModelName
from pipelines.cli.output import answer, bar, console, mark, show_findings
from pipelines.core.counts import counted
from pipelines.core.errors import GauntletError
from pipelines.core.findings import Verdict, first_named
from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import LIVE
from pipelines.gates.canary.refresh_gain import PAYS
from pipelines.gates.recent_window.training_sample import TRAINING_SAMPLE
from pipelines.gates.refresh.names import is_from_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.connections import Connections
    from pipelines.release.ledger import Entry
    from pipelines.release.policy import Decision

Version = Annotated[str | None, typer.Argument(help="a version; default: the newest decision")]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(explain)


def explain(
    name: ModelName,
    version: Version = None,
    lineage: Lineage = LIVE,
    everything: Annotated[
        bool, typer.Option("--all", help="also show every finding, those that passed among them")
    ] = False,
    as_json: Json = False,
) -> None:
    """Explain a decision: what is wrong or good enough, each gate, and a replay of the verdict.

    For a version on live traffic, also show what happened there since.
    """
    with bar("judging again"):
        found = explanation(name, version, lineage)
    if as_json:
        body = {
            "entry": found.entry.as_json(),
            "replayed": found.replayed.as_json(),
            "record": found.record,
            "since": [each.as_json() for each in found.since],
        }
        answer("explanation", body)
    else:
        show_explanation(found, everything=everything)


@dataclass(frozen=True)
class Explanation:
    """Why a decision was made.

    Arguments:
        entry: the decision, as the ledger keeps it.
        replayed: the decision, judged again from the stored findings.
        record: whether the recipe's record gives the stored findings; None: it was not read.
        since: what became of the version on live traffic.
    """

    entry: Entry
    replayed: Decision
    record: str | None
    since: tuple[Entry, ...]


def explanation(name: str, version: str | None = None, lineage: str = LIVE) -> Explanation:
    """Read and replay the newest decision, or the newest about a version.

    Raises:
        GauntletError: there is no such model, lineage or decision.
    """
    from pipelines.release.ledger import replay

    connections = connect_known(name, lineage)
    chain = connections.ledger.entries(name, lineage)
    entry = _judged(name, version, lineage, chain)
    return Explanation(
        entry=entry,
        replayed=replay(entry),
        record=_record_again(connections, entry),
        since=tuple(_since(entry, chain)),
    )


def show_explanation(found: Explanation, *, everything: bool = False) -> None:
    """Print a decision and its reasons.

    Arguments:
        everything: show every finding, those that passed among them.
    """
    entry, again, record = found.entry, found.replayed, found.record
    _show_decision(entry)
    if everything:
        _show_every_gate(entry, again)
    else:
        _show_gates(entry, again)
    _show_since(found.since, everything=everything)
    _show_refresh_canaries((entry, *found.since))
    console.print(
        f"[dim]run {entry.run}, snapshot {entry.snapshot[:12]}, policy {again.policy}, evidence "
        f"{again.evidence[:12]}; judged again just now from the stored findings: the same[/]"
    )
    if record is not None:
        console.print(
            f"[dim]the weekly record of the version, judged again: {rich_text(record)}[/]"
        )
    if not everything:
        console.print("[dim]every finding: the same command with --all[/]")


def _show_decision(entry: Entry) -> None:
    """The outcome, why, and who wanted the run."""
    from pipelines.release.explanation import explain_entry

    subject = f"version {entry.candidate}" if entry.candidate else "no version"
    console.print(
        f"[bold]{entry.model}[/] {subject}, as of {instant_text(entry.as_of)}: "
        f"[bold]{entry.outcome.replace('_', ' ')}[/]"
    )
    for sentence in explain_entry(entry):
        console.print(Padding(rich_text(sentence), (0, 0, 0, 2)))
    if entry.trained is not None:
        console.print(f"[dim]{entry.trained.summary}[/]")
    sample = first_named(entry.findings, TRAINING_SAMPLE)
    if sample is not None:
        console.print(f"[dim]{rich_text(sample.reason)}[/]")
    if entry.facts is not None and entry.facts.origin:
        console.print(f"[dim]started: {rich_text(entry.facts.origin)}[/]")
    console.print()


def _show_gates(entry: Entry, again: Decision) -> None:
    """One line for each gate, with the comparison that decides where there is one."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for gate in again.gates:
        own = [finding for finding in entry.findings if finding.gate is gate.gate]
        by_name = {finding.name: finding for finding in own if finding.blocking}
        deciding = [by_name[name].reason for name in _DECIDING if name in by_name]
        checks = counted(len(own), "check")
        if gate.not_passed:
            checks = f"{len(gate.not_passed)} of {len(own)} checks did not pass"
        if gate.verdict is Verdict.PASS and deciding:
            checks = deciding[0]
        table.add_row(gate.gate.replace("_", " "), mark(gate.verdict), rich_text(checks))
    console.print(table)
    console.print()


def _show_every_gate(entry: Entry, again: Decision) -> None:
    for gate in again.gates:
        own = [finding for finding in entry.findings if finding.gate is gate.gate]
        console.print(
            f"{gate.gate.replace('_', ' ')}: {mark(gate.verdict)}, {counted(len(own), 'check')}"
        )
        show_findings(own, everything=True)
    console.print()


def _show_since(since: Sequence[Entry], *, everything: bool) -> None:
    """What became of the version on live traffic."""
    if not since:
        return
    from pipelines.release.rollout.outcome import rollout_outcome

    last = since[-1]
    console.print(f"live traffic: [bold]{rollout_outcome(last) or last.outcome}[/]")
    for move in since:
        line = f"{instant_text(move.as_of)[:10]}  {rich_text('; '.join(move.reasons))}"
        console.print(Padding(line, (0, 0, 0, 2)))
    show_findings(last.findings, everything=everything)
    console.print()


def _show_refresh_canaries(entries: Sequence[Entry]) -> None:
    """Whether the canaries of refreshes together prove that refreshing pays."""
    found = [one.reason for entry in entries for one in entry.findings if one.name == PAYS]
    for reason in found[-1:]:
        console.print(f"canaries of refreshes: {rich_text(reason)}\n")


_DECIDING = ("recent_window.primary", "recent_window.baseline", "refresh.record")  # by gate


def _record_again(connections: Connections, entry: Entry) -> str | None:
    """Whether the recipe's record gives the stored findings; ``None`` without such findings."""
    stored = tuple(filter(is_from_record, entry.findings))
    lane = "change" if entry.facts is None else entry.facts.lane
    if not stored or lane == "change" or entry.candidate is None or entry.transition is not None:
        return None
    from pipelines.flows.retrain.record import judge_again
    from pipelines.gates.champion.emergency import without_the_record
    from pipelines.release.lineages import verified_history

    try:
        version = connections.versions.load(entry.model, entry.candidate)
        history = verified_history(entry.model, connections.ledger, entry.lineage)
        again = judge_again(version, entry, history)
        if lane == "emergency":
            again = without_the_record(again)
    except (GauntletError, OSError, ValueError) as problem:
        return f"not possible, {problem.what if isinstance(problem, GauntletError) else problem}"
    return "the same findings" if again == stored else "other findings"


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
