"""What a release step keeps: the charts of measured gains, and whether a report is out of date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.core.files import write_bytes
from pipelines.core.findings import Interval, Measurement, Verdict, make_finding
from pipelines.flows.release.report import (
    ReleaseReport,
    live_chart,
    rollout_has_changed,
    write_newest_step,
)
from tests.support.ledger_entries import MONDAY

STEP = ReleaseReport(
    model="demand",
    as_of=MONDAY,
    action="waiting",
    summary="not over yet",
    champion="1",
    challenger="2",
    stage="canary",
    share=0.5,
    weeks=2,
)


def test_a_chart_has_each_measured_gain_with_the_ends_of_its_interval() -> None:
    bounds = Measurement(value=0.5, interval=Interval(low=-0.25, high=None, level=0.99))
    findings = (
        make_finding("canary.harm.packs_sold", Verdict.PASS, "no harm", bounds),
        make_finding("canary.maturity", Verdict.PASS, "3 weeks", Measurement(value=3.0)),
    )
    report = STEP.model_copy(update={"findings": findings})
    assert live_chart(report) == {
        "canary.harm.packs_sold": [(MONDAY, 0.5)],
        "canary.harm.packs_sold/low": [(MONDAY, -0.25)],
    }


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"summary": "an hour later"}, False),
        ({"weeks": 3}, True),
        ({"stage": None, "challenger": None}, True),
        ({"champion": "2"}, True),
    ],
    ids=["waiting", "week", "ended", "promoted"],
)
def test_a_report_is_out_of_date_after_a_change_or_another_week(
    tmp_path: Path, changes: dict[str, Any], changed: bool
) -> None:
    assert rollout_has_changed(tmp_path, STEP), "the first step"
    write_newest_step(tmp_path, STEP)
    assert rollout_has_changed(tmp_path, STEP.model_copy(update=changes)) is changed


def test_a_step_of_a_newer_release_is_no_reason_to_stop(tmp_path: Path) -> None:
    write_bytes(tmp_path / "demand.json", b'{"schema": 99}')
    assert rollout_has_changed(tmp_path, STEP)
