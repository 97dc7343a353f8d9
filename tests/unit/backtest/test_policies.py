"""When a policy consults the envelope of the version in force."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from pipelines.backtest.policies import Simple, Superiority, after_weeks, run
from pipelines.backtest.reasons import Reason
from pipelines.backtest.versions import version_as_of
from pipelines.core.findings import Verdict, make_finding
from tests.support.backtest.small_history import MONDAYS, SPEC

OFFERED = [(at, version_as_of(SPEC, at)) for at in MONDAYS[4:8]]
MOVED = Reason(finding="contract.envelope.orders.size.median", text="moved")


@dataclass
class Refusing:
    """An envelope that refuses the data of some Mondays, and counts what it is shown."""

    mondays: tuple[datetime, ...] = ()
    checked: list[datetime] = field(default_factory=list)

    def against(self, at, champion):
        self.checked.append(at)
        return (MOVED,) if at in self.mondays else ()


def test_a_refused_monday_has_no_candidate():
    envelope = Refusing((OFFERED[2][0],))
    policy = Simple("always", True, after_weeks(1))
    found = run(policy, OFFERED, envelope=envelope.against)
    assert [step.event for step in found] == ["first", "promoted", "no_candidate", "promoted"]
    assert found[2].reasons == (MOVED,)
    assert found[2].candidate is None
    assert envelope.checked == [at for at, _ in OFFERED[1:]], "a first version has no champion"


@dataclass(frozen=True)
class BetterFrom:
    """Recent windows that show a candidate to be better from one Monday on."""

    monday: datetime

    def evaluation(self, version, champion):
        better = champion is None or version.as_of >= self.monday
        verdict = Verdict.PASS if better else Verdict.INCONCLUSIVE
        return SimpleNamespace(findings=(make_finding("recent_window.primary", verdict, "shown"),))


def test_without_a_record_the_envelope_is_checked_before_a_promotion_only():
    envelope = Refusing((OFFERED[2][0],))
    windows: Any = BetterFrom(OFFERED[2][0])
    policy = Superiority("old", False, windows, envelope.against)
    found = run(policy, OFFERED)
    assert [step.event for step in found] == ["first", "kept", "kept", "promoted"]
    assert found[2].reasons == (MOVED,)
    assert envelope.checked == [at for at, _ in OFFERED[2:]]
