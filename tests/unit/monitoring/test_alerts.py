"""Which alarms become messages, and how often."""

from __future__ import annotations

import pytest

from pipelines.monitoring.alerts import AlertBook, Sending, due, marked, with_report
from pipelines.monitoring.report import Cause
from tests.support.monitor_reports import DAY, MONDAY, alarm, report

CHANNELS = ("file", "webhook")
FEED = alarm(Cause.FEED)
DRIFT = alarm(Cause.DRIFT, "price")
MODEL = alarm(Cause.MODEL, "absolute_error", 2.0)


def run(book: AlertBook, *alarms, day: int = 0, budget: int = 3, result=Sending.SENT):
    """A run that sends what is due; returns the book, and the causes that were sent."""
    book = with_report(book, report(*alarms, at=MONDAY + day * DAY))
    send, _ = due(book, CHANNELS, budget)
    for alert, names in send.items():
        for name in names:
            book = marked(book, alert, name, result, MONDAY + day * DAY)
    return book, [alert.partition(" ")[0] for alert in send]


def test_an_alert_is_sent_once_until_all_of_its_alarms_have_ended():
    book, sent = run(AlertBook(), FEED)
    assert sent == ["feed"]
    for day in (0, 1, 2):
        book, sent = run(book, FEED, day=day)
        assert sent == []
    book, sent = run(book, day=3)
    assert (sent, book.open) == ([], ())
    assert run(book, FEED, day=4)[1] == ["feed"]


def test_alarms_of_one_cause_are_one_message():
    book, sent = run(AlertBook(), FEED, alarm(Cause.FEED, "sales.price"), MODEL)
    assert sent == ["feed", "model"]
    assert book.open[0].keys == ("feed sales.units", "feed sales.price")


def test_another_broken_column_is_a_message_and_another_column_that_drifts_is_none():
    book, _ = run(AlertBook(), FEED)
    assert run(book, FEED, alarm(Cause.FEED, "stock.level"), day=1)[1] == ["feed"]
    book, _ = run(AlertBook(), DRIFT)
    assert run(book, DRIFT, alarm(Cause.DRIFT, "weight"), day=1)[1] == []


def test_drift_sends_nothing_while_a_feed_is_broken_and_is_not_repeated_afterwards():
    assert run(AlertBook(), FEED, DRIFT)[1] == ["feed"]
    book, _ = run(AlertBook(), DRIFT)
    book, _ = run(book, FEED, DRIFT, day=1)
    assert run(book, DRIFT, day=2)[1] == []


def test_what_costs_nothing_sends_nothing():
    assert run(AlertBook(), alarm(Cause.UNUSED, cost=0.0), alarm(Cause.DRIFT, cost=0.0))[1] == []


def test_the_budget_goes_to_the_largest_losses_and_returns_after_a_week():
    small = alarm(Cause.EARLIER_VERSION, "version 2", 0.5)
    alarms = (small, MODEL, FEED)
    book, sent = run(AlertBook(), *alarms, budget=2)
    assert sent == ["feed", "model"]
    assert [one.cause for one in due(book, CHANNELS, 2)[1]] == [Cause.EARLIER_VERSION]
    assert run(book, *alarms, day=6, budget=2)[1] == []
    assert run(book, *alarms, day=7, budget=2)[1] == ["earlier_version"]


def test_a_channel_that_failed_is_tried_again_and_costs_the_budget_once():
    book, _ = run(AlertBook(), FEED, budget=1, result=Sending.FAILED)
    book = marked(book, book.open[0].id, "file", Sending.SENT, MONDAY)
    assert list(due(book, CHANNELS, 1)[0].values()) == [["webhook"]]
    assert len(book.counted) == 1


@pytest.mark.parametrize("state", [Sending.BEGUN, Sending.SENT])
def test_a_run_that_was_killed_while_it_sent_does_not_send_again(state):
    book, _ = run(AlertBook(), FEED, result=state)
    assert run(book, FEED, day=1)[1] == []
