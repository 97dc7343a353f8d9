from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pipelines.cli.commands.check import _ended

RECENT = datetime(2026, 10, 1, tzinfo=UTC)
OLD = datetime(2014, 5, 28, 15, tzinfo=UTC)


def readiness(*last_events):
    streams = {str(n): SimpleNamespace(last_event=at) for n, at in enumerate(last_events)}
    return SimpleNamespace(
        streams=streams, plan=SimpleNamespace(recent=SimpleNamespace(start=RECENT))
    )


@pytest.mark.parametrize(
    ("last_events", "newest"),
    [((OLD,), OLD), ((OLD, None), OLD), ((OLD, RECENT), None), ((None,), None), ((), None)],
)
def test_events_that_all_ended_before_the_recent_window_are_named(last_events, newest):
    assert _ended(readiness(*last_events)) == newest
