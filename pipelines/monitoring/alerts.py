"""Which alarms and events become messages: by cause, within a weekly budget, each of them once.

Alarms that cost nothing send no message. While a feed is broken or late, drift is taken for its
consequence and sends none of its own.

An alert is open from the report in which its alarms first appeared until the report in which all of
them have ended. It is sent once to each channel. What was sent is recorded before and after: a
channel that failed gets the alert at the next run (at least once), and a run that was killed while
it sent does not send again (at most once).

An event of a run, such as a failed task, is open until its cause has ended, and shares the budget.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from pydantic import Field

from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record
from pipelines.core.time import instant_text
from pipelines.monitoring.report import Alarm, Cause, MonitorReport

SPAN = timedelta(days=7)  # of the budget
LONGEST = timedelta(days=90)  # after which an event without an end counts as ended
BY_SUBJECT = frozenset({Cause.FEED, Cause.LATE, Cause.CATEGORY})
BROKEN_DATA = frozenset({Cause.FEED, Cause.LATE})


class Message(Record):
    """What a channel sends."""

    id: str = Field(description="the same whenever the message is sent again")
    model: str
    subject: str = Field(description="one line")
    text: str = Field(description="what, since when, how sure, its cost, what to do, where")
    link: str = ""


class Channel(Protocol):
    """A way to reach people. ``name`` is unique among the channels of a model."""

    @property
    def name(self) -> str:
        """Its name in reports and in the record of what was sent; without secrets."""

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            GauntletError: it was not accepted.
        """


class Sending(StrEnum):
    """How far the sending of an alert to one channel has come."""

    BEGUN = "begun"  # by a run that sends now or was killed
    SENT = "sent"
    FAILED = "failed"


class OpenAlert(Record):
    """Alarms of one cause that first appeared in one report and have not ended."""

    cause: Cause
    opened: Instant = Field(description="as-of of that report")
    keys: tuple[str, ...] = Field(description="of its alarms, see ``key_of``")
    sent: dict[str, Sending] = Field(default_factory=dict, description="by name of a channel")

    @property
    def id(self) -> str:
        """Identifies it among the alerts of the model."""
        return f"{self.cause.value} {instant_text(self.opened)}"


class OpenEvent(Record):
    """Something that happened in a run, and whose cause has not ended."""

    cause: str = Field(description="of several events of one cause, the first is sent")
    opened: Instant
    message: Message
    channels: tuple[str, ...] = Field(description="names of those that it goes to")
    sent: dict[str, Sending] = Field(default_factory=dict, description="by name of a channel")

    @property
    def id(self) -> str:
        """Identifies it among alerts and events of the model."""
        return self.message.id


class AlertBook(Record):
    """What is open, and what was sent."""

    as_of: Instant | None = Field(default=None, description="of the newest report")
    open: tuple[OpenAlert, ...] = ()
    counted: tuple[Instant, ...] = Field(
        default=(), description="as-of of each message of the last seven days"
    )
    events: tuple[OpenEvent, ...] = Field(default=(), description="of runs, oldest first")

    @property
    def every(self) -> tuple[OpenAlert | OpenEvent, ...]:
        """Alerts, then events."""
        alerts: tuple[OpenAlert | OpenEvent, ...] = self.open
        return alerts + self.events


A = TypeVar("A", OpenAlert, OpenEvent)
BOOK_FORMAT = StoredFormat("a record of alerts", AlertBook)


def key_of(alarm: Alarm) -> str:
    """What an alarm is about: its cause, and for alarms of incoming data also the place."""
    place = f" {alarm.subject}" if alarm.cause in BY_SUBJECT else ""
    return f"{alarm.cause.value}{place}"


def alarms_of(alert: OpenAlert, report: MonitorReport) -> tuple[Alarm, ...]:
    """The alarms of a report that an alert is about, the most expensive first."""
    return tuple(one for one in worth_a_message(report) if key_of(one) in alert.keys)


def worth_a_message(report: MonitorReport) -> tuple[Alarm, ...]:
    """The alarms of a report that cost something, or may, the most expensive first."""
    return tuple(
        alarm
        for alarm in report.alarms
        if alarm.cause is not Cause.UNUSED and (alarm.cost is None or alarm.cost > 0)
    )


