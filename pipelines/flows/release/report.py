"""The report of a release step: what it did, the state of the rollout, and the next check."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import Field

from pipelines.core.errors import FormatError
from pipelines.core.files import write_bytes
from pipelines.core.findings import Finding
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record
from pipelines.core.run_page import Values
from pipelines.gates.canary.look import Look
from pipelines.release.rollout.actions import NextAction, ReleaseAction
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.transition import Stage


class ReleaseReport(Record):
    """One step of a release."""

    model: str
    as_of: Instant
    action: ReleaseAction
    summary: str
    next_step: str = Field(default="", description="what a person can do, where one is needed")
    champion: str | None = Field(description="version that serves now")
    challenger: str | None = Field(
        default=None,
        description="second version on live traffic; in a holdback the former champion",
    )
    stage: Stage | None = Field(default=None, description="of the rollout")
    share: float = Field(default=0.0, description="of entities, in each arm")
    since: Instant | None = Field(default=None, description="when that stage began")
    weeks: int = Field(default=0, description="whole matured weeks that count")
    planned_weeks: int = Field(default=0, description="weeks until the end")
    findings: tuple[Finding, ...] = ()
    looks: tuple[Look, ...] = Field(default=(), description="interim analyses taken so far")
    planned_looks: tuple[int, ...] = Field(
        default=(), description="weeks after which an interim analysis is planned"
    )
    next_check: Instant | None = Field(
        default=None, description="when to run the release again; null: nothing is expected"
    )


def report_of(state: ReleaseState, action: NextAction, as_of: datetime) -> ReleaseReport:
    """Report an action and the state after it."""
    active, progress = state.active, action.progress
    return ReleaseReport(
        model=state.model,
        as_of=as_of,
        action=action.action,
        summary=action.summary,
        next_step=action.next_step,
        champion=state.champion,
        challenger=active.challenger if active else None,
        stage=active.stage if active else None,
        share=active.share if active else 0.0,
        since=state.active_since,
        weeks=progress.weeks,
        planned_weeks=progress.planned_weeks,
        findings=progress.findings,
        looks=progress.looks,
        planned_looks=progress.planned_looks,
        next_check=action.next_check,
    )


def live_chart(report: ReleaseReport) -> Values:
    """Each measured gain on live traffic with the ends of its interval, at the report's instant.

    Over the steps of a canary, those of ``canary.harm`` are its confidence sequences.
    """
    found: dict[str, list[tuple[datetime, float]]] = {}
    for one in report.findings:
        if one.value is None or one.interval is None:
            continue
        ends = {"": one.value, "/low": one.interval.low, "/high": one.interval.high}
        for end, value in ends.items():
            if value is not None:
                found[f"{one.name}{end}"] = [(report.as_of, value)]
    return found


_FORMAT = StoredFormat("the report of a release step", ReleaseReport)


def write_newest_step(folder: Path, report: ReleaseReport) -> None:
    """Keep the report of the newest step as ``<folder>/<model>.json``.

    Raises:
        OSError: the file cannot be written.
    """
    write_bytes(_newest(folder, report.model), _FORMAT.to_text(report).encode())


def newest_step(folder: Path, model: str) -> ReleaseReport | None:
    """The report of the newest step of a model's release; ``None`` if none was made.

    Raises:
        FormatError: a newer release wrote it.
    """
    path = _newest(folder, model)
    return _FORMAT.from_text(path.read_bytes(), str(path)) if path.is_file() else None


def rollout_has_changed(folder: Path, report: ReleaseReport) -> bool:
    """Whether a step changed the rollout, or another week of it has matured."""
    try:
        before = newest_step(folder, report.model)
    except FormatError:  # of a newer release; it is replaced
        return True
    return before is None or _state(before) != _state(report)


def _state(report: ReleaseReport) -> tuple[object, ...]:
    return report.champion, report.challenger, report.stage, report.share, report.weeks


def _newest(folder: Path, model: str) -> Path:
    return folder / f"{model}.json"
