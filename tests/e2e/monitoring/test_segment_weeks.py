"""A week counts with the versions that were champions of segments then."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from pipelines.flows.monitor.run import monitor
from pipelines.release.rollback import RollbackRequest, rollback_segments
from tests.support.live.segment_champion import win_segments
from tests.support.pharmacy import SECOND, WEEK, Pharmacy, write_days
from tests.support.rollout_factory import at, shared_challenger

SEGMENT = "cetirizine"
NOW = SECOND + 5 * WEEK
BACK = SECOND + WEEK  # the version is taken back


def weekly(pharmacy: Pharmacy) -> dict[date, float | None]:
    """The error of each week that the twin has no part in."""
    weeks = monitor("demand", NOW, at(pharmacy, NOW).monitoring).performance.weeks
    return {one.start: one.value for one in weeks if not one.held_out}


def test_a_week_counts_with_the_segments_champion_of_that_time(tmp_path: Path) -> None:
    challenger = shared_challenger().twin(tmp_path / "waits")
    write_days(Path(challenger.store), SECOND, NOW)
    promoted = challenger.twin(tmp_path / "promoted")
    alone = weekly(challenger)
    win_segments(at(promoted, SECOND), "medicine", SEGMENT, at=SECOND)
    since = weekly(promoted)
    parts = at(promoted, BACK)
    request = RollbackRequest("demand", run="back", reason="a complaint")
    rollback_segments(request, [SEGMENT], parts.ledger, parts.registry, parts.clock)
    found = weekly(promoted)
    weeks = [date_of(SECOND), date_of(BACK)]
    assert set(weeks) <= alone.keys(), sorted(alone)
    assert [since[one] != alone[one] for one in weeks] == [True, True]
    assert found[weeks[0]] == since[weeks[0]], "version 2 answered the segment in this week"
    assert found[weeks[1]] == alone[weeks[1]], "the champion answered everything again"


def date_of(instant: datetime) -> date:
    return instant.date()
