"""The alarm of a silent stream."""

from datetime import UTC, datetime

from pipelines.monitoring.arrival import silence_alarm
from pipelines.monitoring.report import Arrival

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


def test_a_stream_without_arrivals_has_no_pause_to_compare_with():
    empty = Arrival(stream="sales", newest=None, silent_for_s=None, longest_pause_s=None)
    assert silence_alarm(empty, 2) is None
