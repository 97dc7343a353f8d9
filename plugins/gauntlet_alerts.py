"""Messages from Airflow to people: alarms of monitoring, failed tasks, stops and questions.

``monitor.alerts.connections`` of a declaration names the Airflow connections that they go to. The
type of a connection decides the notifier: ``smtp`` (recipients in its extra's ``to``),
``slackwebhook``, or ``http`` (the whole address as its host, a bearer token as its password).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.providers.common.compat.notifier import BaseNotifier
from airflow.sdk import Connection
from gauntlet_links import dag_run_page

from pipelines.core.errors import GauntletError, SpecError, Unavailable
from pipelines.core.markup import html_text, one_line, slack_text
from pipelines.core.redaction import redacted

if TYPE_CHECKING:
    from pipelines.connections import Connections
    from pipelines.monitoring.alerts import Message
    from pipelines.monitoring.report import MonitorReport

log = logging.getLogger(__name__)
QUESTION = "approval "  # beginning of the cause of a question


class Event(NamedTuple):
    """What a callback has to report.

    Arguments:
        cause: an event of this cause is not sent again until it has ended.
        subject: of the message; "" when the cause has ended.
        text: of the message.
    """

    cause: str
    subject: str = ""
    text: str = ""


Describe = Callable[[Any], Event | None]


class WebhookNotifier(BaseNotifier):
    """Posts a message to the address of an Airflow connection of the type ``http``."""

    def __init__(self, connection: Connection, message: Message) -> None:
        super().__init__()
        self.connection, self.message = connection, message

    def notify(self, context: Any) -> None:  # noqa: ARG002, Airflow's signature
        """Post it."""
        from pipelines.adapters.alerts.webhook import Webhook

        token = self.connection.password
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        name = f"connection {self.connection.conn_id}"
        Webhook(name, self.connection.host or "", headers).send(self.message)


class ConnectionChannel:
    """A channel for alerts through an Airflow connection.

    Arguments:
        conn_id: of the connection.
    """

    def __init__(self, conn_id: str) -> None:
        self.conn_id, self.name = conn_id, f"connection {conn_id}"

    def send(self, message: Message) -> None:
        """See ``pipelines.monitoring.alerts.Channel``."""
        try:
            notifier_of(Connection.get(self.conn_id), message).notify({})
        except GauntletError:
            raise
        except Exception as cause:  # whatever a provider raises
            raise Unavailable(
                "a connection did not accept an alert",
                where=self.name,
                got=f"{type(cause).__name__}: {cause}",
            ) from cause


def notifier_of(connection: Connection, message: Message) -> BaseNotifier:
    """The notifier that sends a message through a connection.

    Raises:
        SpecError: the connection has no recipients, or another type.
    """
    whole = f"{message.subject}\n\n{message.text}"
    if connection.conn_type == "smtp":
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        return SmtpNotifier(
            to=_recipients(connection),
            subject=one_line(message.subject),
            html_content=f'<pre style="white-space: pre-wrap">{html_text(message.text)}</pre>',
            custom_headers={"X-Gauntlet-Alert": one_line(message.id)},
            smtp_conn_id=connection.conn_id,
        )
    if connection.conn_type == "slackwebhook":
        from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

        return SlackWebhookNotifier(
            slack_webhook_conn_id=connection.conn_id, text=slack_text(whole)
        )
    if connection.conn_type == "http":
        return WebhookNotifier(connection, message)
    raise SpecError(
        "alerts cannot be sent through this connection",
        where=f"connection {connection.conn_id}",
        got=f"type {connection.conn_type}",
        wanted="smtp, slackwebhook or http",
    )


def _recipients(connection: Connection) -> str:
    to = connection.extra_dejson.get("to")
    if not to:
        raise SpecError(
            "a connection for mail has no recipients",
            where=f"connection {connection.conn_id}",
            wanted='"to" in its extra, addresses separated by commas',
        )
    return str(to)


def deliver_report(report: MonitorReport, connections: Connections) -> None:
    """Deliver a report, with its new alarms to every declared channel.

    Raises:
        Unavailable: MLflow, the store or a channel did not accept it.
    """
    from pipelines.flows.monitor.deliver import deliver, refuse_failures

    spec = connections.load_spec(report.model)
    further = [ConnectionChannel(one) for one in spec.monitor.alerts.connections]
    sent = deliver(report, connections.delivery(spec, further=further))
    for line in sent.lines:
        log.info("alert %s", line)
    refuse_failures(sent)


class RunAlert(BaseNotifier):
    """Sends a message about a run to the connections of its model, as an Airflow callback.

    Messages share the budget of alerts, and a cause that has not ended is not sent again. A
    connection that fails is an error in the log; it does not fail the task.

    Arguments:
        model: its name.
        conn_ids: of the connections.
        describe: the event of Airflow's context; None: there is none.
    """

    def __init__(self, model: str, conn_ids: Sequence[str], describe: Describe) -> None:
        super().__init__()
        self.model, self.conn_ids, self.describe = model, tuple(conn_ids), describe

    def notify(self, context: Any) -> None:
        """Send it, or record that its cause has ended."""
        event = self.describe(context) if self.conn_ids else None
        if event is None:
            return
        try:
            failures = self._record(event, context)
        except GauntletError as error:
            failures = [str(error)]
        for failure in failures:
            self.log.error("%s", failure)

    def _record(self, event: Event, context: Any) -> list[str]:
        """Why connections did not accept the event."""
        from pipelines.flows.monitor.alert import end_events, send_event
        from pipelines.monitoring.alerts import Message
        from pipelines.wiring import connect

        connections = connect()
        channels = [ConnectionChannel(one) for one in self.conn_ids]
        alerts = connections.event_alerts(self.model, channels)
        if not event.subject:
            end_events(self.model, event.cause, alerts)
            return []
        run, dag_id = context.get("run_id", ""), context["dag"].dag_id
        link = dag_run_page(dag_id, run)
        message = Message(
            id=f"{dag_id} {run} {event.subject}",
            model=self.model,
            subject=f"{self.model}: {event.subject}",
            text=redacted(f"{event.text}\nRun: {link or f'{run} of {dag_id}'}"),
            link=link,
        )
        sent = send_event(event.cause, message, connections.clock.now(), alerts)
        for line in sent.lines:
            log.info("alert %s", line)
        return sent.failures


def failed_task(context: Any) -> Event:
    """What a failed task means."""
    error, task = context.get("exception"), _task(context)
    text = f"What: {error}" if error else "What: the task ended without an error of its own"
    return Event(_failure(context), f"task {task} failed", f"{text}\nDo: open its log below")


def recovered_task(context: Any) -> Event:
    """A task that succeeds again."""
    return Event(_failure(context))


def stopped_by_contract(context: Any) -> Event | None:
    """A retraining whose contract did not pass; backfills are left out."""
    report = _returned(context)
    if report is None:
        return None
    if report["verdict"] == "pass":
        return Event("contract")
    return Event(
        "contract",
        "the retraining was stopped by the contract",
        f"What: {report['summary']}\nCost: no newer version until the data is correct\n"
        "Do: docs/runbook.md names what each check means; correct the feed, or waive the check",
    )


def stopped_refreshes(context: Any) -> Event | None:
    """A stop-loss that made a former version champion again."""
    from pipelines.flows.retrain.request import LIVE
    from pipelines.wiring import connect

    report = _returned(context)
    if report is None:
        return None
    model = context["dag"].dag_id.partition("__")[2]
    entries = connect().ledger.of_run(model, LIVE, f"stop.{report['run']}")
    if not entries:
        return None
    return Event(
        f"stop-loss {report['run']}",
        f"the stop-loss restored version {entries[0].champion_after}",
        f"What: {'; '.join(entries[0].reasons)}\n"
        f"Do: `gauntlet explain {model}`; compare training data and features of the versions since",
    )


def rolled_back(context: Any) -> Event | None:
    """A release step that ended a challenger, for all or a segment, or took a version back."""
    report = context["release"]
    what = {
        "rolled_back": f"version {report['champion']} serves",
        "ended": f"version {report['champion']} serves",
        "segment_left": "its champion answers it again; the canary goes on for the others",
    }.get(report["action"])
    if what is None:
        return None
    return Event(
        f"release {report['as_of']}",
        f"live traffic: {report['summary']}",
        f"What: {what}\nDo: {report['next_step'] or 'nothing'}",
    )


def question(context: Any) -> Event:
    """A question that waits for a person."""
    task = context["task"]
    return Event(
        f"{QUESTION}{task.params['evidence']}",
        f"your approval is needed: {task.subject}",
        "Do: answer in Airflow under Required Actions, or in a shell with `gauntlet approve`",
    )


def answered(_: Any) -> Event:
    """No question waits any longer."""
    return Event(QUESTION)


def _task(context: Any) -> str:
    ti = context.get("ti")
    return f"{ti.task_id if ti is not None else 'a task'} of {context['dag'].dag_id}"


def _failure(context: Any) -> str:
    return f"task {_task(context)}"


def _returned(context: Any) -> dict[str, Any] | None:
    """What the task returned; None for a backfill."""
    if context["dag_run"].run_type == "backfill":
        return None
    ti = context["ti"]
    found: dict[str, Any] | None = ti.xcom_pull(task_ids=ti.task_id)
    return found
