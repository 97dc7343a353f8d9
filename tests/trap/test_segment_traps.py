"""A challenger that sells more on the whole, and less in most pharmacies."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from pipelines.gates.canary.evidence import canary_evidence
from pipelines.gates.canary.verdict import judge_canary
from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.release.rollout.state import ramp_of
from tests.support.pharmacy import Pharmacy
from tests.support.rollout_factory import (
    CANARY,
    DAY,
    ROLLOUT,
    at,
    challenged,
    run_canary,
    sales_factor,
    step,
)

HARM = "canary.harm.packs_a_sale.kind.community"


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """Version 2, declared with a segment, passed every offline gate and waits."""
    rollout = copy.deepcopy(ROLLOUT)
    segments = [{"column": "kind", "values": ["community"], "margin": 0.2}]
    rollout["canary"] |= {"segments": segments, "guardrail_alpha": 0.002}
    return challenged(tmp_path_factory.mktemp("segment"), rollout)


@pytest.mark.slow
def test_harm_in_a_segment_that_the_mean_hides_is_rolled_back(waits: Pharmacy) -> None:
    """Hospitals and online pharmacies sell four times as much a sale, the community half."""
    gains = {"hospital": sales_factor(4.0), "online": sales_factor(4.0)}
    assert run_canary(waits, sales_factor(0.5), elsewhere=gains).action == "canary"
    now = CANARY + 9 * DAY
    parts = at(waits, now)
    version = parts.versions.load("demand", "2")
    assert version.spec.rollout is not None
    chain = parts.ledger.entries("demand")
    move = next(entry.transition for entry in reversed(chain) if entry.transition)
    shown = canary_evidence(
        parts.open_events(version.spec), version, ramp_of(chain, move.salt), now, other_version="1"
    )
    whole = version.spec.rollout.canary
    assert shown.evidence.to_date.difference(whole.outcome).estimate > whole.outcome.minimum_effect
    blind = version.spec.rollout.model_copy(
        update={"canary": whole.model_copy(update={"segments": ()})}
    )
    unseen = judge_canary(shown.evidence, blind, 0.001)
    assert not [f.name for f in unseen.findings if f.verdict == "fail"], (
        "the trap is set: without the segment every finding passes"
    )

    report = step(waits, now)
    failed = [f.name for f in report.findings if f.verdict == "fail"]
    assert (report.action, failed) == ("ended", [HARM]), report.summary
    assert "where kind is community" in report.summary
    assert waits.registry.alias("demand", CHAMPION) == "1"
    assert waits.registry.alias("demand", CHALLENGER) is None
    kept = list(Path(waits.home, "releases", "demand").glob("*ended*"))
    assert "packs_a_sale.kind.community" in kept[0].read_text("utf-8")
