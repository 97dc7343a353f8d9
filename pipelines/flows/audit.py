"""Runs the audit, beside every retraining whose recipe differs from the champion's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import DataError, GauntletError, SpecError
from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.core.verdict import Finding, Gate, Verdict
from pipelines.data.snapshot import Snapshot, take_snapshot
from pipelines.data.stream import NoEvents
from pipelines.flows.audit_material import gather
from pipelines.flows.frames import FRAME, read_rows, streams
from pipelines.flows.incumbent import OTHER, Incumbent
from pipelines.flows.run import Parts, Run
from pipelines.release.changes import recipe_changes
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import LOG, prediction_log
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.training.audit_record import Audit
    from pipelines.training.parity import Parity


class Audited(Record):
    """What a retraining keeps of its audit: JSON of the records, none where nothing was done."""

    audit: dict[str, Any] | None
    parity: dict[str, Any] | None
    findings: tuple[Finding, ...]


def audit_run(
    run: Run, plan: SplitPlan, spec: ModelSpec, snapshot: Snapshot, incumbent: Incumbent | None
) -> Audited:
    """Parity where the champion's answers were logged, the audit where the recipe has changed.

    Arguments:
        spec: the common declaration that the run's snapshot and frame follow.

    Returns:
        What was found. Where the log cannot be read, or a recipe cannot be fitted, judged or asked
        about the other's points, a finding without data says so.
    """
    if incumbent is None:
        return Audited(audit=None, parity=None, findings=())
    findings: tuple[Finding, ...]
    try:
        parity = _parity(run, plan, incumbent)
        findings = _parity_findings(parity, incumbent.spec, run.spec)
    except DataError as problem:
        parity, findings = None, (_not_done(Gate.AVAILABILITY, "availability.parity", problem),)
    if incumbent.spec.recipe == run.spec.recipe:
        return Audited(audit=None, parity=_json(parity), findings=findings)
    try:
        found = audit_pair(
            run.parts,
            Pair(incumbent.spec, run.spec, f"version {incumbent.info.version}"),
            spec,
            snapshot,
            unequal=None if parity is None else _shared(parity, incumbent.spec, run.spec),
        )
    except (DataError, SpecError) as problem:
        findings = (*findings, _not_done(Gate.AUDIT, "audit.live", problem))
        return Audited(audit=None, parity=_json(parity), findings=findings)
    return Audited(
        audit=found.as_json(), parity=_json(parity), findings=(*findings, *found.findings)
    )


def _not_done(gate: Gate, name: str, problem: GauntletError) -> Finding:
    """What could not be looked at stops the candidate, until a person waives it with a reason."""
    told = f"{problem.what} ({problem.where})" if problem.where else problem.what
    told += f": {problem.got}" if problem.got else ""
    return Finding(gate=gate, name=name, verdict=Verdict.NO_DATA, reason=told)


@dataclass(frozen=True)
class Pair:
    """Two recipes to hold against each other."""

    old: ModelSpec
    new: ModelSpec
    against: str


def audit_pair(
    parts: Parts,
    pair: Pair,
    spec: ModelSpec,
    snapshot: Snapshot,
    *,
    unequal: Mapping[str, float] | None,
) -> Audit:
    """The audit of two recipes on one snapshot.

    Arguments:
        spec: the common declaration that the snapshot follows.
        unequal: share of logged values that differ from recomputed ones, by feature; ``None``
            without a prediction log.

    Raises:
        SpecError: when the two recipes cannot stand in one frame.
        DataError: when one of them cannot be fitted or judged.
    """
    from pipelines.training.audit import audit

    parts.progress("gathering both recipes' rows")
    with streams(parts, spec, snapshot) as tables:
        material = gather(pair.old, pair.new, tables, snapshot.as_of)
    return audit(
        material,
        as_of=snapshot.as_of,
        against=pair.against,
        changes=_changes(pair),
        unequal=unequal,
        progress=parts.progress,
    )


def _changes(pair: Pair) -> tuple[str, ...]:
    """What shapes the model and differs."""
    shaping = {"points", "label", "features", "split", "estimator", "streams"}
    before, after = (
        {key: value for key, value in spec.as_json().items() if key in shaping}
        for spec in (pair.old, pair.new)
    )
    return recipe_changes(before, after)


def _parity(run: Run, plan: SplitPlan, incumbent: Incumbent) -> Parity | None:
    """The champion's logged answers of the newest stretch, as long as the recent window."""
    from pipelines.training.parity import replay
    from pipelines.training.populations import Arm

    served = Window(plan.as_of - run.spec.split.recent, plan.as_of)
    log = read_log(run.parts, run.spec, served)
    if log is None:
        return None
    log = log[log["version"] == incumbent.info.version]
    if not len(log):
        return None
    renamed = {
        feature.name: OTHER + feature.name
        for feature in incumbent.spec.features
        if feature not in run.spec.features
    }
    rows = read_rows(run.spec, run.workspace.path(FRAME), served)
    return replay(incumbent.spec, Arm(incumbent.spec, renamed).view(rows), log)


def read_log(parts: Parts, spec: ModelSpec, window: Window) -> pd.DataFrame | None:
    """Rows of a model's prediction log about decisions in a window; none when nothing was logged.

    Raises:
        DataError: when the log is not what ``spec.predictions`` declares.
    """
    declared = spec.model_copy(update={"streams": {LOG: prediction_log(spec.name)}})
    sources = parts.open_sources(declared)
    try:
        snapshot = take_snapshot(declared, window.end, sources, parts.cache, parts.progress)
    except NoEvents:
        return None
    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    with streams(parts, declared, snapshot) as tables:
        log = tables[LOG]
        wanted = log.filter((log.event_time >= start) & (log.event_time < end))
        rows: pd.DataFrame = wanted.order_by(["event_time", "request_id", "version"]).to_pandas()
    return rows


def _shared(parity: Parity, old: ModelSpec, new: ModelSpec) -> dict[str, float]:
    """Unequal shares of the logged features that the candidate uses as the champion does."""
    kept = {feature.name for feature in old.features if feature in new.features}
    return {name: share for name, share in parity.shares().items() if name in kept}


def _parity_findings(parity: Parity | None, old: ModelSpec, new: ModelSpec) -> tuple[Finding, ...]:
    """A feature that the candidate no longer uses is shown and does not decide."""
    from pipelines.training.parity import parity_findings

    if parity is None:
        return ()
    if not parity.compared:
        return (
            Finding(
                gate=Gate.AVAILABILITY,
                name="availability.parity",
                verdict=Verdict.INCONCLUSIVE,
                reason=f"{parity.requests} logged requests are about no decision point that the "
                "declaration makes, so that what was served cannot be computed again",
                blocking=False,
            ),
        )
    kept = _shared(parity, old, new)
    return tuple(
        finding
        if finding.name.removeprefix("availability.parity.") in kept
        else finding.model_copy(update={"blocking": False})
        for finding in parity_findings(parity, new)
    )


def _json(record: Record | None) -> dict[str, Any] | None:
    return None if record is None else record.as_json()
