"""The sections about a retraining, in Markdown, that its pages are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.core.findings import Finding, Gate, Verdict, first_named, overall
from pipelines.core.markup import markdown_block, markdown_code, markdown_text
from pipelines.core.run_page import RUN_FILES
from pipelines.core.time import Window
from pipelines.core.version_id import registered_version
from pipelines.gates.champion.emergency import alarms
from pipelines.gates.recent_window.record import Comparison, Evaluation
from pipelines.gates.recent_window.training_sample import TRAINING_SAMPLE
from pipelines.gates.refresh.names import REPLAY
from pipelines.release.ledger import LIVE
from pipelines.release.policy import Decision, Outcome
from pipelines.reporting.markdown import (
    SIGNS,
    interval_text,
    number,
    sentence,
    signed_number,
    table,
)
from pipelines.reporting.refresh_section import deciding_finding, is_refresh
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import text_features
from pipelines.training.split import SplitPlan

if TYPE_CHECKING:
    from pipelines.gates.audit.record import Audit
    from pipelines.training.importance import Importance
    from pipelines.training.search.result import SearchResult

REPORT = "report.html"  # of the run that trained the version
_HEADLINES = {
    Outcome.PROMOTE: "✔ Promoted",
    Outcome.FIRST_VERSION: "✔ Promoted as the first champion",
    Outcome.PROMOTE_SEGMENTS: "✔ Promoted for segments",
    Outcome.START_ROLLOUT: "✔ Passed offline: live traffic decides",
    Outcome.AWAIT_REVIEW: "? Waits for your approval",
    Outcome.REJECT: "✘ Rejected",
    Outcome.HOLD: "○ Held back: not proved",
    Outcome.SUPERSEDED: "○ Void: the champion changed meanwhile",
    Outcome.DRY_RUN: "○ Dry run: nothing changes",
}
_REFRESH_HEADLINES = {
    Outcome.PROMOTE: "✔ Refreshed: the same recipe on newer data serves",
    Outcome.HOLD: "○ Kept: the champion stays",
}
_BACKFILL_HEADLINES = {
    Outcome.PROMOTE: "would have been promoted",
    Outcome.FIRST_VERSION: "would have been promoted as the first champion",
    Outcome.AWAIT_REVIEW: "would have waited for an approval",  # by releases up to 0.1.0
    Outcome.REJECT: "would have been rejected",
    Outcome.HOLD: "would have been held back: not proved",
    Outcome.SUPERSEDED: "void: the champion of the backfill changed meanwhile",
}
_BACKFILL_REFRESH_HEADLINES = {
    Outcome.PROMOTE: "would have been refreshed: the same recipe on newer data",
    Outcome.HOLD: "the champion would have been kept",
}
_LOOKS_BETTER = "refresh.looks_better"
_MOST_SLICES, _MOST_CHANGES, _MOST_FINDINGS = 8, 12, 6


@dataclass(frozen=True)
class VersionReview:
    """What the pages about a retraining show.

    Without a decision, they show the gates' verdicts so far.

    Arguments:
        spec: the candidate's declaration.
        run: id of the run.
        snapshot: id of the snapshot.
        plan: training and recent windows.
        evaluation: ``None`` if a gate stopped the run before it.
        findings: all that the decision is based on.
        champion: the version to beat.
        version: the candidate's; ``None`` if there is none.
        lineage: of the ledger.
        changes: of the recipe, since the champion's.
        plots: descriptions and names of files in the version's ``extra_files/plots``, as shown.
        decision: the decision.
        audit: of a changed recipe.
        importance: of the features to the candidate, then to the champion.
        searches: of parameters, by the fit that they were chosen for, the judged one first.
        origin: the reason of the run, and its person.
        dag_run: address of the page of the DAG run; "" if another process made it.
    """

    spec: ModelSpec
    run: str
    snapshot: str
    plan: SplitPlan
    evaluation: Evaluation | None
    findings: tuple[Finding, ...]
    champion: str | None
    version: str | None = None
    lineage: str = LIVE
    changes: tuple[str, ...] = ()
    plots: tuple[tuple[str, str], ...] = ()
    decision: Decision | None = None
    audit: Audit | None = None
    importance: tuple[Importance | None, Importance | None] = (None, None)
    searches: Mapping[str, SearchResult] = field(default_factory=dict)
    origin: str = ""
    dag_run: str = ""


def headline(about: VersionReview) -> str:
    """The outcome, and why."""
    title, reasons = _title(about), about.decision.reasons if about.decision else ()
    deciding = _finding(about, REPLAY) or _finding(
        about, "recent_window.primary", "recent_window.baseline"
    )
    if is_refresh(about.findings):
        deciding = deciding_finding(about.findings)
    sentences = [sentence(f.reason) for f in _against(about)]
    if deciding and deciding.reason not in (f.reason for f in _against(about)):
        sentences = [*sentences[:2], sentence(deciding.reason)]  # problems come first
    if not sentences:
        sentences = [sentence(reason) for reason in reasons]
    lines = [
        f"{title}\n---",
        *sentences[:3],
    ]  # underlined: lists of versions show the bare first line
    remarks = [reason for reason in reasons if "waive" in reason]
    lines += [f"**{sentence(reason)}**" for reason in remarks]
    lines += [f"**Alarm: {markdown_text(one.reason)}.**" for one in alarms(about.findings)]
    return "\n\n".join(lines)


def _title(about: VersionReview) -> str:
    """The outcome with its sign; a backfill changes nothing, so it has a sign of its own."""
    live = about.lineage == LIVE
    if about.decision is None:
        sign, outcome = SIGNS[overall(about.findings)], "not decided yet"
        return f"{sign}: {outcome}" if live else f"↺ Backfill: {outcome}"
    outcome = about.decision.outcome
    if live:
        own = _REFRESH_HEADLINES if is_refresh(about.findings) else {}
        return own.get(outcome, _HEADLINES[outcome])
    words = backfill_words(about, about.decision)
    return f"↺ Backfill, as of {about.plan.as_of:%Y-%m-%d}: {words}"


def backfill_words(about: VersionReview, decision: Decision) -> str:
    """What would have become of the candidate of a backfill, where approvals are assumed."""
    own = _BACKFILL_REFRESH_HEADLINES if is_refresh(about.findings) else {}
    words = own.get(decision.outcome) or _BACKFILL_HEADLINES[decision.outcome]
    assumed = about.spec.review == "required" and decision.outcome.moves
    return f"{words}, if approved" if assumed else words


def _against(about: VersionReview) -> list[Finding]:
    order = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE)
    worst = [f for f in about.findings if f.blocking and f.verdict in order]
    return sorted(worst, key=lambda finding: order.index(finding.verdict))


def metrics_section(about: VersionReview) -> str:
    """Every metric of candidate and champion, and the gain with its interval."""
    if about.evaluation is None:
        return ""
    baseline = f"champion (version {about.champion})" if about.champion else "naive forecast"
    rows = [_metric_row(about, comparison) for comparison in about.evaluation.comparisons]
    if not rows:
        return ""
    head = ("metric", baseline, "candidate", "gain", "interval", "wanted", "")
    note = "Gain: above zero the candidate is better. "
    if is_refresh(about.findings):
        better = _finding(about, _LOOKS_BETTER)
        note += sentence(f"Twins are compared: {better.reason}" if better else "Twins are compared")
    elif _finding(about, REPLAY) is not None:
        note += "The replayed weeks decide, and the first metric has to be better here, too."
    else:
        note += "The first metric decides."
    corrected = _finding(about, "recent_window.corrected_gain")
    if corrected is not None and corrected.value is not None:
        note += (
            f" Corrected for having passed, its gain is {signed_number(corrected.value)}: "
            "only large ones pass."
        )
    return f"{table(head, rows)}\n\n{note}"


def _metric_row(about: VersionReview, comparison: Comparison) -> tuple[str, ...]:
    finding = _finding(about, f"recent_window.guardrail.{comparison.metric}")
    first = about.evaluation is not None and comparison is about.evaluation.primary
    if first:
        finding = _finding(about, "recent_window.primary", "recent_window.baseline")
    difference = comparison.difference
    gain = difference.estimate if difference else None
    interval = finding.interval if finding else None
    if finding is None and difference is not None:  # of a refresh, whose first metric is no test
        interval = difference.interval(1 - 2 * about.spec.gates.recent_window.alpha)
    margin = finding.threshold if finding else None
    wanted = "" if margin is None else f"{'worth it from' if first else 'above'} {number(margin)}"
    if first and finding is None:  # of a refresh, which may be worse where age costs more
        finding = _finding(about, _LOOKS_BETTER)
    elif first:
        wanted = "above 0" + (f", {wanted}" if wanted else "")
    return (
        f"**{comparison.metric}**" if first else comparison.metric,
        number(comparison.baseline),
        number(comparison.candidate),
        signed_number(gain),
        interval_text(interval),
        wanted,
        SIGNS[finding.verdict] if finding else "",
    )


def gates_section(about: VersionReview) -> str:
    """The verdict of each gate in a line."""
    rows = []
    for gate in Gate:
        found = [finding for finding in about.findings if finding.gate is gate]
        counted = [finding for finding in found if finding.blocking]
        if not found or gate is Gate.CHAMPION:  # its finding is an alarm, in the headline
            continue
        passed = sum(finding.verdict is Verdict.PASS for finding in counted)
        against = [finding for finding in _against(about) if finding.gate is gate]
        words = "; ".join(markdown_code(finding.name) for finding in against[:_MOST_FINDINGS])
        more = len(against) - _MOST_FINDINGS
        words += f"; and {more} more" if more > 0 else ""
        result = f"{passed} of {len(counted)} checks passed" + (f"; not {words}" if words else "")
        if gate is Gate.BUDGET:  # what is left of the year
            result = markdown_text("; ".join(one.reason for one in found))
        rows.append((gate.value.replace("_", " "), SIGNS[overall(found)], result))
    return f"### Gates\n\n{table(('gate', '', 'what it says'), rows)}"


def slices_section(about: VersionReview) -> str:
    """The gain of each slice, worst first."""
    if about.evaluation is None:
        return ""
    compared = [part for part in about.evaluation.slices if part.difference is not None]
    if not compared:
        return ""
    level = 1 - 2 * about.spec.gates.recent_window.alpha
    margins = {part.column: part.margin for part in about.spec.slices}
    search = about.spec.find_slices
    rows = []
    worst = sorted(compared, key=lambda part: part.difference.estimate if part.difference else 0.0)
    for part in worst[:_MOST_SLICES]:
        if part.difference is None:
            raise ValueError("the slice has no difference")
        rows.append(
            (
                markdown_text(f"{part.column} = {part.value}"),
                f"{part.rows:,}",
                signed_number(part.difference.estimate),
                interval_text(part.difference.interval(level)),
                _tolerated(margins.get(part.column, search.margin if search else None)),
            )
        )
    untested = len(about.evaluation.slices) - len(compared)
    shown = f"{len(rows)} of {len(compared)}, worst first"
    shown += f"; {untested} had too few rows to tell" if untested else ""
    heads = ("slice", "rows", "gain", "interval", "tolerated")
    return f"### Slices ({shown})\n\n{table(heads, rows)}"


def links_section(about: VersionReview) -> str:
    """Links to the report and to the DAG run."""
    links = [f"[Full report]({RUN_FILES}{REPORT})"]
    if about.dag_run:
        links.append(f"[DAG run]({about.dag_run})")
    return " · ".join(links)


def _tolerated(margin: float | None) -> str:
    return "" if margin is None else number(-margin)


def pictures_section(about: VersionReview) -> str:
    """Plots that are files of the version."""
    return "\n".join(f"![{words}](extra_files/plots/{name})" for words, name in about.plots)


def origin_section(about: VersionReview) -> str:
    """Windows, budget, snapshot and owner, and what changed in the recipe."""
    seeds = _finding(about, "recent_window.seed_noise")
    refit, sample = _finding(about, "refresh.refit"), _finding(about, TRAINING_SAMPLE)
    found = about.evaluation
    judged = (
        ""
        if found is None
        else f"judged on {_days(found.window)}: {found.labelled:,} of {found.rows:,} rows have a "
        "label"
    )
    lines = [
        judged,
        *(_trained(about.plan) if found else ()),
        markdown_text(sample.reason) if sample else "",
        markdown_text(refit.reason) if refit else "",
        f"seed noise: {markdown_text(seeds.reason)}" if seeds else "",
        f"snapshot `{about.snapshot[:16]}`, as of {about.plan.as_of:%Y-%m-%d %H:%M} UTC, "
        f"run `{about.run}`" + ("" if about.lineage == LIVE else f", lineage {about.lineage}"),
        f"started: {markdown_text(about.origin)}" if about.origin else "",
        f"owner: {markdown_text(about.spec.owner)}",
    ]
    text = "\n".join(f"- {line}" for line in lines if line)
    return f"### Where it comes from\n\n{text}\n\n{_changed(about)}"


def _trained(plan: SplitPlan) -> tuple[str, ...]:
    """The training spans of the model that serves and of its twin, which was judged."""
    if plan.refit is None:
        return (f"trained on {_days(plan.train)}",)
    refit, twin = (
        f"trained on {_days(span)}, labels until {until:%Y-%m-%d}"
        for span, until in ((plan.refit, plan.refit_until), (plan.train, plan.trained_until))
    )
    return (
        f"the refit serves: {refit}",
        f"its twin was judged: {twin}",
    )


def _changed(about: VersionReview) -> str:
    if about.champion is None:
        return "There is no champion, so no recipe to compare with."
    if not about.changes:
        return f"The recipe is that of version {about.champion}; only the data are newer."
    shown = [f"- {markdown_code(change)}" for change in about.changes[:_MOST_CHANGES]]
    more = len(about.changes) - _MOST_CHANGES
    shown += [f"- and {more} more"] if more > 0 else []
    return "\n".join([f"Changed since version {about.champion}:", "", *shown])


def commands_section(about: VersionReview) -> str:
    """The commands that explain, answer or undo the decision."""
    name, version, decision = about.spec.name, about.version or "", about.decision
    lines = [f"gauntlet explain {name} {version}".strip()]
    if about.lineage != LIVE:
        shown = f"{lines[0]} --lineage {about.lineage}"
        return f"```\n{shown}\ngauntlet compare {name} live {about.lineage}\n```"
    if decision is not None and decision.outcome is Outcome.AWAIT_REVIEW:
        answer = f"gauntlet approve {name} {version} --by YOU --evidence {decision.evidence[:8]}"
        lines += [answer, f"{answer} --refuse --note WHY"]
    if decision is not None and decision.outcome.moves and about.champion is not None:
        lines.append(f"gauntlet rollback {name} --to {about.champion} --reason WHY")
    return markdown_block("\n".join(lines))


def loading_section(about: VersionReview) -> str:
    """How to predict with the version outside of this project."""
    texts = text_features(about.spec)
    numbers = [name for name in about.spec.input_names if name not in texts]
    model, number = registered_version(about.spec.name, about.version or "N")
    lines = ["import mlflow", f'model = mlflow.pyfunc.load_model("models:/{model}/{number}")']
    if numbers:
        lines.append(f"numbers = {numbers}")
        lines.append('rows = rows.astype(dict.fromkeys(numbers, "float64"))')
    lines.append("model.predict(rows)")
    note = "MLflow refuses whole numbers where the model has doubles, so convert them first."
    return (
        "### Load it\n\n"
        + (f"{note}\n\n" if numbers else "")
        + markdown_block("\n".join(lines), "python")
    )


def _finding(about: VersionReview, *names: str) -> Finding | None:
    return first_named(about.findings, *names)


def _days(window: Window) -> str:
    return f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}"
