"""``release__<model>``: one DAG for each model that declares a rollout and a schedule.

A run asks a person where one is awaited, and takes whoever waits through shadow, canary and
holdback, one step at a time. Between two steps, and until a person answers, no worker is held, and
restarts of any component change nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, CronDataIntervalTimetable, Param, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from gauntlet_dags import dag_of, declared
from gauntlet_triggers import UntilTrigger

LOOK_AGAIN = timedelta(hours=1)  # for an answer that was given in MLflow or in a shell
FIELDS = {
    "evidence": Param(
        "",
        type="string",
        title="Evidence",
        description="The hash that your answer is bound to. Leave it as it is.",
    ),
    # One that may not be null must be filled in before the form's buttons can be pressed.
    "note": Param(
        None,
        type=["null", "string"],
        title="Note",
        description="Why, if you like; the ledger keeps it.",
    ),
}

NOTES = """\
{description}

Takes a challenger that passed offline through live traffic: shadow, canary, promoted or rolled
back, then the holdback. Looks every hour whether somebody waits; a run then lasts for weeks.

**Normal.** Most runs end in seconds: nobody waits. `approval` is skipped unless a version waits
for a person; then it stands under *Required Actions* until somebody answers there, in MLflow or
with `gauntlet approve`. A `release` that has something to wait for is *deferred*; its last log
line says until when and for what. `ended` is the usual outcome of a canary, and a green run.

**Worry** when a task fails, or when `release` has been deferred to an instant that is long past:
then no triggerer runs. The champion serves all the same; only harm would be noticed later. An
`approval` that failed had an answer that does not count; its log says why, and the next run asks.

**Find out.** `gauntlet release {name}` takes the same step in a shell, at any time, beside this
DAG: the ledger takes each move once. `gauntlet explain {name}` tells the last decision, `gauntlet
ledger {name}` every move. To stop a challenger at once: `gauntlet rollback`, or remove the alias
`challenger` in MLflow.

Owner: {owner}. Declaration: `{path}`.
"""


def when(tree: dict[str, Any]) -> CronDataIntervalTimetable | None:
    """Every hour, if what is retrained on a schedule has to pass live traffic."""
    if not (tree.get("rollout") and tree.get("schedule")):
        return None
    return CronDataIntervalTimetable("@hourly", timezone="UTC")


class Approval(ApprovalOperator):
    """A question to a person where one is awaited, bound to the evidence that it shows."""

    def __init__(self, *, model: str, **others: Any) -> None:
        super().__init__(subject="", params=FIELDS, response_timeout=LOOK_AGAIN, **others)
        self.model = model

    def execute(self, context: Any, asked: str = "") -> None:
        """Ask, or ask on; skip when there is nothing (more) to ask."""
        from pipelines.flows.release.approval import pending_approval
        from pipelines.wiring import connect

        connections = connect()
        question = pending_approval(self.model, connections.ledger, connections.registry)
        # Airflow never changes a question that it has shown: another one needs another run.
        if question is None or asked not in ("", question.evidence):
            raise AirflowSkipException("no person is awaited" if not asked else "asked no more")
        self.show(question)
        try:
            super().execute(context)
        except TaskAwaitingInput as waits:
            waits.kwargs = {"version": question.version, "asked": question.evidence}
            raise

    def show(self, question: Any) -> None:
        """Put a question on the form."""
        from gauntlet_links import version_page

        page = version_page(self.model, question.version)
        self.subject = f"{self.model}: put version {question.version} on live traffic?"
        self.body = question.page + (f"\n\n[All of the evidence]({page})" if page else "")
        self.params["evidence"] = question.evidence

    def execute_complete(self, context: Any, event: Any, version: str = "", asked: str = "") -> Any:
        """Somebody has answered; or an hour has passed, and somebody may have, elsewhere."""
        from pipelines.release.approval import ReviewAnswer, answer_review
        from pipelines.wiring import connect

        if event.get("error_type") == "timeout":
            return self.execute(context, asked)
        answer = super().execute_complete(context, event)
        said, who = answer["params_input"], answer["responded_by_user"]["name"]
        given = ReviewAnswer(
            by=f"{who}, in Airflow",
            evidence=said.get("evidence", ""),
            approved=answer["chosen_options"] == [self.APPROVE],
            note=said.get("note") or "",
        )
        connections = connect()
        entry = answer_review(
            self.model, version, given, connections.ledger, connections.registry, connections.clock
        )
        self.log.info("%s: %s", entry.outcome, "; ".join(entry.reasons))
        return answer


class Release(BaseOperator):
    """Steps of a release, deferred between them, until nothing but a person is awaited."""

    def __init__(self, *, model: str, **others: Any) -> None:
        super().__init__(**others)
        self.model = model

    def execute(self, context: Any) -> dict[str, Any]:  # noqa: ARG002, Airflow's signature
        """Take one step, and wait for the next if there is one."""
        from pipelines.flows.release.advance import advance
        from pipelines.wiring import connect

        connections = connect()
        report = advance(self.model, connections.clock.now(), connections.release).as_json()
        self.log.info(
            "%s: %s; next check %s", *(report[k] for k in ("action", "summary", "next_check"))
        )
        # A person is asked by the first task of the next run, which is due by then.
        if report["next_check"] and report["action"] != "awaiting_approval":
            self.defer(trigger=UntilTrigger(report["next_check"]), method_name="resume")
        return report

    def resume(self, context: Any, event: str) -> dict[str, Any]:  # noqa: ARG002, as above
        """The instant has come."""
        return self.execute(context)


for model, timetable in declared("release", when):
    about, pause = f"Live traffic of challengers of {model.name}", timedelta(minutes=1)
    with dag_of("release", model, about, timetable, NOTES, retries=5, retry_delay=pause) as dag:
        ask = Approval(task_id="approval", model=model.name)
        ask >> Release(task_id="release", model=model.name, trigger_rule=TriggerRule.NONE_FAILED)
    globals()[dag.dag_id] = dag
