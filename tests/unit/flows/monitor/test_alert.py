"""Alerts to a real server on loopback and a file, through failures."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.adapters.alerts.file import AlertFile
from pipelines.adapters.alerts.webhook import Webhook
from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import Unavailable
from pipelines.data.objects import StoredObject
from pipelines.flows.monitor.alert import AlertCollaborators, end_events, send_alerts, send_event
from pipelines.flows.monitor.deliver import refuse_failures
from pipelines.monitoring.alerts import Message
from pipelines.monitoring.report import Cause
from tests.support.monitor_reports import DAY, MONDAY, alarm, report
from tests.support.processes.forked import Forked, Surroundings
from tests.support.servers import PATIENCE_S
from tests.support.services.receivers import http_receiver

FEED = alarm(Cause.FEED)


def collaborators(home: Path, address: str, **fields) -> AlertCollaborators:
    channels = (
        Webhook("webhook OPS_HOOK", f"{address}/services/secret-path"),
        AlertFile(home / "alerts.jsonl"),
    )
    own = AlertCollaborators(
        folder=home, channels=channels, budget=3, lock=lambda *_: nullcontext()
    )
    return replace(own, **fields)


def lines(home: Path) -> list[dict]:
    return [json.loads(line) for line in (home / "alerts.jsonl").read_text().splitlines()]


def test_a_message_has_what_a_person_needs_at_night_and_is_sent_once(tmp_path: Path) -> None:
    with http_receiver() as server:
        own = collaborators(tmp_path, server.address, link="http://mlflow/#/run")
        for day in (0, 0, 1):
            refuse_failures(send_alerts(report(FEED, at=MONDAY + day * DAY), own))
        [(path, headers, body)] = server.received
    assert path == "/services/secret-path"
    assert headers["Idempotency-Key"] == body["id"]
    [line] = lines(tmp_path)
    assert body == {**line, "text": f"{line['subject']}\n\n{line['text']}"}
    assert line["subject"] == "demand: fix the feed: sales.units since 2025-03-31"
    for wanted in (
        "What: sales.units has changed by a factor of 20",
        "Since: 2025-03-31",
        "How sure: counted on every row that arrived",
        "Cost: unknown until the data is correct",
        "Do: fix the feed; correct the feed and import its days again",
        "Whole report: http://mlflow/#/run",
    ):
        assert wanted in line["text"]


def test_a_channel_that_fails_is_an_error_and_gets_the_alert_at_the_next_run(
    tmp_path: Path,
) -> None:
    with http_receiver() as server:
        own = collaborators(tmp_path, server.address)
        server.status = 500
        sent = send_alerts(report(FEED), own)
        with pytest.raises(Unavailable, match="status 500") as error:
            refuse_failures(sent)
        assert "secret-path" not in str(error.value)
        server.status = 200
        refuse_failures(send_alerts(report(FEED, at=MONDAY + DAY), own))
        assert len(server.received) == len(lines(tmp_path)) == 1


def test_a_channel_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    with http_receiver() as server:
        server.silent.set()
        own = collaborators(tmp_path, server.address, longest_s=0.05)
        sent = send_alerts(report(FEED), own)
        assert sent.failures == ["there was no answer in time (webhook OPS_HOOK): 0.05 s"]
        assert len(lines(tmp_path)) == 1


def test_two_machines_that_share_their_record_send_an_alert_once(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "shared")
    with http_receiver() as server:
        for day, home in enumerate(("a", "b", "a")):
            own = collaborators(tmp_path / home, server.address, open_shared=lambda: store)
            refuse_failures(send_alerts(report(FEED, at=MONDAY + day * DAY), own))
            send_event("task x", failed(day), MONDAY, own)
        end_events("demand", "task", collaborators(tmp_path / "b", "", open_shared=lambda: store))
        again = collaborators(tmp_path / "a", server.address, open_shared=lambda: store)
        send_event("task x", failed(9), MONDAY, again)
        ids = [body["id"] for _, _, body in server.received]
    assert len(ids) == 3
    assert ids[1:] == ["run 0", "run 9"]


def test_a_record_that_another_machine_writes_meanwhile_is_read_again(tmp_path: Path) -> None:
    class Busy(LocalStore):
        overtaken = 0

        def read(self, stored: StoredObject, to: Path) -> None:
            if not self.overtaken:
                self.overtaken += 1
                self.write(stored.key, (self.folder / stored.key).read_bytes(), if_absent=False)
            super().read(stored, to)

    store = Busy(tmp_path / "shared")
    with http_receiver() as server:
        own = collaborators(tmp_path / "a", server.address, open_shared=lambda: store)
        send_event("task x", failed(0), MONDAY, own)
        end_events("demand", "task", collaborators(tmp_path / "b", "", open_shared=lambda: store))
        send_event("task x", failed(1), MONDAY, own)
        assert [body["id"] for _, _, body in server.received] == ["run 0", "run 1"]
    assert store.overtaken


def test_a_report_of_the_past_sends_nothing(tmp_path: Path) -> None:
    with http_receiver() as server:
        own = collaborators(tmp_path, server.address)
        send_alerts(report(), own)
        sent = send_alerts(report(FEED, at=MONDAY - DAY), own)
        assert sent.lines == ["none: those of 2025-04-07T00:00:00Z were sent before"]
        assert server.received == []


def send_to(home: Path, address: str) -> None:
    send_alerts(report(FEED), collaborators(home, address))


def test_a_run_that_is_killed_while_it_sends_is_shown_and_not_repeated(tmp_path: Path) -> None:
    inherits = Surroundings(os.environ, tmp_path, tmp_path / "out", tmp_path / "err")
    with http_receiver() as server:
        server.silent.set()
        process = Forked(send_to, tmp_path, server.address, inherits=inherits)
        assert server.waiting.wait(PATIENCE_S), (tmp_path / "err").read_text()
        process.kill()
        process.wait()
        server.silent.clear()
        sent = send_alerts(report(FEED), collaborators(tmp_path, server.address))
        ended, other = (line.partition("Z: ")[2] for line in sent.lines)
        assert ended == "a run ended while it sent to webhook OPS_HOOK; not repeated"
        assert other == "sent to file"
        assert (server.received, len(lines(tmp_path))) == ([], 1)


def failed(number: int) -> Message:
    return Message(id=f"run {number}", model="demand", subject="a task failed", text="What: x")


def test_an_event_is_sent_once_until_its_cause_has_ended(tmp_path: Path) -> None:
    own = AlertCollaborators(
        tmp_path, [AlertFile(tmp_path / "alerts.jsonl")], 3, lambda *_: nullcontext()
    )
    for number in (1, 2):
        send_event("task x", failed(number), MONDAY, own)
    end_events("demand", "task", own)
    send_event("task x", failed(3), MONDAY, own)
    assert [line["id"] for line in lines(tmp_path)] == ["run 1", "run 3"]


def test_events_and_alerts_share_a_budget_and_what_waits_is_sent_with_a_later_report(
    tmp_path: Path,
) -> None:
    own = AlertCollaborators(
        tmp_path, [AlertFile(tmp_path / "alerts.jsonl")], 1, lambda *_: nullcontext()
    )
    send_alerts(report(FEED), own)
    assert send_event("task x", failed(1), MONDAY + DAY, own).lines == [
        "run 1: held back, 1 messages were sent in seven days"
    ]
    assert len(lines(tmp_path)) == 1
    send_alerts(report(FEED, at=MONDAY + 7 * DAY), own)
    assert [line["id"] for line in lines(tmp_path)][1:] == ["run 1"]


def test_an_unsent_alert_leaves_the_budget_to_an_event(tmp_path: Path) -> None:
    """Without a report an alert cannot be sent, so it takes nothing of the budget."""
    own = AlertCollaborators(tmp_path, [], 1, lambda *_: nullcontext())
    send_alerts(report(FEED), own)  # no channel yet, so the alert stays open
    own = replace(own, channels=[AlertFile(tmp_path / "alerts.jsonl")])
    assert send_event("task x", failed(1), MONDAY + DAY, own).lines == ["run 1: sent to file"]


def test_an_event_that_failed_is_sent_again_to_the_channel_that_failed(tmp_path: Path) -> None:
    with http_receiver() as server:
        own = collaborators(tmp_path, server.address)
        server.status = 500
        assert send_event("task x", failed(1), MONDAY, own).failures
        server.status = 200
        assert not send_event("task x", failed(2), MONDAY + DAY, own).failures
        assert [body["id"] for _, _, body in server.received] == ["run 1"]
        assert len(lines(tmp_path)) == 1
