"""A first version with history: past weeks are replayed, and the record starts with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.backtest.catalogue import PolicyCatalogue
from pipelines.backtest.engine import Candidates
from pipelines.backtest.losses import Losses
from pipelines.backtest.policies import run
from pipelines.backtest.record import Records
from pipelines.core.findings import Finding, Verdict
from pipelines.core.weeks import WEEK
from pipelines.drift.calibration import FEWEST_WEEKS
from pipelines.flows.backtest.run import BacktestRequest, open_backtest
from pipelines.flows.check import check_readiness
from pipelines.flows.retrain.record import judge_again
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.steps import Retraining, retrain
from pipelines.gates.refresh.names import REPLAY
from pipelines.gates.refresh.record import RefreshRecord
from pipelines.packaging.version import RECORD, read_profile, read_record
from tests.support.backtest.drifting_shops import DECLARATION, build_home, connections_at
from tests.support.shared_worlds import built_once

AT = datetime(2025, 6, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Shops:
    """A home with the events of the drifting shops, and what happened in it."""

    folder: Path
    expected: tuple[Finding, ...]
    first: Retraining
    later: Retraining

    def connections(self, at: datetime = AT) -> Any:
        return connections_at(self.folder, at)


def home(folder: Path) -> Path:
    source = built_once("drifting-shops", build_home)
    (folder / "home").mkdir(parents=True)
    for name in ("models", "expectations", "home/store"):
        (folder / name).symlink_to(source / name)
    return folder


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Shops:
    folder = home(tmp_path_factory.mktemp("first") / "shops")
    parts = connections_at(folder, AT)
    request = Request(model="shops", as_of=AT)
    expected = check_readiness(request, parts.retraining).findings
    first = retrain(request, parts.retraining)
    later = connections_at(folder, AT + WEEK)
    second = retrain(Request(model="shops", as_of=AT + WEEK), later.retraining)
    return Shops(folder, expected, first, second)


def replayed(findings: tuple[Finding, ...]) -> Finding:
    (found,) = (one for one in findings if one.name == REPLAY)
    return found


def test_the_replay_decides_about_the_first_version(shops: Shops) -> None:
    assert shops.first.decision.outcome == "first_version", shops.first.decision.reasons
    finding = replayed(shops.first.findings)
    assert finding.verdict is Verdict.PASS
    assert "replayed weeks" in finding.reason
    by_name = {one.name: one for one in shops.first.findings}
    assert not by_name["recent_window.baseline"].blocking


def test_check_reports_what_the_retraining_finds(shops: Shops) -> None:
    assert replayed(shops.expected) == replayed(shops.first.findings)


def test_the_version_keeps_the_replayed_weeks_and_explain_judges_them_again(shops: Shops) -> None:
    parts = shops.connections()
    version = parts.versions.load("shops", "1")
    record = read_record(version.folder, RECORD, RefreshRecord)
    assert len(record.weeks) >= 8
    assert all(week.naive is not None for week in record.weeks)
    assert len(record.weeks[-1].losses) > 8
    chain = parts.ledger.entries("shops", "live")
    assert judge_again(version, chain[0], chain) == (replayed(shops.first.findings),)


def test_drift_of_predictions_is_calibrated_from_the_first_version_on(shops: Shops) -> None:
    """The replayed candidates answered the weeks before; the next version continues them."""
    parts = shops.connections()
    profiles = [read_profile(parts.versions.load("shops", number).folder) for number in "12"]
    first, second = (one.predictions.mondays for one in profiles if one is not None)
    assert len(first) > FEWEST_WEEKS
    assert second[:-1] == first
    assert second[-1] - first[-1] == WEEK


def test_the_next_run_starts_from_the_replayed_weeks(shops: Shops) -> None:
    assert shops.later.run.lane == "refresh"
    found = shops.later.evidence.record
    assert found is not None
    assert found.state is not None
    assert found.state.weeks >= 7
    assert {one.name: one.verdict for one in found.findings}["refresh.record"] is Verdict.PASS


def test_a_changed_recipe_begins_with_replayed_weeks(tmp_path: Path) -> None:
    """The first recipe shrinks its slope by half; the second is promoted, and then refreshed."""
    folder = home(tmp_path / "shops")
    models = folder / "models"
    models.unlink()
    models.mkdir()
    outcomes = []
    shrunken = {"path": "sklearn.linear_model.Ridge", "parameters": {"alpha": 1700.0}}
    for number, estimator in enumerate((shrunken, *[DECLARATION["estimator"]] * 2)):
        declared = {**DECLARATION, "estimator": estimator}
        (models / "shops.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
        at = AT + number * WEEK
        done = retrain(Request(model="shops", as_of=at), connections_at(folder, at).retraining)
        outcomes.append(str(done.decision.outcome))
        last = done
    assert outcomes[1] == "promote", outcomes
    assert last.run.lane == "refresh"
    found = last.evidence.record
    assert found is not None
    assert found.state is not None
    assert found.state.weeks >= 7
    assert {one.name: one.verdict for one in found.findings}["refresh.record"] is Verdict.PASS


def test_the_backtest_decides_alike_on_the_same_weeks(shops: Shops) -> None:
    request = BacktestRequest(model="shops", first=AT, end=AT + WEEK)
    parts = shops.connections(AT + 2 * WEEK)
    with open_backtest(request, parts.backtesting) as (plan, predictions):
        pass
    candidates = Candidates(predictions, plan.span)
    losses = Losses(predictions, plan.labels_as_of)
    spec = plan.spec
    records = Records(losses, spec.recipe, candidates.with_earlier(spec), 26)
    theirs = shops.first.evidence.record
    assert theirs is not None
    for ours, week in zip(records.as_of(AT, ()).weeks, theirs.record.weeks, strict=True):
        assert (ours.start, ours.points, ours.naive) == (week.start, week.points, week.naive)
        assert ours.losses == pytest.approx(week.losses)
    policy = next(PolicyCatalogue(losses, candidates.with_earlier).policies(spec)).policy
    (step,) = run(policy, candidates.of(spec))
    assert step.event == "first"


def test_a_killed_run_fits_no_week_twice(shops: Shops, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's folder is gone as after a crash; what was fitted is kept by content."""
    from pipelines.backtest import predictions

    def no_fit(*_: object) -> None:
        raise AssertionError("a replayed week was fitted again")

    parts = shops.connections()
    monkeypatch.setattr(predictions, "fit", no_fit)
    again = retrain(Request(model="shops", as_of=AT, lineage="again"), parts.retraining)
    record = again.evidence.record
    assert record is not None
    assert record == shops.first.evidence.record