def with_report(book: AlertBook, report: MonitorReport) -> AlertBook:
    """The record with a report's alarms: ended alerts are gone, new ones are open.

    Arguments:
        book: of earlier reports, or of the same one.
        report: not older than the newest of the book.

    Returns:
        Open alerts with the most expensive first.
    """
    found = worth_a_message(report)
    order = {key_of(alarm): place for place, alarm in reversed(list(enumerate(found)))}
    kept = [
        alert.model_copy(update={"keys": left})
        for alert in book.open
        if (left := tuple(key for key in alert.keys if key in order))
    ]
    known = {key for alert in kept for key in alert.keys}
    broken = any(alarm.cause in BROKEN_DATA for alarm in found)
    new: dict[Cause, list[str]] = {}
    for alarm in found:
        key = key_of(alarm)
        own = new.setdefault(alarm.cause, [])
        if key not in known and key not in own and not (broken and alarm.cause is Cause.DRIFT):
            own.append(key)
    opened = [
        OpenAlert(cause=cause, opened=report.as_of, keys=tuple(keys))
        for cause, keys in new.items()
        if keys
    ]
    every = sorted([*kept, *opened], key=lambda alert: min(order[k] for k in alert.keys))
    return _recent(
        book.model_copy(update={"as_of": report.as_of, "open": tuple(every)}), report.as_of
    )


def with_event(book: AlertBook, event: OpenEvent) -> AlertBook:
    """The record with an event, unless one of its cause is open."""
    book = _recent(book, event.opened)
    known = any(one.cause == event.cause for one in book.events)
    return book if known else book.model_copy(update={"events": (*book.events, event)})


def without_events(book: AlertBook, beginning: str) -> AlertBook:
    """The record without the events whose cause begins with a text: it has ended."""
    kept = tuple(one for one in book.events if not one.cause.startswith(beginning))
    return book.model_copy(update={"events": kept})


def _recent(book: AlertBook, now: datetime) -> AlertBook:
    """The record without messages that no longer count, and without events of long ago."""
    return book.model_copy(
        update={
            "counted": tuple(at for at in book.counted if at > now - SPAN),
            "events": tuple(one for one in book.events if one.opened > now - LONGEST),
        }
    )


def due(
    book: AlertBook, channels: Collection[str], budget: int
) -> tuple[Mapping[str, Sequence[str]], Sequence[OpenAlert | OpenEvent]]:
    """What to send now: alerts first, then events.

    Arguments:
        book: from ``with_report`` or ``with_event``.
        channels: names of the channels that this process can use.
        budget: messages in seven days, at most.

    Returns:
        Channels by id of an alert, and the alerts that the budget holds back. Alerts that were
        sent to some channel before do not count again.
    """
    left = budget - len(book.counted)
    send: dict[str, Sequence[str]] = {}
    held: list[OpenAlert | OpenEvent] = []
    for alert in book.every:
        wanted = alert.channels if isinstance(alert, OpenEvent) else channels
        missing = [
            one
            for one in channels
            if one in wanted and alert.sent.get(one, Sending.FAILED) is Sending.FAILED
        ]
        if not missing:
            continue
        if not alert.sent:
            if left <= 0:
                held.append(alert)
                continue
            left -= 1
        send[alert.id] = missing
    return send, held


def marked(book: AlertBook, alert: str, channel: str, sending: Sending, at: datetime) -> AlertBook:
    """The record in which the sending of an alert or event to a channel has come that far.

    Arguments:
        book: the record.
        alert: id of an alert or event.
        channel: name of the channel.
        sending: how far it has come.
        at: instant at which a first message counts for the budget.
    """
    first = any(one.id == alert and not one.sent for one in book.every)

    def changed(one: A) -> A:
        sent = {**one.sent, channel: sending}
        return one.model_copy(update={"sent": sent}) if one.id == alert else one

    return book.model_copy(
        update={
            "open": tuple(changed(one) for one in book.open),
            "events": tuple(changed(one) for one in book.events),
            "counted": (*book.counted, *([at] if first else [])),
        }
    )
