"""Sends the alerts of a monitoring report, each once to each channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.core.deadline import within
from pipelines.core.errors import GauntletError
from pipelines.core.files import write_bytes
from pipelines.core.patience import ANSWER_S
from pipelines.core.time import instant_text
from pipelines.monitoring.alerts import (
    BOOK_FORMAT,
    AlertBook,
    Channel,
    Message,
    OpenAlert,
    Sending,
    due,
    marked,
    with_report,
)
from pipelines.monitoring.report import MonitorReport
from pipelines.reporting.alert_text import alert_message


@dataclass(frozen=True)
class AlertCollaborators:
    """What the sending of alerts works with.

    Arguments:
        folder: where it is recorded what was sent.
        channels: those that this process can use.
        budget: messages in seven days, at most.
        lock: locks one model, so that two processes do not send the same alert.
        link: address of a page with the whole report; "" for none.
        longest_s: how long one channel may take, in seconds.
    """

    folder: Path
    channels: Sequence[Channel]
    budget: int
    lock: Callable[[str, str], AbstractContextManager[object]]
    link: str = ""
    longest_s: float = ANSWER_S


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
    path = collaborators.folder / f"{report.model}.json"
    with collaborators.lock(report.model, "alerts"):
        book = _read(path)
        if book.as_of is not None and report.as_of < book.as_of:
            return Sent([f"none: those of {instant_text(book.as_of)} were sent before"])
        return _send(with_report(book, report), report, path, collaborators)


def _send(
    book: AlertBook, report: MonitorReport, path: Path, collaborators: AlertCollaborators
) -> Sent:
    sent = Sent()
    for alert in book.open:
        for name, state in alert.sent.items():
            if state is Sending.BEGUN:
                sent.lines.append(f"{alert.id}: a run ended while it sent to {name}; not repeated")
    channels = {channel.name: channel for channel in collaborators.channels}
    to_send, held = due(book, list(channels), collaborators.budget)
    _write(path, book)
    for alert in book.open:
        message = None
        for name in to_send.get(alert.id, ()):
            message = message or alert_message(alert, report, len(held), collaborators.link)
            book = _write(path, marked(book, alert.id, name, Sending.BEGUN))
            failure = _failure(channels[name], message, collaborators.longest_s)
            outcome = Sending.FAILED if failure else Sending.SENT
            book = _write(path, marked(book, alert.id, name, outcome))
            sent.lines.append(f"{alert.id}: {failure or f'sent to {name}'}")
            sent.failures += [failure] if failure else []
    sent.lines += [_held(alert, collaborators.budget) for alert in held]
    return sent


def _held(alert: OpenAlert, budget: int) -> str:
    return f"{alert.id}: held back, {budget} messages were sent in seven days"


def _failure(channel: Channel, message: Message, longest_s: float) -> str:
    """Why a channel did not accept a message; "" if it did."""
    try:
        within(longest_s, lambda: channel.send(message), channel.name)
    except GauntletError as error:
        return error.summary
    return ""


def _read(path: Path) -> AlertBook:
    try:
        return BOOK_FORMAT.from_text(path.read_bytes(), str(path))
    except FileNotFoundError:
        return AlertBook()


def _write(path: Path, book: AlertBook) -> AlertBook:
    write_bytes(path, BOOK_FORMAT.to_text(book).encode())
    return book
