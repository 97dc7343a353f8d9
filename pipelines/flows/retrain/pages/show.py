"""Shows a decided retraining: its run, and the review page of its version."""

from __future__ import annotations

from pathlib import Path

from pipelines.flows.fill_report import publish_report
from pipelines.flows.retrain.evidence import Evidence
from pipelines.flows.retrain.register import AGE_PLOT, VERSION, shown_parameters
from pipelines.flows.retrain.run import Run
from pipelines.gates.audit.recipe_diff import recipe_changes
from pipelines.packaging.version import PLOTS, evidence_path, read_importance
from pipelines.release.ledger import LIVE, Entry
from pipelines.release.policy import Decision, Outcome
from pipelines.release.registry import VersionInfo
from pipelines.release.version_facts import OUTCOME, UNDECIDED
from pipelines.reporting.retraining.model_page import model_page
from pipelines.reporting.retraining.report import report_page
from pipelines.reporting.retraining.run_page import RunFacts, retraining_page
from pipelines.reporting.retraining.sections import VersionReview
from pipelines.reporting.retraining.version_page import version_page

PAGE_PLOTS = (
    ("cost of age, and what refreshes gained", AGE_PLOT),
    ("gain by day", "daily"),
    ("slices", "slices"),
    ("predicted and actual", "calibration"),
    ("gain by seed", "seeds"),
)
_OPEN = {UNDECIDED, Outcome.AWAIT_REVIEW.words, Outcome.SUPERSEDED.words}


def show_decision(
    run: Run, evidence: Evidence, version: VersionInfo | None, entry: Entry, decision: Decision
) -> None:
    """Publish the run of a retraining, also of one that a gate stopped; describe its version.

    Safe to repeat. Nothing is done if the version was removed, or if its tag has this outcome or a
    final one: live traffic may have promoted it since, and its page then begins with its rollout.

    Raises:
        LockedError: another process has been changing the report for minutes.
        Unavailable: the registry does not answer; running again is safe.
    """
    outcome = decision.outcome.words
    if version is None and evidence.evaluation is not None:
        return
    shown = UNDECIDED if version is None else version.tags.get(OUTCOME, UNDECIDED)
    if shown == outcome or shown not in _OPEN:
        return
    about = _review(run, evidence, version, entry, decision)
    page = retraining_page(
        about,
        entry,
        _facts(run, evidence, version, entry),
        report_page(about, {name: path.read_bytes() for name, path in _plots(run).items()}),
    )
    collaborators = run.collaborators
    if version is None:
        collaborators.pages.publish(page)
    else:
        publish_report(page, version.version, collaborators.pages, collaborators.lock)
        registry, model = collaborators.versions.registry, run.spec.name
        registry.describe(model, version.version, version_page(about))
        registry.tag(model, version.version, OUTCOME, outcome)


def show_champion(run: Run) -> None:
    """Describe the registered model as the ledger has it now.

    Raises:
        Unavailable: ledger or registry does not answer; running again is safe.
    """
    collaborators, model = run.collaborators, run.spec.name
    if run.request.lineage == LIVE:
        page = model_page(model, collaborators.ledger.entries(model), run.spec.owner)
        collaborators.versions.registry.describe_model(model, page)


def _review(
    run: Run, evidence: Evidence, version: VersionInfo | None, entry: Entry, decision: Decision
) -> VersionReview:
    champion = run.champion
    made = _plots(run)
    return VersionReview(
        spec=run.spec,
        run=run.id,
        snapshot=evidence.snapshot.id,
        plan=run.plan,
        evaluation=evidence.evaluation,
        findings=entry.findings,
        champion=champion.number if champion else None,
        version=version.version if version else None,
        lineage=run.request.lineage,
        origin=entry.facts.origin if entry.facts else "",
        dag_run=run.request.dag_run,
        changes=recipe_changes(champion.spec.as_json(), run.spec.as_json()) if champion else (),
        plots=tuple((words, made[name].name) for words, name in PAGE_PLOTS if name in made),
        decision=decision,
        audit=evidence.audit.audit if evidence.audit else None,
        importance=(
            evidence.trained.importance if evidence.trained else None,
            read_importance(champion.folder) if champion else None,
        ),
        searches=evidence.trained.searches if evidence.trained else {},
    )


def _plots(run: Run) -> dict[str, Path]:
    """The files of the version's plots by name; none for a run that a gate stopped."""
    folder = evidence_path(run.workspace.path(VERSION), PLOTS)
    return {path.stem: path for path in sorted(folder.glob("*.svg"))}


def _facts(run: Run, evidence: Evidence, version: VersionInfo | None, entry: Entry) -> RunFacts:
    request, trained = run.request, evidence.trained
    return RunFacts(
        parameters={
            **shown_parameters(run),
            "recipe": run.spec.recipe[:16],
            "snapshot": evidence.snapshot.id[:16],
            "seeds": ", ".join(map(str, run.spec.seeds)),
            "lane": run.lane,
            "champion": run.identity.champion or "none",
        },
        hashes={
            "run": run.id,
            "recipe": run.spec.recipe,
            "declaration": run.spec.digest,
            "snapshot": evidence.snapshot.id,
            "rows": evidence.evaluation.rows_digest if evidence.evaluation else "",
            "content": version.content if version else "",
            "evidence": entry.decision.evidence if entry.decision else "",
            "ledger_entry": entry.hash,
        },
        user=request.requested_by,
        source=request.dag_run or "gauntlet",
        started=run.workspace.started,
        refit_rows=trained.refit_rows if trained else None,
    )
