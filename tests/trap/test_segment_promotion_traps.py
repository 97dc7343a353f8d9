"""A challenger that helps one medicine, harms another, and is promoted for the one alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.causal.groups import Claim
from pipelines.core.formats import StoredFormat
from pipelines.flows.serving.publish import publish_plan
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.predictions.segments import SegmentValues
from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.release.rollout.segment_champions import segment_alias
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.verification import verified_entries
from pipelines.reporting.effects.text import sentences
from tests.support.effects.measured import effects_of
from tests.support.live.segment_world import (
    EQUAL,
    GAINING,
    HARM,
    HARMED,
    LEAVES,
    go_on,
    one_step,
    second_canary,
    segment_canary,
    third_version,
)
from tests.support.pharmacy import Pharmacy
from tests.support.rollout_factory import DAY, VERDICT, at, in_mlflow, verdicts
from tests.support.services.running import ONE_WORKER, Service, serving, wait_until


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    return segment_canary(tmp_path_factory.mktemp("segments"))


def state_of(pharmacy: Pharmacy) -> ReleaseState:
    parts = at(pharmacy, VERDICT)
    return ReleaseState.from_entries("demand", verified_entries("demand", parts.ledger))


def answering(service: Service) -> dict[str, str]:
    """Which version answers for each medicine, over HTTP."""
    points = [{"pharmacy": "pharmacy_001", "medicine": one} for one in (HARMED, GAINING, EQUAL)]
    status, answer = service.predict(*points)
    assert status == 200, answer
    versions = [one["version"] for one in answer["predictions"]]
    return dict(zip((HARMED, GAINING, EQUAL), versions, strict=True))


@pytest.fixture(scope="module")
def promoted(canary: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """The harmed medicine has left, and version 2 is champion of the gaining one."""
    pharmacy = canary.twin(tmp_path_factory.mktemp("promoted"))
    report = one_step(pharmacy, LEAVES)
    assert (report.action, report.stage) == ("segment_left", "canary"), report.summary
    assert f"medicine {HARMED}: harm is shown" in report.summary
    trial = state_of(pharmacy).trial
    assert trial is not None
    assert trial.transition.apart == SegmentValues(column="medicine", values=(HARMED,))
    plan = publish_plan("demand", at(pharmacy, LEAVES, **in_mlflow(pharmacy)).publishing)
    assert plan.allocation.apart == trial.transition.apart, "its entities are in no arm any more"

    go_on(pharmacy, trial.transition.salt, harm=False)
    report = one_step(pharmacy, VERDICT)
    assert report.action == "promoted", (report.summary, [f.reason for f in report.findings])
    return pharmacy


@pytest.mark.slow
def test_a_harmed_segment_leaves_and_only_the_gaining_one_is_promoted(
    promoted: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = promoted.twin(tmp_path)
    state = state_of(pharmacy)
    assert state.head is not None
    assert (state.head.kind, state.champion) == ("segment_promotion", "1")
    assert state.segment_champions == f"medicine {GAINING}: version 2"
    assert state.head.reasons[0].startswith(f"shown to gain in medicine {GAINING}, and")
    registry = in_mlflow(pharmacy)["registry"]
    assert registry.alias("demand", CHAMPION) == "1"
    assert registry.alias("demand", segment_alias(GAINING)) == "2"
    assert registry.alias("demand", segment_alias(EQUAL)) is None
    assert registry.alias("demand", CHALLENGER) is None
    assert one_step(pharmacy, VERDICT + DAY).action == "idle", "it is safe to repeat"

    expected = {HARMED: "1", GAINING: "2", EQUAL: "1"}
    with serving(pharmacy, *ONE_WORKER) as service:
        assert answering(service) == expected
        registry.set_alias("demand", segment_alias(GAINING), None)  # by hand: nothing follows it
        assert answering(service) == expected
    with serving(pharmacy, *ONE_WORKER) as service:
        assert answering(service) == expected, "a restart keeps it"
        shown = pharmacy.cli("champion", "demand")
        assert f"medicine {GAINING}: version 2, since" in shown.out, shown.err
        unclear = pharmacy.cli("rollback", "demand", "--reason", "which?")
        assert unclear.code != 0
        assert "--segment VALUE" in unclear.err
        back = pharmacy.cli("rollback", "demand", "--segment", GAINING, "--reason", "a complaint")
        assert back.code == 0, back.err
        wait_until(lambda: set(answering(service).values()) == {"1"}, "version 2 still answers")
    assert state_of(pharmacy).segments is None
    assert registry.alias("demand", segment_alias(GAINING)) is None
    again = pharmacy.cli("rollback", "demand", "--segment", GAINING, "--reason", "a complaint")
    assert again.code == 0, "repeated, it does nothing more"
    assert len(state_of(pharmacy).entries) == state.sequence + 1


@pytest.mark.slow
def test_a_segment_that_left_counts_in_no_finding_and_its_effect_is_that_of_the_days_before(
    promoted: Pharmacy,
) -> None:
    [kept] = (promoted.home / "releases" / "demand").glob("*.promoted_for_segments.json")
    stored = StoredFormat("release evidence", CanaryEvidence)
    whole = stored.from_text(kept.read_bytes(), str(kept)).to_date
    known = {one: whole.units(f"packs_a_sale.medicine.{one}") for one in (HARMED, GAINING, EQUAL)}
    assert known[HARMED] == (0, 0)
    assert min(known[GAINING]) > 20
    report = effects_of(at(promoted, VERDICT, **in_mlflow(promoted)), VERDICT)
    [left] = report.segment_arms
    assert (left.name, left.control, left.left) == (f"medicine = {HARMED}", "1", LEAVES)
    groups = {one.name: one for one in report.declared}
    assert groups[f"medicine = {HARMED}"].claim is Claim.LOSES
    effect = groups[f"medicine = {HARMED}"].effect
    assert effect is not None
    ratio = effect.challenger / effect.control
    assert ratio == pytest.approx(HARM, abs=0.1), "days without the version are not mixed in"


@pytest.mark.slow
def test_a_second_canary_compares_with_the_champion_of_each_segment(
    promoted: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = promoted.twin(tmp_path)
    report = second_canary(pharmacy, third_version(pharmacy, "change"))
    assert report.action == "promoted", (report.summary, [f.reason for f in report.findings])
    (shares,) = [f for f in report.findings if f.name == "canary.harm.error_share"]
    assert "constant in both arms" in shares.reason, "its champion answers the control arm"
    state = state_of(pharmacy)
    assert (state.champion, state.segments) == ("3", None), "it won for all"
    registry = in_mlflow(pharmacy)["registry"]
    assert registry.alias("demand", CHAMPION) == "3"
    assert registry.alias("demand", segment_alias(GAINING)) is None
    now = state.entries[-1].recorded_at
    measured = effects_of(at(pharmacy, now, **in_mlflow(pharmacy)), now)
    [own] = measured.controls
    assert (measured.version, measured.against) == ("3", "1")
    assert (own.name, own.control) == (f"medicine = {GAINING}", "2")
    assert f"against version 1 (version 2 where medicine = {GAINING})" in sentences(measured)[0]


@pytest.mark.slow
def test_a_refresh_leaves_the_champion_of_a_segment_alone(
    promoted: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = promoted.twin(tmp_path)
    report = second_canary(pharmacy, third_version(pharmacy, "refresh"))
    assert report.action == "promoted", (report.summary, [f.reason for f in report.findings])
    assert not [name for name in verdicts(report) if GAINING in name], "in no arm: nothing to judge"
    state = state_of(pharmacy)
    assert (state.champion, state.segment_champions) == ("3", f"medicine {GAINING}: version 2")
    plan = publish_plan("demand", at(pharmacy, VERDICT, **in_mlflow(pharmacy)).publishing)
    assert plan.champion.version == "3"
    assert {value: one.version for value, one in plan.segment_versions.items()} == {GAINING: "2"}
