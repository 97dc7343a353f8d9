"""What live evidence could be fooled by: the arms' own effect in the past, and what came early."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.time import Window
from pipelines.gates.canary.evidence import canary_evidence
from pipelines.gates.canary.sums import ARMS
from pipelines.outcomes.log import load_entity_log
from pipelines.outcomes.metrics import open_metric_source
from pipelines.release.rollout.state import ramp_of
from pipelines.spec.predictions import Arm
from tests.support.pharmacy import SECOND, Pharmacy
from tests.support.rollout_factory import (
    CANARY,
    DAY,
    HOUR,
    ROLLOUT,
    VERDICT,
    Traffic,
    at,
    challenged,
    run_canary,
    sales_factor,
    salt_of,
    step,
    verdicts,
    write_sales,
)


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """Version 2 passed every offline gate and waits."""
    sold = {"stream": "dispensing", "column": "quantity", "delay": "4d"}
    canary = ROLLOUT["canary"]
    outcome = {**canary["outcome"], "name": "packs_sold"}
    canary = {**canary, "outcome": outcome, "covariates": ["packs_sold"]}
    rollout = {**ROLLOUT, "canary": canary, "measures": {"packs_sold": sold}}
    return challenged(tmp_path_factory.mktemp("waits"), rollout)


def in_canary(waits: Pharmacy, folder: Path, factor: float) -> Pharmacy:
    """In a canary in which the challenger's arm sells so many times as much."""
    pharmacy = waits.twin(folder)
    store, salt = folder / "store", salt_of(pharmacy)
    Traffic().log(pharmacy, SECOND - 14 * DAY, SECOND)
    assert step(pharmacy, SECOND).action == "shadow"
    Traffic().log(pharmacy, SECOND + HOUR, CANARY)
    write_sales(store, SECOND, CANARY, "", 0, lambda _: 1.0)
    assert step(pharmacy, CANARY).action == "canary"
    write_sales(
        store, CANARY, VERDICT, salt, 0.5, lambda arm: factor if arm is Arm.CHALLENGER else 1.0
    )
    Traffic().log(pharmacy, CANARY + HOUR, VERDICT)
    return pharmacy


@pytest.mark.slow
def test_a_covariate_sees_nothing_of_what_the_arms_did(waits: Pharmacy, tmp_path: Path) -> None:
    """Answers of the last week before the canary have labels that reach into it.

    Were they counted, the covariate would explain away the very effect that is looked for.
    """
    past = []
    for factor in (1.0, 10.0):
        pharmacy = in_canary(waits, tmp_path / str(factor), factor)
        parts = at(pharmacy, VERDICT)
        version = parts.versions.load("demand", "2")
        log = load_entity_log(
            parts.open_events(version.spec), version.spec, Window(CANARY - 14 * DAY, VERDICT)
        )
        assert log is not None
        names = ("absolute_error", "packs_sold")
        with open_metric_source(
            parts.open_events(version.spec), version.spec, VERDICT, ("2", "1"), names
        ) as source:
            past.append(
                [source.pre_period(name, log, CANARY, timedelta(days=14)) for name in names]
            )
            reaching = log.within(CANARY - 7 * DAY, CANARY)
            values, _ = source.losses("absolute_error", reaching)
        past[-1].append(values)
    for quiet, loud in zip(past[0][:2], past[1][:2], strict=True):
        assert np.isfinite(quiet).any()
        np.testing.assert_array_equal(quiet, loud)
    assert not np.array_equal(past[0][2], past[1][2], equal_nan=True), (
        "the trap is set: labels of the last week do change with what the arms did"
    )


@pytest.mark.slow
def test_a_day_counts_when_its_late_sales_are_known(waits: Pharmacy, tmp_path: Path) -> None:
    """A till that reports late would look like a shop that sells little."""
    pharmacy = in_canary(waits, tmp_path, 1.0)
    now = CANARY + 5 * DAY + HOUR
    parts = at(pharmacy, now)
    version = parts.versions.load("demand", "2")
    move = next(e.transition for e in reversed(parts.ledger.entries("demand")) if e.transition)
    ramp = ramp_of(parts.ledger.entries("demand"), move.salt)
    shown = canary_evidence(parts.open_events(version.spec), version, ramp, now, other_version="1")
    assert not shown.evidence.cumulative_weeks
    for arm in ARMS:
        [group] = shown.evidence.to_date.arm(arm)
        reading = group.metrics["packs_sold"]
        assert reading.matured == reading.observed == group.entities, (
            "of five days, one is complete"
        )
    later = canary_evidence(
        parts.open_events(version.spec), version, ramp, VERDICT, other_version="1", until=None
    )
    assert len(later.evidence.cumulative_weeks) == 2
    assert later.evidence.days_in_week == (7, 7)
    assert all(one.verdict == "pass" for one in later.assignment)
    outcome = version.spec.rollout.canary.outcome if version.spec.rollout else None
    assert outcome is not None
    found = later.evidence.cumulative_weeks[-1].difference(outcome)
    assert found.explained_share > 0.5, "pairs that sold much go on selling much"


@pytest.mark.slow
@pytest.mark.parametrize("slow", list(ARMS))
def test_tills_that_report_later_in_one_arm_promote_nothing(
    waits: Pharmacy, tmp_path: Path, slow: str
) -> None:
    """A fifth of one arm's sales comes after the four days in which all were declared to come."""
    pharmacy = waits.twin(tmp_path)
    later = {Arm.CHALLENGER: slow == "challenger", Arm.CONTROL: slow == "control"}
    run_canary(pharmacy, sales_factor(1.4), late=lambda arm: 0.2 * later.get(arm, False))
    report = step(pharmacy, VERDICT)
    assert verdicts(report)["canary.late_outcomes"] == "inconclusive"
    assert report.action == "ended", report.summary
    [reported] = [one for one in report.findings if one.name == "canary.late_outcomes"]
    assert "declare a longer delay" in reported.reason
    challenger, control = (float(share) for share in re.findall(r"([\d.]+)%", reported.reason)[:2])
    assert (challenger > control) == (slow == "challenger"), reported.reason
