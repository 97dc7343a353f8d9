"""The backtest against the real flow: the same rows, comparisons, models and decisions."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from pipelines.adapters.objects.local import LocalStore
from pipelines.backtest.canary import RefreshCanaries, replayed_rollout
from pipelines.backtest.catalogue import PolicyCatalogue
from pipelines.backtest.engine import Plan
from pipelines.backtest.losses import Losses
from pipelines.backtest.policies import run
from pipelines.backtest.predictions import Predictions
from pipelines.backtest.recent_window import RecentWindows
from pipelines.backtest.versions import Version, version_as_of
from pipelines.core.findings import Verdict
from pipelines.core.time import Window, parse_instant
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.backtest.run import BacktestRequest, open_backtest
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.steps import Retraining, retrain
from pipelines.gates.canary.evidence import canary_evidence
from pipelines.packaging.version import ModelVersion
from pipelines.predictions.assignment import Allocation
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import prediction_log
from pipelines.training.score import score
from tests.support.backtest.drifting_shops import (
    DECLARATION,
    SUITE,
    build_home,
    connections_at,
    orders,
)
from tests.support.live.simulated_log import Service, service_log
from tests.support.shared_worlds import built_once

FIRST, WEEKS = parse_instant("2025-04-07"), 6
GATES = {**DECLARATION["gates"], "refresh": {"least": 2}}  # so that six weeks refresh once
END = FIRST + WEEKS * timedelta(days=7)
REFUSES = {  # what became known in the week before END and later
    "type": "expect_column_max_to_be_between",
    "kwargs": {"column": "event_time", "max_value": f"{END - timedelta(days=7):%Y-%m-%dT%H:%M:%S}"},
    "meta": {"stream": "orders"},
}


@dataclass(frozen=True)
class Both:
    """Runs of the real flow, one of which the contract stops, and a backtest of their Mondays."""

    place: Path
    runs: Sequence[tuple[datetime, str | None, Retraining]]
    refused: Retraining
    registered: dict[str, ModelVersion]
    plan: Plan
    predictions: Predictions

    def version(self, at: datetime) -> Version:
        return version_as_of(self.predictions.history.spec, at)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    source = built_once("drifting-shops", build_home)
    place = tmp_path_factory.mktemp("oracle")
    shutil.copytree(source / "home" / "store", place / "home" / "store")
    late = orders(seed=4).to_pandas()
    inside = (late["ordered_at"] >= END - timedelta(days=7)) & (
        late["ordered_at"] < END - timedelta(hours=12)
    )
    more = pa.Table.from_pandas(late[inside], preserve_index=False)
    for _ in range(3):  # the last week has four times as many orders as the others
        write_events(LocalStore(place / "home" / "store"), "orders", more, "ordered_at")
    for name in ("expectations", "models"):
        (place / name).mkdir()
    suite = {**SUITE, "expectations": [*SUITE["expectations"], REFUSES]}
    (place / "expectations" / "shops.json").write_text(json.dumps(suite), encoding="utf-8")
    declared = yaml.safe_dump({**DECLARATION, "gates": GATES}, sort_keys=False)
    (place / "models" / "shops.yaml").write_text(declared, encoding="utf-8")
    champion: str | None = None
    runs, registered = [], {}
    for number in range(WEEKS):
        at = FIRST + number * timedelta(days=7)
        connections = connections_at(place, at)
        done = retrain(Request(model="shops", as_of=at, lineage="oracle"), connections.retraining)
        assert done.version is not None, done.decision.reasons
        registered[done.version.version] = connections.versions.load("shops", done.version.version)
        runs.append((at, champion, done))
        champion = done.version.version if done.decision.outcome.moves else champion
    last = Request(model="shops", as_of=END, lineage="oracle")
    refused = retrain(last, connections_at(place, END).retraining)
    later = connections_at(place, END + timedelta(days=30))
    request = BacktestRequest(model="shops", first=FIRST, end=END + timedelta(days=7))
    with open_backtest(request, later.backtesting) as (plan, predictions):
        yield Both(place, runs, refused, registered, plan, predictions)


def test_comparisons_are_those_of_the_flow(both: Both) -> None:
    """The flow's frame ends at its as-of, the backtest's at the end of the whole span."""
    windows = RecentWindows(both.predictions, both.predictions.history.spec)
    champions = {None: None} | {
        number: both.version(version.plan.as_of) for number, version in both.registered.items()
    }
    for at, champion, done in both.runs:
        ours = windows.evaluation(both.version(at), champions[champion])
        theirs = done.evidence.evaluation
        assert theirs is not None
        assert ours.rows_digest == theirs.rows_digest, f"{at.date()}: other rows"
        assert ours.window == theirs.window
        assert ours.comparisons == theirs.comparisons


def test_spans_and_serving_models_are_those_of_the_flow(both: Both) -> None:
    history = both.predictions.history
    for at, _, done in both.runs:
        assert done.version is not None
        registered, version = both.registered[done.version.version], both.version(at)
        assert version.judged.train == registered.plan.train
        assert version.serves.train == registered.plan.refit
        part = history.part(Window(at, at + timedelta(days=7)))
        served = score(registered.load_pipeline(), history.spec, history.frame(part, END))
        np.testing.assert_array_equal(both.predictions.of(version.serves, part), served.predictions)


def test_decisions_are_those_of_the_flow(both: Both) -> None:
    """As in the flow, no candidate was made before the first Monday."""
    spec = both.predictions.history.spec
    candidates = [(at, both.version(at)) for at, _, _ in both.runs]
    losses = Losses(both.predictions, END)
    catalogue = PolicyCatalogue(losses, lambda *_: [version for _, version in candidates])
    policy = next(catalogue.policies(spec)).policy
    steps = run(policy, candidates, both.plan.refused, both.plan.envelope)
    served: datetime | None = None
    for step, (at, champion, done) in zip(steps, both.runs, strict=True):
        assert served == (None if champion is None else both.registered[champion].plan.as_of)
        assert (step.event in {"first", "promoted"}) == done.decision.outcome.moves, at
        theirs = {one.name: one for one in done.findings}
        for reason in step.reasons:
            assert reason.text == theirs[reason.finding].reason
        against = {f.name for f in done.findings if f.blocking and f.verdict is not Verdict.PASS}
        if not done.decision.outcome.moves:
            assert {reason.finding for reason in step.reasons} == against
        served = None if step.in_force is None else step.in_force.as_of
    assert [step.event for step in steps].count("promoted") >= 1


def test_refit_checks_are_those_of_the_flow(both: Both) -> None:
    windows = RecentWindows(both.predictions, both.predictions.history.spec)
    earlier: list[Version] = []
    for at, _, done in both.runs:
        theirs = [one for one in done.findings if one.name.startswith("recent_window.refit.")]
        ours = windows.refit_check(both.version(at), earlier)
        assert [(f.name, f.verdict, f.blocking) for f in ours] == [
            (f.name, f.verdict, f.blocking) for f in theirs
        ]
        assert [one.value for one in ours] == pytest.approx([one.value for one in theirs])
        assert [one.reason for one in ours] == [one.reason for one in theirs]
        earlier.append(both.version(at))


def test_envelopes_are_those_of_the_flow(both: Both) -> None:
    """A week with four times as many orders does not fit the training of any champion."""
    champion = both.refused.run.identity.champion
    assert champion is not None
    version = both.version(both.registered[champion].plan.as_of)
    ours = {one.finding: one.text for one in both.plan.envelope(END, version)}
    theirs = {
        one.name: one.reason
        for one in both.refused.findings
        if one.name.startswith("contract.envelope.") and one.verdict is not Verdict.PASS
    }
    assert ours == theirs
    assert "contract.envelope.orders.table.volume" in ours
    for at, champion, _ in both.runs:
        if champion is not None:
            version = both.version(both.registered[champion].plan.as_of)
            assert both.plan.envelope(at, version) == ()


ROLLOUT = {
    "shadow": {"predictions_affect_outcomes": False, "duration": "2d"},
    "canary": {
        "outcome": {"name": "absolute_error", "minimum_effect": 0.2, "ratio": True},
        "guardrails": [{"name": "squared_error", "margin": 0.5, "ratio": True, "upper_bound": 100}],
        "stages": [0.25, 0.5],
    },
}


def test_canaries_count_what_the_release_counts(both: Both) -> None:
    """A service that answers as the versions do, and its log."""
    history = both.predictions.history
    spec = ModelSpec.model_validate({**DECLARATION, "rollout": ROLLOUT})
    old, new = (both.version(both.runs[place][0]) for place in (0, 2))
    rollout = replayed_rollout(spec)
    assert rollout is not None
    canaries = RefreshCanaries(both.predictions, spec, rollout)
    end = new.as_of + timedelta(days=8)
    ramp = canaries.ramp(new, end)
    assert ramp.began == new.as_of + timedelta(days=1), "a day of shadow is enough for a refresh"
    stream = prediction_log("shops")
    assert stream.source.kind == "files"
    ends = (*ramp.since[1:], end)
    for since, until, share in zip(ramp.since, ends, ramp.shares, strict=True):
        part = history.part(Window(since, until))
        service = Service(
            champion="1", challenger="3", allocation=Allocation(salt=ramp.salt, share=share)
        )
        answers = {"1": both.predictions.of(old.serves, part)}
        answers["3"] = both.predictions.of(new.serves, part)
        write_events(
            LocalStore(both.place / "home" / "store"),
            str(stream.source.path),
            service_log(spec, history.rows.iloc[part], service, answers),
            str(stream.known_time),
        )
    third = both.runs[2][2].version
    assert third is not None
    version = dataclasses.replace(both.registered[third.version], spec=spec, number="3")
    events = connections_at(both.place, END).backtesting.open_events(spec)
    for days in (4, 8):  # in the second stage, and at the end
        at = new.as_of + timedelta(days=days)
        theirs = canary_evidence(events, version, canaries.ramp(new, at), at, other_version="1")
        ours = canaries.evidence(new, old, at)
        assert ours == theirs.evidence, f"after {days} days"
        assert min(ours.to_date.units("absolute_error")) > 0


def test_the_contract_refuses_what_it_refuses_in_the_flow(both: Both) -> None:
    assert both.refused.version is None
    assert [at for at in both.plan.refused if at >= FIRST] == [END]  # earlier ones had no data
    theirs = {one.name: one.reason for one in both.refused.findings}
    (ours,) = both.plan.refused[END]
    assert ours.text == theirs[ours.finding]
