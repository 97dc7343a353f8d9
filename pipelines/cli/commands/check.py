"""``gauntlet check``: whether a declared model is ready to be retrained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from pipelines.cli.markup import rich_text
from pipelines.cli.options import AsOf, Json, Lineage, ModelName, instant
from pipelines.cli.output import answer, console, number, spinner
from pipelines.core.counts import counted
from pipelines.core.findings import Verdict
from pipelines.core.time import instant_text
from pipelines.flows.retrain.request import LIVE, Request
from pipelines.gates.refresh.names import REPLAY
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.data.events import Progress
    from pipelines.data.profile import StreamFacts
    from pipelines.flows.check import Readiness
    from pipelines.flows.trial import DetectableGain


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(check)


def check(
    name: ModelName, as_of: AsOf = None, lineage: Lineage = LIVE, as_json: Json = False
) -> None:
    """Run a retraining's steps on few training rows; print "ready" or every problem.

    Exit code 0 when ready, 3 when not.
    """
    with spinner("reading") as progress:
        checked = run_check(name, as_of, lineage, progress)
    found = checked.readiness
    if as_json:
        problems = checked.alert_problems
        answer("readiness", {"ready": found.ready, **found.as_json(), "alert_problems": problems})
    else:
        show_check(checked)
    if not found.ready:
        raise typer.Exit(3)


@dataclass(frozen=True)
class CheckedModel:
    """What a check found.

    Arguments:
        request: the retraining that was checked.
        readiness: the result.
        alert_problems: why alerts of the model would not arrive.
        now: whether it was checked as of now.
    """

    request: Request
    readiness: Readiness
    alert_problems: tuple[str, ...]
    now: bool


def run_check(
    name: str, as_of: str | None = None, lineage: str = LIVE, progress: Progress = lambda _: None
) -> CheckedModel:
    """Check a model with the settings of the environment.

    Raises:
        GauntletError: the declaration is wrong, or something does not answer.
    """
    connections = connect(progress=progress)
    spec = connections.load_spec(name)  # a mistake in it is reported before heavy libraries
    from pipelines.flows.check import check_readiness

    request = Request(model=name, as_of=instant(as_of, connections.clock.now()), lineage=lineage)
    return CheckedModel(
        request=request,
        readiness=check_readiness(request, connections.retraining),
        alert_problems=connections.channel_problems(spec.monitor.alerts),
        now=as_of is None,
    )


def show_check(checked: CheckedModel) -> None:
    """Print what was found, and what to do next."""
    found, name = checked.readiness, checked.request.model
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
            _repeated(facts),
            ", ".join(f"{column} {share:.1%}" for column, share in missing.items()) or "none",
        )
    console.print(table)
    points = found.points
    mean = "" if points.label_mean is None else f" (mean {number(points.label_mean)})"
    console.print(
        f"\n{points.points:,} decision points of {points.entities:,} entities, "
        f"{points.matured:,} matured, {points.labelled:,} with a label{mean}\n"
        f"{_training_spans(found)}\n"
        f"recent window {found.plan.recent}: {points.recent:,} labelled"
    )
    gaps = {feature: share for feature, share in points.missing.items() if share}
    if gaps:
        listed = ", ".join(f"{feature} {share:.1%}" for feature, share in gaps.items())
        console.print(f"missing at decision points: {listed}")
    for finding in found.findings:
        if finding.name == REPLAY:
            text = f"first version: {finding.verdict}, {finding.reason}"
            console.print(rich_text(text), soft_wrap=True)
        elif finding.verdict is Verdict.FAIL and not finding.blocking:
            text = f"shown only: {finding.name}: {finding.reason}"
            console.print(rich_text(text), soft_wrap=True)
    for problem in checked.alert_problems:
        console.print(rich_text(f"alerts would not arrive: {problem}"), soft_wrap=True)
    if found.detectable is not None:
        console.print(rich_text(gain_sentence(found.detectable)), soft_wrap=True)
    if found.ready:
        then = "" if checked.now else f" --as-of {instant_text(checked.request.as_of)}"
        console.print(f"\n[bold green]ready[/]  next: `gauntlet retrain {name}{rich_text(then)}`")
        return
    console.print(f"\n[bold red]not ready[/], {counted(len(found.problems), 'problem')}:")
    for problem in found.problems:
        console.print(f"  - {rich_text(problem)}", soft_wrap=True)
    if newest := _ended(found):
        console.print(
            f"the newest event is of {newest:%Y-%m-%d}; to check as of an instant in the past: "
            f"`gauntlet check {name} --as-of {newest + timedelta(days=1):%Y-%m-%d}`",
            soft_wrap=True,
        )


def _ended(found: Readiness) -> datetime | None:
    """The newest event, if all events are older than the recent window."""
    events = [facts.last_event for facts in found.streams.values() if facts.last_event]
    newest = max(events, default=found.plan.recent.start)
    return newest if newest < found.plan.recent.start else None


def _training_spans(found: Readiness) -> str:
    plan, labelled = found.plan, f"{found.points.train:,} labelled"
    if plan.refit is None:
        return f"training span {plan.train}: {labelled}"
    return f"training span of the twin {plan.train}: {labelled}; of the refit {plan.refit}"


def gain_sentence(found: DetectableGain) -> str:
    """What the recent window detects; against a champion also what the minimum effect needs."""
    text = (
        f"the recent window detects a gain of about {found.gain:.3g} {found.metric} over the "
        f"{found.against.replace('_', ' ')} with {found.power:.0%} power at level {found.level:.3g}"
    )
    if found.against != "champion":
        return text
    text += f"; minimum_effect is {found.minimum_effect:g}"
    if found.gain <= found.minimum_effect:
        return text
    if found.days_for_minimum_effect is None:
        return f"{text}, which needs more entities"
    return f"{text}, which needs about {found.days_for_minimum_effect} days instead of {found.days}"


def _repeated(facts: StreamFacts) -> str:
    """Rows of a stream that do not count."""
    if facts.repeated is None:
        return ""
    others = f" and {facts.contradicting:,} contradicting" if facts.contradicting else ""
    return f"{facts.repeated:,}{others}"
