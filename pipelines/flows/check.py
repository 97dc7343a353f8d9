"""Checks whether a model is ready: whether a retraining as of an instant would reach a verdict.

The check runs the first steps of a retraining in a folder that is removed afterwards, the replay of
a first version, and a trial of the others on few rows. It asks no question of its own that a step
of a retraining asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipelines.core.files import draft_in
from pipelines.core.findings import Finding, Verdict
from pipelines.core.records import Instant, Record
from pipelines.core.time import EARLIEST, Window
from pipelines.data.engines.tables import read_parquet
from pipelines.data.profile import StreamFacts, stream_facts
from pipelines.flows.features.store_gaps import missing_online
from pipelines.flows.frames import FRAME
from pipelines.flows.replay import expected_findings
from pipelines.flows.retrain.availability import check_availability
from pipelines.flows.retrain.contract import check_contract
from pipelines.flows.retrain.dataset import build_features, take_snapshot
from pipelines.flows.retrain.request import LIVE, Request
from pipelines.flows.retrain.run import RetrainCollaborators, Run, open_run
from pipelines.flows.trial import DetectableGain, TrialResult, try_training
from pipelines.flows.workspace import RunFolders
from pipelines.gates.budget.findings import exhausted_finding
from pipelines.gates.canary.sample_size import sample_size_problems
from pipelines.release.budget import budget_account, budget_year
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    import ibis


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
    detectable: DetectableGain | None = Field(
        default=None, description="gain that the recent window detects; none without a comparison"
    )

    @property
    def ready(self) -> bool:
        """Whether a retraining as of this instant, including its canary, could reach a verdict."""
        return not self.problems


def check_readiness(request: Request, collaborators: RetrainCollaborators) -> Readiness:
    """Run a retraining's steps until its comparison, the training on few rows.

    Nothing is recorded or registered, and no try of the error budget is used.

    Arguments:
        request: the retraining in question.
        collaborators: those of the retraining. Its lock is not taken.

    Raises:
        GauntletError: something cannot be read. All other problems are reported together.
    """
    with draft_in(collaborators.runs.folder) as scratch:
        return _check(
            open_run(
                request,
                replace(
                    collaborators,
                    runs=RunFolders(scratch),
                    load_suite=partial(collaborators.load_suite, thorough=True),
                ),
            )
        )


def _check(run: Run) -> Readiness:
    from pipelines.data.connection import limited_duckdb

    spec, as_of, progress = run.spec, run.request.as_of, run.collaborators.progress
    live = run.request.lineage == LIVE
    lacking = missing_online(spec, as_of, run.collaborators.online) if live else []
    snapshot = take_snapshot(run)
    progress("checking the streams")
    findings = [*check_contract(run, snapshot).findings]
    progress("building decision points")
    whole = Window(EARLIEST, run.plan.train.end)  # count all points, not only those of training
    everything = replace(run, plan=run.plan.model_copy(update={"train": whole}))
    findings += build_features(everything, snapshot).findings
    with (
        limited_duckdb(run.events.memory, run.events.cache / "spill") as connection,
        run.events.tables(snapshot, run.common.streams) as tables,
    ):
        frame = read_parquet(connection, run.workspace.path(FRAME))
        points = _points(frame, run)
        progress("counting the entities of a canary")
        copies = run.events.copies(snapshot, spec.streams, as_of - spec.gates.contract.lookback)
        facts = {
            name: stream_facts(tables[name], stream, copies.get(name))
            for name, stream in spec.streams.items()
        }
        too_small = sample_size_problems(spec, frame, tables, as_of)
    if points.points and not lacking:
        findings += check_availability(run, snapshot).findings
    expected = expected_findings(run) if points.points else ()
    progress("training on few rows")
    trial = try_training(run) if points.points else TrialResult()
    return Readiness(
        model=spec.name,
        as_of=as_of,
        plan=run.plan,
        streams=facts,
        points=points,
        findings=(*findings, *trial.findings, *expected),
        problems=(
            *_failed(finding for finding in findings if finding.blocking),
            *_point_problems(points),
            *lacking,
            *too_small,
            *trial.problems,
            *_budget_problems(run),
        ),
        detectable=trial.detectable,
    )


def _points(frame: ibis.Table, run: Run) -> PointFacts:
    spec, plan = run.spec, run.plan
    for stretch in spec.split.exclude:
        frame = frame.filter(~stretch.touches(frame.decision_time, frame.matured_at))
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


def _failed(findings: Iterable[Finding]) -> list[str]:
    """One sentence for each reason why findings did not pass, with the names of all of them."""
    alike: dict[str, list[str]] = {}
    for finding in findings:
        if finding.verdict is not Verdict.PASS:
            alike.setdefault(finding.reason, []).append(finding.name)
    return [f"{', '.join(names)}: {reason}" for reason, names in alike.items()]


def _point_problems(points: PointFacts) -> Iterator[str]:
    if not points.points:
        yield "there is no decision point: no entity was active, or no event qualifies"
        return
    for name, share in points.missing.items():
        if share == 1.0:
            yield f"feature {name} is missing at every decision point"


def _budget_problems(run: Run) -> Iterator[str]:
    """Whether the year has a try left for this retraining; a decided one has paid."""
    request, declared = run.request, run.spec.gates.budget
    if run.champion is None or run.identity.decided is not None:
        return
    year = budget_year(request.lineage, request.as_of, run.collaborators.clock.now())
    entries = run.collaborators.ledger.entries(request.model, request.lineage)
    account = budget_account(entries, declared, year)
    if not account.left:
        finding = exhausted_finding(year, account.spent, declared)
        yield f"{finding.name}: {finding.reason}"
