"""Where a release waits for a person, for money, or for the time after a promotion."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.connections import Connections
from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.time import Window, instant_text, minute_text
from pipelines.flows.features.materialize import served_spec
from pipelines.flows.release.approval import pending_approval
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import open_run
from pipelines.gates.shadow.evidence import shadow_evidence
from pipelines.outcomes.log import load_entity_log
from pipelines.outcomes.metrics import open_metric_source
from pipelines.predictions.assignment import Allocation, arm_of
from pipelines.predictions.segments import SegmentValues
from pipelines.release.approval import ReviewAnswer, answer_review
from pipelines.release.dry_run import record_comparison
from pipelines.release.ledger import NewEntry
from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.release.rollout.state import ReleaseState
from pipelines.spec.predictions import Arm
from tests.contract.registry.conftest import mlflow_server
from tests.support.pharmacy import SECOND, Pharmacy, write_days
from tests.support.rollout_factory import (
    CANARY,
    DAY,
    HOUR,
    VERDICT,
    Traffic,
    at,
    challenged,
    in_mlflow,
    run_canary,
    sales_factor,
    salt_of,
    step,
    verdicts,
    write_sales,
)


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """Version 2 passed every offline gate and waits; its year has one try."""
    return challenged(
        tmp_path_factory.mktemp("waits"),
        gates={"budget": {"alpha_year": 0.05, "tries": 1}, "audit": {"refits": 3}},
    )


@pytest.fixture
def pharmacy(waits: Pharmacy, tmp_path: Path) -> Pharmacy:
    """One with its own home and its own store."""
    return waits.twin(tmp_path)


@pytest.mark.slow
def test_a_promotion_that_harms_later_is_taken_back_and_brings_everything_back(
    pharmacy: Pharmacy,
) -> None:
    """The novelty has worn off: in the holdback, the promoted version sells half."""
    store = Path(pharmacy.store)
    run_canary(pharmacy, sales_factor(1.5))
    assert step(pharmacy, VERDICT).action == "promoted"
    old = served_spec("demand", at(pharmacy, VERDICT).materialization)[0]
    assert not [name for name in old.feature_names if name.startswith("challenger")]

    assert step(pharmacy, VERDICT).action == "holdback"
    parts = at(pharmacy, VERDICT)
    assert any(
        name.startswith("challenger_")
        for name in served_spec("demand", parts.materialization)[0].feature_names
    )
    move = parts.ledger.entries("demand")[-1].transition
    assert move is not None
    # In the log the former champion answers the arm `challenger`, the new one `control`.
    after = {Arm.CHALLENGER: 1.0, Arm.CONTROL: 0.4, Arm.CHAMPION: 0.4}
    write_sales(store, VERDICT, VERDICT + 14 * DAY, move.salt, 0.5, lambda arm: after[arm])
    Traffic().log(pharmacy, VERDICT + HOUR, VERDICT + 14 * DAY)
    report = step(pharmacy, VERDICT + 12 * DAY)
    assert report.action == "rolled_back", (report.summary, verdicts(report))
    assert pharmacy.registry.alias("demand", CHAMPION) == "1"
    assert pharmacy.registry.alias("demand", CHALLENGER) is None
    assert pharmacy.registry.tags("demand", "2")["rollout"] == "taken back"
    reported = pharmacy.registry.described("demand", "2")
    assert reported.startswith(
        "○ No longer champion: version 1 is\n---\n\nHarm after the promotion"
    )

    now = VERDICT + 12 * DAY
    spec, champion = served_spec("demand", at(pharmacy, now).materialization)
    assert champion == "1"
    assert any(name.startswith("champion_") for name in spec.feature_names), (
        "the features of the version that is back have to be materialized"
    )
    run = open_run(Request(model="demand", as_of=now), at(pharmacy, now).retraining)
    assert run.champion is not None
    assert run.champion.number == "1"
    assert run.champion.envelope == at(pharmacy, now).versions.load("demand", "1").envelope


@pytest.mark.slow
def test_a_year_without_tries_left_holds_the_canary_back(pharmacy: Pharmacy) -> None:
    """Another recipe was compared with the champion by hand: that was the year's try."""
    parts = at(pharmacy, SECOND)
    champion = parts.ledger.champion("demand")
    observed = Finding(
        gate=Gate.RECENT_WINDOW, name="recent_window.primary", verdict=Verdict.PASS, reason="seen"
    )
    look = NewEntry(
        model="demand",
        kind="audit",
        run="by-hand",
        as_of=SECOND,
        champion_before=champion,
        champion_after=champion,
        reasons=("a look",),
        findings=(observed,),
    )
    record_comparison(look, parts.load_spec("demand").gates.budget, parts.ledger, parts.clock)
    report = run_canary(pharmacy, sales_factor(1.5))
    assert report.action == "budget_exhausted", (report.summary, verdicts(report))
    assert "gates.budget" in report.next_step
    assert verdicts(report)["budget.exhausted"] == "inconclusive"
    current = ReleaseState.from_entries(
        "demand", at(pharmacy, CANARY).ledger.entries("demand")
    ).trial
    assert current is not None
    assert current.transition.stage == "shadow", "it stays where its predictions have no effect"


