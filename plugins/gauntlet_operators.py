"""Operators of the release DAG: request an approval, and run the steps of a rollout."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, Param
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from gauntlet_alerts import RunAlert, answered, question, rolled_back
from gauntlet_links import version_page
from gauntlet_reports import Progress, change_champion, note
from gauntlet_triggers import UntilTrigger

if TYPE_CHECKING:
    from pipelines.reporting.approval_page import ApprovalRequest

ANSWER_CHECK = timedelta(hours=1)  # an answer may also be given in a shell
FIELDS = {
    "evidence": Param(
        "",
        type="string",
        title="Evidence",
        description="The hash that your answer is bound to. Leave it as it is.",
    ),
    # A field that may not be null must be filled in before the form's buttons can be pressed.
    "note": Param(
        None,
        type=["null", "string"],
        title="Note",
        description="Your reason, if you like; the ledger keeps it.",
    ),
}


class ReleaseApproval(ApprovalOperator):
    """Requests a person's approval of a version, bound to the evidence that the form shows.

    Skipped when no approval is needed.

    Arguments:
        model: its name.
        conn_ids: Airflow connections that a new question is sent to.
    """

    def __init__(self, *, model: str, conn_ids: Sequence[str] = (), **others: Any) -> None:
        super().__init__(subject="", params=FIELDS, response_timeout=ANSWER_CHECK, **others)
        self.model, self.alert = model, RunAlert(model, conn_ids, question)
        self.ended = RunAlert(model, conn_ids, answered)

    def execute(self, context: Any, shown: str = "") -> None:
        """Show the approval request, or keep waiting for an answer.

        Arguments:
            shown: hash of the evidence that the form already shows; "" for none.

        Raises:
            AirflowSkipException: no approval is needed, or the request is for other evidence.
            TaskAwaitingInput: the form is shown.
        """
        from pipelines.flows.release.approval import pending_approval
        from pipelines.wiring import connect

        connections = connect()
        request = pending_approval(self.model, connections.ledger)
        # Airflow never changes a form that it has shown: other evidence needs another run.
        if request is None or shown not in ("", request.evidence):
            self.ended.notify(context)
            raise AirflowSkipException(
                "the approval is no longer needed" if shown else "no approval is needed"
            )
        self.show(request)
        self.notifiers = [] if shown else [self.alert]
        try:
            super().execute(context)
        except TaskAwaitingInput as waits:
            waits.kwargs = {"version": request.version, "shown": request.evidence}
            raise

    def show(self, request: ApprovalRequest) -> None:
        """Put a request on the form."""
        page = version_page(self.model, request.version)
        self.subject = f"{self.model}: put version {request.version} on live traffic?"
        self.body = request.page + (f"\n\n[All of the evidence]({page})" if page else "")
        self.params["evidence"] = request.evidence

    def execute_complete(self, context: Any, event: Any, version: str = "", shown: str = "") -> Any:
        """Record the answer; after an hour without one, check whether it was given elsewhere."""
        from pipelines.release.approval import ReviewAnswer, answer_review
        from pipelines.wiring import connect

        if event.get("error_type") == "timeout":
            return self.execute(context, shown)
        answer = super().execute_complete(context, event)
        fields, person = answer["params_input"], answer["responded_by_user"]["name"]
        given = ReviewAnswer(
            by=f"{person}, in Airflow",
            evidence=fields.get("evidence", ""),
            approved=answer["chosen_options"] == [self.APPROVE],
            note=fields.get("note") or "",
        )
        connections = connect()
        entry = answer_review(
            self.model, version, given, connections.ledger, connections.registry, connections.clock
        )
        self.log.info("%s: %s", entry.outcome, "; ".join(entry.reasons))
        self.ended.notify(context)
        return answer


class ReleaseSteps(BaseOperator):
    """Runs release steps, deferred between them, until only a person's approval is missing.

    Arguments:
        model: its name.
        conn_ids: Airflow connections that the end of a challenger is sent to.
    """

    def __init__(self, *, model: str, conn_ids: Sequence[str] = (), **others: Any) -> None:
        super().__init__(**others)
        self.model, self.alert = model, RunAlert(model, conn_ids, rolled_back)

    def execute(self, context: Any) -> dict[str, Any]:
        """Run one step, and defer until the next one is due."""
        from pipelines.flows.release.advance import advance
        from pipelines.wiring import connect

        connections = connect(progress=Progress())
        step = advance(self.model, connections.clock.now(), connections.release)
        report = step.as_json()
        action, next_check = report["action"], report["next_check"]
        self.log.info("%s: %s; next check %s", action, report["summary"], next_check)
        note(step.as_of, f"{action.replace('_', ' ')}: {step.summary}")
        self.alert.notify({**context, "release": report})
        # The first task of the next run requests the approval that is due by then.
        if next_check and action != "awaiting_approval":
            self.defer(trigger=UntilTrigger(next_check), method_name="resume")
        change_champion(self.model, connections.ledger)
        return report

    def resume(self, context: Any, event: str) -> dict[str, Any]:  # noqa: ARG002, Airflow's signature
        """Continue when the instant is reached."""
        return self.execute(context)
