"""Versions are removed when no record, account or rollback needs them."""

from datetime import timedelta
from typing import Any

import pytest

from pipelines.core.time import parse_instant
from pipelines.release.ledger import Entry, NewEntry
from pipelines.release.policies import Lane
from pipelines.release.policy import Decision, Facts
from pipelines.release.registry import VersionInfo
from pipelines.release.retention import expired_runs, expired_versions
from pipelines.release.rollout.segment_champions import SegmentChange
from pipelines.spec.training import RefreshGate

START = parse_instant("2024-01-01")
WEEK = timedelta(days=7)
LAG = 5 * WEEK
SPAN = 26 + 5 + 1  # weeks


def version(number: int, week: int, **changed: Any) -> VersionInfo:
    about = {
        "model": "m",
        "run": f"r{number}",
        "recipe": "r",
        "spec": "s",
        "snapshot": "s",
        "as_of": START + week * WEEK,
        "content": f"{number:064x}",
        "split": {},
        "lineage": "live",
        "created_at": START,
        "version": str(number),
    }
    return VersionInfo.model_validate(about | changed)


class Chain:
    """Decisions of the lineage live, one a week."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(
        self,
        week: int,
        candidate: int,
        *,
        promoted: bool,
        outcome: str = "hold",
        lane: Lane = "refresh",
    ) -> None:
        head = self.entries[-1] if self.entries else None
        before = head.champion_after if head else None
        facts = Facts(
            run=f"r{candidate}",
            candidate=str(candidate),
            champion=before,
            champion_at_decision=before,
            lane=lane,
        )
        decision = Decision(
            outcome="promote" if promoted else outcome,
            case="offline",
            reasons=("r",),
            gates=(),
            evidence="e",
            policy="4",
        )
        draft = NewEntry(
            model="m",
            kind="promotion" if promoted else "decision",
            run=f"r{candidate}",
            as_of=START + week * WEEK,
            champion_before=before,
            champion_after=str(candidate) if promoted else before,
            reasons=("r",),
            facts=facts,
            decision=decision,
        )
        self.entries.append(Entry.append_to(draft, head, START + week * WEEK))

    def change_segment(self, week: int, number: int | None) -> None:
        """Another version, or the champion, answers line 7 from now on."""
        head = self.entries[-1]
        draft = NewEntry(
            model="m",
            kind="segment_rollback" if number is None else "segment_promotion",
            run=f"s{week}",
            as_of=START + week * WEEK,
            champion_before=head.champion_after,
            champion_after=head.champion_after,
            reasons=("r",),
            segments=SegmentChange(
                column="line", values=("7",), version=None if number is None else str(number)
            ),
        )
        self.entries.append(Entry.append_to(draft, head, START + week * WEEK))


def removed(chain: Chain, versions: list[VersionInfo], week: int) -> list[str]:
    now = START + week * WEEK
    found = expired_versions(versions, chain.entries, RefreshGate(), now, LAG)
    return [info.version for info in found]


def test_candidates_are_kept_as_long_as_the_record_needs_them() -> None:
    chain = Chain()
    chain.add(0, 1, promoted=True)
    for week in range(1, 60):
        chain.add(week, week + 1, promoted=False)
    versions = [version(week + 1, week) for week in range(60)]
    kept_from = 60 - SPAN
    assert removed(chain, versions, 60) == [str(n + 1) for n in range(1, kept_from)]


def test_a_replaced_version_is_kept_while_it_is_watched_and_the_newest_one_for_a_rollback() -> None:
    chain = Chain()
    for week, number in ((0, 1), (10, 2), (20, 3)):
        chain.add(week, number, promoted=True)
    versions = [version(1, 0), version(2, 10), version(3, 20)]
    assert removed(chain, versions, 61) == []
    assert removed(chain, versions, 63) == ["1"], "replaced 53 weeks ago"
    assert removed(chain, versions, 200) == ["1"], "a rollback would restore version 2"


def test_a_segments_champion_is_kept_and_watched_after_it_was_replaced() -> None:
    chain = Chain()
    chain.add(0, 1, promoted=True)
    for week in (1, 2):
        chain.add(week, week + 1, promoted=False)
    chain.change_segment(3, 2)
    versions = [version(1, 0), version(2, 1), version(3, 2)]
    assert removed(chain, versions, 200) == ["3"], "version 2 answers line 7"
    chain.change_segment(200, None)
    assert removed(chain, versions, 251) == ["3"]
    assert removed(chain, versions, 253) == ["2", "3"], "taken back 53 weeks ago"


@pytest.mark.parametrize("outcome", ["start_rollout", "await_review"])
def test_a_version_that_waits_is_kept(outcome: str) -> None:
    chain = Chain()
    chain.add(0, 1, promoted=True)
    chain.add(1, 2, promoted=False, outcome=outcome)
    assert removed(chain, [version(1, 0), version(2, 1)], 200) == []


def test_a_version_without_a_decision_and_other_lineages_are_left_alone() -> None:
    chain = Chain()
    chain.add(0, 1, promoted=True)
    others = [version(2, 1), version(1, 0, lineage="backfill")]
    assert removed(chain, others, 200) == []
    assert removed(Chain(), others, 200) == []


def test_updates_are_kept_for_a_week_and_for_a_rollback_and_their_anchor_is_watched() -> None:
    chain = Chain()
    chain.add(0, 1, promoted=True)
    for week in range(1, 6):
        chain.add(week, week + 1, promoted=True, lane="update")
    versions = [version(week + 1, week) for week in range(6)]
    assert removed(chain, versions, 6) == ["2", "3", "4"], "version 5 was champion before 6"


def test_the_anchor_of_an_updated_champion_is_kept_whatever_its_age() -> None:
    chain = Chain()
    chain.add(0, 1, promoted=True)
    for week in range(1, 61):
        chain.add(week, week + 1, promoted=True, lane="update")
    assert removed(chain, [version(1, 0), version(60, 59), version(61, 60)], 61) == []


def test_files_of_a_run_are_needed_for_a_week_and_for_the_newest_decision() -> None:
    chain = Chain()
    for week in range(5):
        chain.add(week, week + 1, promoted=week == 0)
    at = START + 4 * WEEK
    assert expired_runs(chain.entries, at) == ("r1", "r2", "r3")
    assert expired_runs(chain.entries, at + timedelta(seconds=1)) == ("r1", "r2", "r3", "r4")
    assert expired_runs(chain.entries, at + 50 * WEEK) == ("r1", "r2", "r3", "r4")
    assert expired_runs([], at) == ()


def test_files_of_a_run_whose_version_awaits_review_are_kept() -> None:
    chain = Chain()
    chain.add(0, 1, promoted=True)
    chain.add(1, 2, promoted=False, outcome="await_review")
    chain.add(2, 3, promoted=False)
    assert expired_runs(chain.entries, START + 50 * WEEK) == ("r1",)