@pytest.mark.slow
def test_losses_of_logged_answers_are_those_counted_by_hand(pharmacy: Pharmacy) -> None:
    """Absolute errors in shadow and in arms, from events added up without the product's help."""
    store = Path(pharmacy.store)
    assert step(pharmacy, SECOND).action == "shadow"
    Traffic().log(pharmacy, SECOND + HOUR, CANARY)
    end = SECOND + 14 * DAY
    write_days(store, SECOND, end)
    parts = at(pharmacy, end)
    version = parts.versions.load("demand", "2")
    log = load_entity_log(parts.open_events(version.spec), version.spec, Window(SECOND, end))
    assert log is not None
    with open_metric_source(
        parts.open_events(version.spec), version.spec, end, ("2", "1"), ("absolute_error",)
    ) as source:
        values, matured = source.losses("absolute_error", log)
        events = source.tables["dispensing"].to_pandas()
    wait = version.spec.maturity.days
    decided = log.rows["event_time"]
    assert list(matured) == list(
        decided + timedelta(days=wait) <= np.datetime64(end.replace(tzinfo=None))
    )
    for place in (0, 7, len(values) // 2):
        row, keys = log.rows.iloc[place], log.entities.iloc[log.rows["code"].iloc[place]]
        hit = (events["pharmacy"] == keys["pharmacy"]) & (events["medicine"] == keys["medicine"])
        within = (events["event_time"] >= row["event_time"]) & (
            events["event_time"] < row["event_time"] + timedelta(days=7)
        )
        sold = events.loc[hit & within, "quantity"].sum()
        assert values[place] == pytest.approx(abs(sold - row["prediction"]))

    current = ReleaseState.from_entries("demand", parts.ledger.entries("demand")).trial
    assert current is not None
    rollout = version.spec.rollout
    assert rollout is not None
    shadow = rollout.shadow.model_copy(
        update={"predictions_affect_outcomes": False, "tolerance": 0.05}
    )
    spec = version.spec.model_copy(
        update={"rollout": rollout.model_copy(update={"shadow": shadow})}
    )
    allocation = Allocation(salt=current.transition.salt, shadow_share=0.5)
    about = parts.open_events(spec), dataclasses.replace(version, spec=spec)
    evidence = shadow_evidence(*about, allocation, current.since, end, champion="1")
    medicines = tuple(sorted(log.entities["medicine"].unique()))
    apart = SegmentValues(column="medicine", values=medicines[1:])
    others = allocation.model_copy(update={"apart": apart})
    of_one = shadow_evidence(*about, others, current.since, end, champion="1").requests
    each = evidence.requests / len(medicines)
    assert 0 < of_one < 2 * each, "segments that are apart do not count"
    assert evidence.answered == evidence.requests > 100
    assert evidence.disagreeing is not None
    assert evidence.disagreeing.hits == evidence.answered, "answers are 0.1 apart"
    assert evidence.losses is None
    assert "days" in evidence.losses_missing, (
        "two days of requests cannot tell the noise between days"
    )


@pytest.mark.slow
def test_arms_of_the_simulated_service_are_those_of_the_hash(pharmacy: Pharmacy) -> None:
    salt = salt_of(pharmacy)
    run_canary(pharmacy, lambda _: 1.0)
    parts, spec = at(pharmacy, VERDICT), pharmacy.parts().load_spec("demand")
    log = load_entity_log(parts.open_events(spec), spec, Window(CANARY, VERDICT))
    assert log is not None
    rows: Any = log.rows[log.rows["arm"] != "shadow"]
    for row in rows.iloc[:: max(1, len(rows) // 50)].itertuples():
        keys: Any = log.entities.iloc[row.code].to_dict()
        assert arm_of(keys, Allocation(salt=salt, share=0.5)).value == row.arm


@pytest.fixture
def unanswered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pharmacy]:
    """Version 2 awaits review, and MLflow's server answers over HTTP."""
    pharmacy = challenged(tmp_path, mlflow=True, review="required")
    database = Path(pharmacy.settings.mlflow_address.removeprefix("sqlite:///"))
    shutil.copy(database, tmp_path / "server.db")
    with mlflow_server(tmp_path) as address:
        monkeypatch.setenv("GAUNTLET_MLFLOW_URI", address)
        yield pharmacy


@pytest.mark.slow
def test_a_tag_in_mlflow_is_no_approval_and_an_answer_names_its_person(
    unanswered: Pharmacy,
) -> None:
    pharmacy = unanswered

    def now() -> Connections:
        return at(pharmacy, SECOND, **in_mlflow(pharmacy))

    def go() -> Any:
        return step(pharmacy, SECOND, **in_mlflow(pharmacy))

    assert pharmacy.settings.mlflow_address.startswith("http://")
    report = go()
    assert report.action == "awaiting_approval"
    waiting = now().ledger.entries("demand")[-1]
    assert waiting.decision is not None
    evidence = waiting.decision.evidence
    assert evidence in report.next_step

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=pharmacy.settings.mlflow_address)
    client.set_model_version_tag("demand", "2", "gauntlet.approval", evidence)
    tagged = go()
    assert tagged.action == "awaiting_approval"
    assert "is no approval" in tagged.summary

    question = pending_approval("demand", now().ledger)
    assert question is not None
    assert (question.version, question.evidence) == ("2", evidence)

    given, parts = ReviewAnswer(by="Ada", evidence=evidence, approved=True), now()
    answer_review("demand", "2", given, parts.ledger, parts.registry, parts.clock)
    assert pending_approval("demand", now().ledger) is None
    entry = now().ledger.entries("demand")[-1]
    assert entry.outcome == "start_rollout"
    assert entry.facts is not None
    assert entry.facts.approval is not None
    assert entry.facts.approval.evidence == evidence
    assert entry.facts.approval.by == "Ada"
    assert entry.facts.content
    assert go().action == "shadow"

    later = instant_text(SECOND + HOUR)
    reported = pharmacy.cli("release", "demand", "--as-of", later, "--json")
    assert reported.code == 0, reported.err
    assert (reported.body["kind"], reported.body["action"], reported.body["stage"]) == (
        "release",
        "waiting",
        "shadow",
    )
    assert reported.body["next_check"] == instant_text(CANARY)
    shown = pharmacy.cli("release", "demand", "--as-of", later)
    assert "version 2 in shadow" in shown.out
    assert f"next check {minute_text(CANARY)}" in shown.out
