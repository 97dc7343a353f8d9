"""Sends the alerts of a monitoring report, and events of runs, each once to each channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipelines.core.deadline import within
from pipelines.core.errors import GauntletError, IntegrityError, LockedError
from pipelines.core.files import atomic_file, write_bytes
from pipelines.core.patience import ANSWER_S
from pipelines.core.retry import compare_and_swap
from pipelines.core.time import instant_text
from pipelines.data.objects import ObjectStore
from pipelines.monitoring.alerts import (
    BOOK_FORMAT,
    AlertBook,
    Channel,
    Message,
    OpenAlert,
    OpenEvent,
    Sending,
    due,
    marked,
    with_event,
    with_report,
    without_events,
)
from pipelines.monitoring.report import MonitorReport
from pipelines.release.lock import OtherLock
from pipelines.reporting.alert_text import alert_message


@dataclass(frozen=True)
class AlertCollaborators:
    """What the sending of alerts works with.

    Arguments:
        folder: where it is recorded what was sent: ``<model>.json``.
        channels: those that this process can use.
        budget: messages in seven days, at most.
        lock: locks one model, so that two processes do not send the same alert.
        link: address of a page with the whole report; "" for none.
        longest_s: how long one channel may take, in seconds.
        open_shared: opens the object store in which machines share the record; ``None``: there is
            one machine.
    """

    folder: Path
    channels: Sequence[Channel]
    budget: int
    lock: Callable[[str, str], AbstractContextManager[object]]
    link: str = ""
    longest_s: float = ANSWER_S
    open_shared: Callable[[], ObjectStore] | None = None


@dataclass
class Sent:
    """What became of the alerts of a report.

    Arguments:
        lines: one for each alert and channel, for people.
        failures: why channels did not accept an alert.
    """

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def send_alerts(report: MonitorReport, collaborators: AlertCollaborators) -> Sent:
    """Send what is new in a report, and what failed at an earlier run.

    A report that is older than one whose alerts were sent before sends nothing.

    Raises:
        LockedError: another process sends alerts of this model.
        FormatError: the record of what was sent is of a newer release.
        Unavailable: the record cannot be written.
    """
    with collaborators.lock(report.model, OtherLock.ALERTS):
        book = _read(report.model, collaborators)
        if book.as_of is not None and report.as_of < book.as_of:
            return Sent([f"none: those of {instant_text(book.as_of)} were sent before"])
        book = with_report(book, report)
        return _send(book, report.model, collaborators, report.as_of, report)


def send_event(
    cause: str, message: Message, at: datetime, collaborators: AlertCollaborators
) -> Sent:
    """Send a message about a run, unless an earlier one of its cause is open.

    Arguments:
        cause: what has to end before a message about it is sent again.
        message: to the channels of the collaborators.
        at: the present instant.
        collaborators: as for alerts, whose budget it shares.

    Raises:
        Unavailable: other processes send without an end, or the record cannot be written.
        FormatError: the record of what was sent is of a newer release.
    """
    names = tuple(channel.name for channel in collaborators.channels)
    event = OpenEvent(cause=cause, opened=at, message=message, channels=names)

    def attempt() -> Sent:
        with collaborators.lock(message.model, OtherLock.ALERTS):
            book = with_event(_read(message.model, collaborators), event)
            return _send(book, message.model, collaborators, at)

    return compare_and_swap(attempt, retry_on=LockedError, pause_s=0.1)


def end_events(model: str, beginning: str, collaborators: AlertCollaborators) -> None:
    """Record that causes of events have ended, so that the next one is sent.

    Arguments:
        model: its name.
        beginning: of the causes.
        collaborators: have the record.
    """
    book = _read(model, collaborators)
    if without_events(book, beginning) == book:
        return  # the usual case needs no lock

    def attempt() -> None:
        with collaborators.lock(model, OtherLock.ALERTS):
            _write(model, without_events(_read(model, collaborators), beginning), collaborators)

    compare_and_swap(attempt, retry_on=LockedError, pause_s=0.1)


def _send(
    book: AlertBook,
    model: str,
    collaborators: AlertCollaborators,
    at: datetime,
    report: MonitorReport | None = None,
) -> Sent:
    """Send what is due at an instant; without a report, only events."""
    sent = Sent()
    for alert in book.every:
        for name, state in alert.sent.items():
            if state is Sending.BEGUN:
                sent.lines.append(f"{alert.id}: a run ended while it sent to {name}; not repeated")
    channels = {channel.name: channel for channel in collaborators.channels}
    can_send = book if report is not None else book.model_copy(update={"open": ()})
    to_send, held = due(can_send, list(channels), collaborators.budget)
    _write(model, book, collaborators)
    for alert in can_send.every:
        names = to_send.get(alert.id, ())
        message = _message(alert, report, len(held), collaborators.link) if names else None
        if message is None:
            continue
        for name in names:
            book = marked(book, alert.id, name, Sending.BEGUN, at)
            _write(model, book, collaborators)
            failure = _failure(channels[name], message, collaborators.longest_s)
            outcome = Sending.FAILED if failure else Sending.SENT
            book = marked(book, alert.id, name, outcome, at)
            _write(model, book, collaborators)
            sent.lines.append(f"{alert.id}: {failure or f'sent to {name}'}")
            sent.failures += [failure] if failure else []
    sent.lines += [_held(alert, collaborators.budget) for alert in held]
    return sent


def _message(
    alert: OpenAlert | OpenEvent, report: MonitorReport | None, held: int, link: str
) -> Message | None:
    """The message of an event, or of an alert if there is a report."""
    if isinstance(alert, OpenEvent):
        return alert.message
    return None if report is None else alert_message(alert, report, held, link)


def _held(alert: OpenAlert | OpenEvent, budget: int) -> str:
    return f"{alert.id}: held back, {budget} messages were sent in seven days"


def _failure(channel: Channel, message: Message, longest_s: float) -> str:
    """Why a channel did not accept a message; "" if it did."""
    try:
        within(longest_s, lambda: channel.send(message), channel.name)
    except GauntletError as error:
        return error.summary
    return ""


def _read(model: str, collaborators: AlertCollaborators) -> AlertBook:
    path = collaborators.folder / f"{model}.json"
    if collaborators.open_shared is not None:
        _fetch(collaborators.open_shared(), path)
    try:
        return BOOK_FORMAT.from_text(path.read_bytes(), str(path))
    except FileNotFoundError:
        return AlertBook()


def _fetch(store: ObjectStore, path: Path) -> None:
    """Bring the record that machines share; a record that was never shared stays as it is."""
    key = _key(path)

    def attempt() -> None:
        for stored in store.list(key):
            if stored.key == key:
                with atomic_file(path) as draft:
                    store.read(stored, draft)

    # Another machine may write it between listing and reading.
    compare_and_swap(attempt, retry_on=IntegrityError)


def _write(model: str, book: AlertBook, collaborators: AlertCollaborators) -> None:
    path, text = collaborators.folder / f"{model}.json", BOOK_FORMAT.to_text(book).encode()
    if collaborators.open_shared is not None:
        collaborators.open_shared().write(_key(path), text, if_absent=False)
    write_bytes(path, text)


def _key(path: Path) -> str:
    return f"alerts/{path.name}"
