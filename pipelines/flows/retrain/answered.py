"""Answers from the ledger for runs that were decided and whose files were removed since."""

from __future__ import annotations

from pipelines.core.findings import Gate, Verdict, overall
from pipelines.core.time import instant_text
from pipelines.flows.retrain import step_reports as reports
from pipelines.flows.retrain.request import Step, StepReport
from pipelines.flows.retrain.run import NamedRun
from pipelines.release.ledger import Entry
from pipelines.release.policy import Outcome
from pipelines.release.promotion import DecisionResult
from pipelines.reporting.findings_text import problem_lines

_GATES: dict[Step, tuple[Gate, ...]] = {
    "contract": (Gate.CONTRACT,),
    "availability": (Gate.AVAILABILITY,),
    "evaluate": (Gate.RECENT_WINDOW, Gate.CHAMPION, Gate.UPDATE),
    "record": (Gate.REFRESH,),
    "audit": (Gate.AUDIT,),
}


def answer_of(named: NamedRun) -> Entry | None:
    """The entry that answers a run; ``None`` if the run has files, or if it has to be performed.

    A dry run answers only dry runs. A run that was superseded is performed again.

    Raises:
        Unavailable: the ledger or the store of files does not answer.
    """
    request = named.request
    if named.collaborators.runs.has_files(request.model, named.identity.id):
        return None
    ledger = named.collaborators.ledger
    judged = [
        entry
        for entry in ledger.of_run(request.model, request.lineage, named.identity.id)
        if entry.decision is not None
    ]
    final = [entry for entry in judged if entry.kind != "dry_run"]
    found = final or (judged if request.dry_run else [])
    return found[-1] if found and found[-1].outcome != Outcome.SUPERSEDED else None


def report_of(step: Step, named: NamedRun, entry: Entry) -> StepReport:
    """What the ledger has about a step of a run.

    Arguments:
        step: of a retraining or an update.
        named: the run.
        entry: of its decision, from ``answer_of``.
    """
    run = named.identity.id
    if step == "snapshot":
        return StepReport(
            step=step,
            run=run,
            summary=f"decided at {instant_text(entry.recorded_at)}; the files of the run were "
            "removed, and the ledger answers",
            ids={"snapshot": entry.snapshot},
        )
    if step == "train" and entry.trained is not None:
        return StepReport(step=step, run=run, summary=entry.trained.summary)
    if step == "register" and entry.facts is not None and entry.facts.candidate is not None:
        return reports.registered_report(run, entry.facts.candidate, entry.facts.content)
    if step == "decide" and entry.decision is not None:
        result = DecisionResult(entry.decision, entry.findings)
        return reports.decide_report(run, result, dry_run=named.request.dry_run)
    found = tuple(one for one in entry.findings if one.gate in _GATES.get(step, ()))
    if not found:
        return StepReport(step=step, run=run, summary="nothing is in the ledger", skipped=True)
    waived = named.request.waived
    return StepReport(
        step=step,
        run=run,
        stops=step in ("contract", "availability")
        and any(
            one.blocking and one.verdict is not Verdict.PASS and one.name not in waived
            for one in found
        ),
        summary=reports.summarize(found),
        problems=tuple(problem_lines(found)),
        verdict=overall(found),
    )
