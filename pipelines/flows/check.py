"""Checks whether a model is ready: its events, their suite, and the matured decision points."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipelines.core.findings import Finding, Verdict
from pipelines.core.records import Instant, Record
from pipelines.data.profile import StreamFacts, stream_facts
from pipelines.data.reader import EventReader
from pipelines.features.online.store import OnlineStore
from pipelines.flows.features.store_gaps import missing_online
from pipelines.flows.frames import touches
from pipelines.flows.retrain.contract import fresh_rows
from pipelines.gates.canary.sample_size import sample_size_problems
from pipelines.gates.contract.findings import contract_findings
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan, split_plan

if TYPE_CHECKING:
    from pipelines.quality.suite import SuiteRunner


class PointFacts(Record):
    """Decision points as of an instant."""

    points: int
    entities: int
    matured: int
    labelled: int = Field(description="matured points that have a label")
    train: int = Field(description="labelled points of the training span")
    recent: int = Field(description="labelled points of the recent window")
    label_mean: float | None = Field(description="mean label, or the share of the positive class")
    missing: dict[str, float] = Field(description="share of points at which a feature is missing")


class Readiness(Record):
    """What ``gauntlet check`` found."""

    model: str
    as_of: Instant
    plan: SplitPlan
    streams: dict[str, StreamFacts]
    points: PointFacts
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether a retraining as of this instant, including its canary, could reach a verdict."""
        return not self.problems


def check_readiness(
    spec: ModelSpec,
    suite: Mapping[str, Any],
    as_of: datetime,
    *,
    events: EventReader,
    online: OnlineStore,
    suite_runner: SuiteRunner,
) -> Readiness:
    """Read everything that a retraining would read, without training.

    Arguments:
        spec: the declaration.
        suite: its hand-written suite.
        as_of: zoned, not in the future.
        events: reads its streams.
        online: the online store of production.
        suite_runner: runs suites on tables.

    Raises:
        GauntletError: something cannot be read. All other problems are reported together.
    """
    from pipelines.features.frame import build_frame

    lacking = missing_online(spec, as_of, online)
    snapshot = events.snapshot(spec.streams, as_of)
    plan = split_plan(spec, as_of)
    with events.tables(snapshot, spec.streams) as tables:
        events.progress("looking at the streams")
        facts = {name: stream_facts(tables[name], spec.streams[name]) for name in tables}
        fresh = fresh_rows(spec, tables, as_of)
        findings = contract_findings(suite, fresh, suite_runner, "suite", spec.points.stream)
        events.progress("making decision points")
        frame = build_frame(spec.frame, tables, as_of)
        points = _points(frame, spec, plan)
        events.progress("counting who a canary would have")
        lacking += sample_size_problems(spec, frame, tables, as_of)
    return Readiness(
        model=spec.name,
        as_of=as_of,
        plan=plan,
        streams=facts,
        points=points,
        findings=tuple(findings),
        problems=(*_problems(spec, points, findings), *lacking),
    )


def _points(frame: Any, spec: ModelSpec, plan: SplitPlan) -> PointFacts:
    for stretch in spec.split.exclude:
        frame = frame.filter(~touches(stretch, frame.decision_time, frame.matured_at))
    frame = frame.cache()
    positive = frame.label if frame.label.type().is_numeric() else None
    has_label = frame.label.notnull()
    matured = frame.matured_at <= plan.as_of.replace(tzinfo=None)

    def within(window: Any) -> Any:
        start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
        return has_label & (frame.decision_time >= start) & (frame.decision_time < end)

    totals = frame.aggregate(
        points=frame.count(),
        matured=matured.sum(),
        labelled=(matured & has_label).sum(),
        train=within(plan.train).sum(),
        recent=within(plan.recent).sum(),
        label_mean=(positive.mean() if positive is not None else frame.count().nullif(-1) * 0.0),
        **{f"missing_{name}": frame[name].isnull().mean() for name in spec.feature_names},
    ).to_pandas()
    row = totals.iloc[0]
    entities = frame.select(*spec.points.keys).distinct().count().execute()
    count = {
        name: int(row[name]) if row["points"] else 0
        for name in ("points", "matured", "labelled", "train", "recent")
    }
    mean = row["label_mean"] if positive is not None and count["labelled"] else None
    return PointFacts(
        **count,
        entities=int(entities),
        label_mean=None if mean is None else float(mean),
        missing={
            name: float(row[f"missing_{name}"]) if count["points"] else 1.0
            for name in spec.feature_names
        },
    )


def _problems(spec: ModelSpec, points: PointFacts, findings: list[Finding]) -> list[str]:
    enough = spec.gates.recent_window.minimum_rows
    alike: dict[str, list[str]] = {}
    for finding in findings:
        if finding.blocking and finding.verdict is not Verdict.PASS:
            alike.setdefault(finding.reason, []).append(finding.name)
    problems = [f"{', '.join(names)}: {reason}" for reason, names in alike.items()]
    if not points.points:
        problems.append("there is no decision point: no entity was active, or no event qualifies")
    for name, rows in (("training span", points.train), ("recent window", points.recent)):
        if rows < enough:
            problems.append(
                f"the {name} holds {rows} labelled points, wanted {enough}: "
                "wait for more events, or declare a longer one"
            )
    problems += [
        f"feature {name} is missing at every decision point"
        for name, share in points.missing.items()
        if share == 1.0 and points.points
    ]
    return problems
