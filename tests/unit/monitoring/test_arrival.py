"""Alarms of a silent stream, and of one that sends rows again."""

from datetime import UTC, datetime, timedelta

from pipelines.monitoring.arrival import repeat_alarm, silence_alarm
from pipelines.monitoring.report import Arrival, Cause
from pipelines.quality.repeats import DayRepeats

NEWEST = datetime(2026, 1, 5, tzinfo=UTC)


def arrival(silent, pause):
    return Arrival(
        stream="sales", newest=NEWEST, silent_for_s=silent * 3600, longest_pause_s=pause * 3600
    )


def test_silence_is_an_alarm_beyond_twice_the_longest_pause():
    assert silence_alarm(arrival(20, 10), 2) is None
    alarm = silence_alarm(arrival(21, 10), 2)
    assert (alarm.since, alarm.size, alarm.threshold) == (NEWEST, 21, 20)
    assert "no row for 21h" in alarm.evidence


def test_a_week_whose_pause_no_other_week_comes_near_is_a_false_alarm_of_silence():
    paused = arrival(21, 10).model_copy(update={"pauses_s": (3600.0, 3 * 3600.0, 10 * 3600.0)})
    alarm = silence_alarm(paused, 2)
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (1 / 3, 3)
    assert silence_alarm(arrival(21, 10), 2).false_alarm_rate is None


def test_a_stream_without_arrivals_has_no_pause_to_compare_with():
    empty = Arrival(stream="sales", newest=None, silent_for_s=None, longest_pause_s=None)
    assert silence_alarm(empty, 2) is None


def repeats(*shares, fresh=7, rows=100):
    """Days with shares of repeated rows, the last of which are fresh."""
    first = NEWEST - timedelta(days=len(shares))
    return [
        DayRepeats(first + timedelta(days=at), rows, float(at >= len(shares) - fresh), share)
        for at, share in enumerate(shares)
    ]


USUAL = [0.01, 0.02, 0.015] * 10


def test_a_day_that_was_sent_twice_is_an_alarm_of_the_feed():
    alarm = repeat_alarm("sales", repeats(*USUAL, 0.01, 0.5, 0.02))
    assert (alarm.cause, alarm.subject, alarm.size) == (Cause.FEED, "sales", 0.5)
    assert alarm.since == NEWEST - timedelta(days=2)
    assert (alarm.false_alarm_rate, alarm.quiet_windows) == (0, 26)
    assert "50.0% of 100 rows of 2026-01-03 repeat others" in alarm.evidence


def test_a_stream_that_always_repeats_itself_is_none():
    assert repeat_alarm("stock", repeats(*[0.9, 0.95, 1.0] * 12)) is None


def test_few_repeats_few_rows_and_a_short_history_are_none():
    assert repeat_alarm("sales", repeats(*USUAL, 0.05)) is None
    assert repeat_alarm("sales", repeats(*USUAL, 0.5, rows=20)) is None
    assert repeat_alarm("sales", repeats(*USUAL[:10], 0.5)) is None
    assert repeat_alarm("sales", repeats(*USUAL, 0.5, *USUAL[:7])) is None, "it is not fresh"
