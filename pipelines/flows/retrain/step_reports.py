"""Reports of steps, from their records: a line of text, a verdict, and ids."""

from __future__ import annotations

from pipelines.core.findings import Finding, Verdict, overall, reasons_against
from pipelines.data.snapshot import Snapshot
from pipelines.flows.frames import Frame
from pipelines.flows.retrain.audit import AuditResult
from pipelines.flows.retrain.availability import AvailabilityResult
from pipelines.flows.retrain.contract import ContractResult
from pipelines.flows.retrain.record import RecordResult
from pipelines.flows.retrain.request import StepReport
from pipelines.flows.retrain.train import TrainedCandidate
from pipelines.gates.champion.emergency import alarms
from pipelines.gates.recent_window.record import Evaluation
from pipelines.gates.refresh.findings import describe_cost
from pipelines.gates.refresh.names import REPLAY
from pipelines.release.explanation import explain_decision
from pipelines.release.policy import Outcome
from pipelines.release.promotion import DecisionResult
from pipelines.release.registry import VersionInfo
from pipelines.reporting.findings_text import problem_lines
from pipelines.spec.model import ModelSpec

MOST_REASONS = 2


def snapshot_report(run: str, snapshot: Snapshot) -> StepReport:
    """Rows of each stream.

    Arguments:
        run: id of the run, here and in the other reports.
        snapshot: the record of the step.
    """
    rows = ", ".join(f"{name} {part.rows:,}" for name, part in snapshot.streams.items())
    return StepReport(
        step="snapshot", run=run, summary=f"{rows} rows", ids={"snapshot": snapshot.id}
    )


def contract_report(run: str, contract: ContractResult, *, stops: bool) -> StepReport:
    """How many checks of the fresh data passed, and whether nothing is trained on them."""
    return StepReport(
        step="contract",
        run=run,
        stops=stops,
        summary=summarize(contract.findings),
        problems=tuple(problem_lines(contract.findings)),
        verdict=overall(contract.findings),
    )


def features_report(run: str, frame: Frame | None, *, stops: bool) -> StepReport:
    """Decision points, and the training window."""
    if frame is None:
        return StepReport(
            step="features", run=run, summary="not built: the contract did not pass", skipped=True
        )
    return StepReport(
        step="features",
        run=run,
        stops=stops,
        problems=tuple(problem_lines(frame.findings)),
        summary=f"{frame.rows:,} decision points, training on {frame.plan.train}",
        verdict=overall(frame.findings),
    )


def availability_report(
    run: str, availability: AvailabilityResult | None, *, stops: bool
) -> StepReport:
    """How many checks of the features in production passed."""
    if availability is None or not availability.findings:
        reason = "nothing was looked up" if availability is None else availability.not_checked
        return StepReport(step="availability", run=run, summary=reason, skipped=True)
    return StepReport(
        step="availability",
        run=run,
        stops=stops,
        summary=summarize(availability.findings),
        problems=tuple(problem_lines(availability.findings)),
        verdict=overall(availability.findings),
    )


def train_report(run: str, trained: TrainedCandidate | None, seeds: int) -> StepReport:
    """Rows and seeds that were trained with."""
    if trained is None:
        return StepReport(step="train", run=run, summary="nothing was trained", skipped=True)
    summary = f"{_rows(trained.rows, trained.span_rows)} labelled rows, {seeds} seeds"
    if trained.twin is not None:
        summary += f", the first of them is the refit of version {trained.twin}"
    if trained.refit_rows is not None:
        summary += f"; refit on {_rows(trained.refit_rows, trained.refit_span_rows)}"
    return StepReport(step="train", run=run, summary=summary)


def _rows(fitted: int, every: int | None) -> str:
    return f"{fitted:,}" if every is None else f"{fitted:,} of {every:,}"


def evaluate_report(run: str, evaluation: Evaluation | None) -> StepReport:
    """The primary metric of candidate and champion, how many checks passed, and any alarm."""
    if evaluation is None:
        return StepReport(step="evaluate", run=run, summary="nothing to evaluate", skipped=True)
    primary = evaluation.primary
    numbers = (
        f"{primary.metric} {primary.candidate:.4g}, {evaluation.baseline} {primary.baseline:.4g}; "
        if primary
        else ""
    )
    alarm = "".join(f"; {one.reason}" for one in alarms(evaluation.findings))
    return StepReport(
        step="evaluate",
        run=run,
        summary=numbers + summarize(evaluation.findings) + alarm,
        problems=tuple(problem_lines(evaluation.findings)),
        verdict=evaluation.verdict,
        ids={"rows": evaluation.rows_digest},
    )


def record_report(run: str, result: RecordResult | None, spec: ModelSpec) -> StepReport:
    """The weeks of the record; of a refresh the cost of age, of a first version the replay."""
    if result is None:
        return StepReport(step="record", run=run, summary="nothing to record", skipped=True)
    weeks = len(result.record.weeks)
    if result.state is None:
        replayed = [finding.reason for finding in result.findings if finding.name == REPLAY]
        summary = "; ".join([f"{weeks} weeks of this recipe", *replayed])
        return StepReport(step="record", run=run, summary=summary)
    return StepReport(
        step="record",
        run=run,
        summary=f"{describe_cost(result.state, spec.metric.name.value)}; "
        f"{summarize(result.findings)}",
        problems=tuple(problem_lines(result.findings)),
        verdict=overall(result.findings),
    )


def audit_report(run: str, audit: AuditResult | None) -> StepReport:
    """How many checks of a changed recipe passed."""
    if audit is None:
        return StepReport(step="audit", run=run, summary="nothing to audit", skipped=True)
    if not audit.findings:
        return StepReport(
            step="audit", run=run, summary="the recipe is the champion's, or the first"
        )
    return StepReport(
        step="audit",
        run=run,
        summary=summarize(audit.findings),
        problems=tuple(problem_lines(audit.findings)),
        verdict=overall(audit.findings),
    )


def register_report(run: str, version: VersionInfo | None) -> StepReport:
    """The version's number and content."""
    if version is None:
        return StepReport(step="register", run=run, summary="nothing was registered", skipped=True)
    return registered_report(run, version.version, version.content)


def registered_report(run: str, version: str, content: str) -> StepReport:
    """The number of a version that was registered, and the hash of its content."""
    ids = {"version": version, "content": content}
    return StepReport(step="register", run=run, summary=f"version {version}", ids=ids)


def decide_report(run: str, result: DecisionResult, *, dry_run: bool) -> StepReport:
    """The outcome and its reasons in sentences."""
    decision = result.decision
    outcome = decision.outcome.replace("_", " ")
    if dry_run and decision.outcome is not Outcome.DRY_RUN:
        outcome = f"dry run, {outcome}"
    return StepReport(
        step="decide",
        run=run,
        summary=f"{outcome}: {'; '.join(explain_decision(*result))}",
        ids={"evidence": decision.evidence, "outcome": decision.outcome},
    )


def summarize(findings: tuple[Finding, ...]) -> str:
    """The number of checks, and what is wrong where one did not pass."""
    bad = [f for f in findings if f.blocking and f.verdict is not Verdict.PASS]
    if not bad:
        return f"{len(findings)} checks passed"
    first, *others = reasons_against(findings)
    more = (
        f"; and {len(others)} more reasons" if others[1:] else "".join(f"; {one}" for one in others)
    )
    return f"{len(bad)} of {len(findings)} checks did not pass: {first}{more}"
