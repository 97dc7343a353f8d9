"""Decisions of the product's rule, on findings and records that are written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipelines.backtest.policies import Step, run
from pipelines.backtest.refreshes import Refreshes
from pipelines.backtest.versions import Version, version_as_of
from pipelines.core.findings import Verdict, make_finding
from pipelines.core.time import Window
from pipelines.gates.recent_window.record import Comparison, Evaluation
from pipelines.gates.refresh.record import RecordedWeek, RefreshRecord
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import RefreshGate
from tests.support.backtest.drifting_shops import DECLARATION

SPEC = ModelSpec.model_validate(DECLARATION)
MONDAYS = [datetime(2026, 1, 5, tzinfo=UTC) + number * timedelta(days=7) for number in range(30)]
VERSIONS = [version_as_of(SPEC, at) for at in MONDAYS]
PASSED = (make_finding("recent_window.maturity", Verdict.PASS, "enough points"),)
BROKEN = (
    make_finding("champion.worse_than_naive", Verdict.FAIL, "worse", blocking=False),
    make_finding("recent_window.primary", Verdict.PASS, "better than the champion"),
    make_finding("recent_window.baseline", Verdict.PASS, "better than the naive forecast"),
)


@dataclass(frozen=True)
class WrittenWindows:
    """Recent windows on which the candidate is better by ``gain``, with other findings."""

    gain: float
    findings: tuple = PASSED
    spec: ModelSpec = SPEC

    def evaluation(
        self, version: Version, champion: Version | None, *, refresh: bool = False
    ) -> Evaluation:
        first = make_finding("recent_window.baseline", Verdict.PASS, "better than nothing")
        compared = Comparison(
            metric="absolute_error",
            higher_is_better=False,
            candidate=1.0,
            baseline=1.0 + self.gain,
            difference=None,
        )
        return Evaluation(
            window=Window(version.as_of - timedelta(days=14), version.as_of),
            baseline="naive_forecast" if champion is None else "champion",
            rows_digest="r",
            rows=1,
            labelled=1,
            days=1,
            entities=1,
            comparisons=(compared,),
            findings=(*PASSED, first) if champion is None else self.findings,
        )

    def refit_check(self, version: Version, earlier: Sequence[Version]) -> tuple:
        return ()


@dataclass(frozen=True)
class WrittenRecords:
    """Records in which each week newer loses more by ``worse``."""

    worse: float = 0.0

    def as_of(self, at, champions, absent=frozenset()):
        weeks = (
            RecordedWeek(
                start=monday.date(),
                points=100,
                rows_digest="r",
                losses={fit: 1 + self.worse * MONDAYS.index(fit) for fit in MONDAYS[: number + 1]},
            )
            for number, monday in enumerate(MONDAYS)
            if monday + timedelta(days=7) <= at
        )
        return RefreshRecord(recipe="r", weeks=tuple(weeks))


def steps(windows, records=WrittenRecords(), weeks=3, evidence="likely", candidates=None):
    gate = RefreshGate(evidence=evidence, stop=10)
    policy = Refreshes("p", True, gate, windows, records, minimum_effect=0.1)
    offered = candidates or list(zip(MONDAYS, VERSIONS, strict=True))
    return run(policy, offered[:weeks])


def events(found: list[Step]) -> list[str]:
    return [step.event for step in found]


def reasons(step: Step) -> list[str]:
    return [reason.finding for reason in step.reasons]


def test_a_candidate_is_held_back_by_each_finding_against_it():
    found = steps(WrittenWindows(gain=-1.0))
    assert events(found) == ["first", "kept", "kept"]
    assert reasons(found[0]) == ["recent_window.baseline"]
    assert reasons(found[1]) == ["refresh.record", "refresh.age", "refresh.looks_better"]


def test_a_broken_champion_is_replaced_whatever_its_age_costs():
    found = steps(WrittenWindows(gain=1.0, findings=BROKEN), weeks=2)
    assert events(found) == ["first", "promoted"]
    assert reasons(found[1]) == [one.name for one in BROKEN]


def test_the_stop_loss_acts_at_most_twice_in_a_year():
    """Each refresh is worse than the one before, and promoted because it looks better."""
    found = steps(WrittenWindows(gain=1.0), WrittenRecords(0.5), weeks=30, evidence="better")
    assert events(found).count("stopped") == 2
    last = max(number for number, step in enumerate(found) if step.event == "stopped")
    assert reasons(found[last]) == ["refresh.stop"]
    assert set(events(found)[last + 1 :]) == {"kept"}
    assert all("refresh.stop" in reasons(step) for step in found[last + 1 :])


def test_without_a_candidate_nothing_happens():
    offered = [(MONDAYS[0], VERSIONS[0]), (MONDAYS[1], None)]
    found = steps(WrittenWindows(gain=1.0), weeks=2, candidates=offered)
    assert events(found) == ["first", "no_candidate"]
    assert found[1].in_force == VERSIONS[0]
