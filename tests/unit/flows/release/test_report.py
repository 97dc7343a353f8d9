"""The charts of a version on live traffic: each measured gain with the ends of its interval."""

from __future__ import annotations

from pipelines.core.findings import Interval, Measurement, Verdict, make_finding
from pipelines.flows.release.report import ReleaseReport, live_chart
from tests.support.ledger_entries import MONDAY


def test_a_chart_has_each_measured_gain_with_the_ends_of_its_interval() -> None:
    bounds = Measurement(value=0.5, interval=Interval(low=-0.25, high=None, level=0.99))
    report = ReleaseReport(
        model="demand",
        as_of=MONDAY,
        action="waiting",
        summary="not over yet",
        champion="1",
        challenger="2",
        findings=(
            make_finding("canary.harm.packs_sold", Verdict.PASS, "no harm", bounds),
            make_finding("canary.maturity", Verdict.PASS, "3 weeks", Measurement(value=3.0)),
        ),
    )
    assert live_chart(report) == {
        "canary.harm.packs_sold": [(MONDAY, 0.5)],
        "canary.harm.packs_sold/low": [(MONDAY, -0.25)],
    }
