"""A champion that is updated every hour, and replaced by the weekly retraining."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines.connections import Connections
from pipelines.core.errors import SpecError
from pipelines.core.time import FixedClock
from pipelines.flows.check import check_readiness
from pipelines.flows.frames import window_rows
from pipelines.flows.monitor.outcomes import read_outcomes
from pipelines.flows.monitor.run import monitor
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import open_run
from pipelines.flows.update.prepare import NothingToUpdate, open_update
from pipelines.flows.update.steps import perform
from pipelines.gates.champion.emergency import WORSE_THAN_NAIVE
from pipelines.packaging.version import TWIN, UPDATE, ModelVersion, evidence_path
from pipelines.release.ledger import replay
from pipelines.release.policy import Outcome
from tests.support.updates.visits_home import ANCHOR, HOUR, VisitsHome, connections_to, visits

WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Connections:
    return connections_to(visits(days=43), tmp_path_factory.mktemp("visits"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, shared: Connections) -> VisitsHome:
    """A champion. Only to be copied."""
    found = VisitsHome(tmp_path_factory.mktemp("trained"), shared)
    found.declare()
    assert found.retrain().decision.outcome is Outcome.FIRST_VERSION
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, trained: VisitsHome) -> VisitsHome:
    """Three updates of the champion; the third one learned three hours."""
    found = trained.copy(tmp_path_factory.mktemp("updated") / "home")
    for hours in (2, 4, 6):
        found.update(ANCHOR + hours * HOUR)
    return found


def champion(home: VisitsHome) -> ModelVersion:
    number = home.parts.ledger.champion("visits")
    assert number is not None
    return home.parts.versions.load("visits", number)


def models(version: ModelVersion) -> tuple[bytes, bytes]:
    """The stored bytes of the serving model and of its twin."""
    folders = version.folder, evidence_path(version.folder, TWIN)
    serving, twin = ((folder / "model.skops").read_bytes() for folder in folders)
    return serving, twin


def test_each_update_is_a_version_that_names_its_parent_and_its_anchor(home: VisitsHome) -> None:
    entries = home.parts.ledger.entries("visits")
    assert [(e.lane, e.outcome, e.champion_after) for e in entries[1:]] == [
        ("update", "promote", "2"),
        ("update", "promote", "3"),
        ("update", "promote", "4"),
    ]
    assert all(replay(entry) == entry.decision for entry in entries)
    version = champion(home)
    assert version.update is not None
    assert (version.update.parent, version.anchor) == ("3", "1")
    assert version.update.points.end == ANCHOR + 5 * HOUR  # labels take an hour
    assert version.fitted_until == ANCHOR
    info = home.parts.versions.registry.get("visits", "4")
    assert info.tags["update of"] == "version 3"


def test_an_update_uses_no_try(home: VisitsHome) -> None:
    for entry in home.parts.ledger.entries("visits")[1:]:
        names = [finding.name for finding in entry.findings]
        assert "budget.level" not in names
        assert "recent_window.primary" not in names


def test_what_is_found_about_the_anchor_is_not_taken_for_the_champion(home: VisitsHome) -> None:
    updates = [one for one in home.parts.ledger.entries("visits") if one.lane == "update"]
    assert len(updates) == 3
    for entry in updates:
        assert WORSE_THAN_NAIVE not in {finding.name for finding in entry.findings}


def test_the_same_events_give_the_same_bytes(
    home: VisitsHome, shared: Connections, tmp_path: Path
) -> None:
    again = VisitsHome(tmp_path, shared)
    again.declare()
    again.retrain()
    again.update(ANCHOR + 2 * HOUR)
    for number in ("1", "2"):
        one, other = (each.parts.versions.load("visits", number) for each in (home, again))
        assert models(one) == models(other)
        assert one.folder.name == other.folder.name  # the hash of the whole content


def test_one_update_learns_what_several_would_have_learned(
    home: VisitsHome, trained: VisitsHome, tmp_path: Path
) -> None:
    late = trained.copy(tmp_path / "home")
    late.update(ANCHOR + 6 * HOUR)
    one, other = champion(home), champion(late)
    assert other.update is not None
    assert other.update.parent == "1"
    for load in ("load_pipeline", "load_twin"):
        first, second = (getattr(each, load)()[-1] for each in (one, other))
        assert first.coef_.tobytes() == second.coef_.tobytes()
        assert first.t_ == second.t_


def test_monitoring_compares_all_points_since_the_fit_with_the_profile_of_the_fit(
    home: VisitsHome,
) -> None:
    version, parts = home.parts.versions.load("visits", "4"), home.connections.monitoring
    as_of = ANCHOR + 12 * HOUR
    events = parts.open_events(version.spec)
    snapshot = events.snapshot(version.spec.streams, as_of)
    with events.tables(snapshot, version.spec.streams) as tables:
        points_in = partial(window_rows, events, version.spec, snapshot, tables)
        outcomes = read_outcomes(version, None, points_in, as_of, 4, lambda _: None)
    first = [each["decision_time"].min() for each in (outcomes.fresh, outcomes.served.rows)]
    fitted, learned = (at.replace(tzinfo=None) for at in (ANCHOR - HOUR, ANCHOR + 6 * HOUR))
    assert fitted <= first[0] < fitted + HOUR
    assert learned <= first[1] < learned + HOUR  # labels of what it has learned end before
    assert version.plan_of_fit == home.parts.versions.load("visits", "1").plan
    report = monitor("visits", as_of, parts)
    assert report.version == "4"
    assert report.age.weeks == pytest.approx(0.5 / 7)


def test_an_instant_with_few_points_is_skipped_and_leaves_no_entry(home: VisitsHome) -> None:
    before = home.parts.ledger.entries("visits")
    done = home.update(ANCHOR + 6 * HOUR + timedelta(minutes=40))
    assert done.result is None
    assert "no whole interval of 1h has matured" in done.report.summary
    home.declare(update={"every": "1h", "minimum_rows": 500})
    done = home.update(ANCHOR + 8 * HOUR)
    home.declare()
    assert done.result is None
    assert "wanted 500" in done.report.summary
    assert not done.run.workspace.folder.exists(), "no decision would ever expire its files"
    assert home.parts.ledger.entries("visits") == before


def test_without_labels_in_the_recent_window_nothing_is_judged(
    shared: Connections, tmp_path: Path
) -> None:
    later = shared.clock.now() + timedelta(days=8)
    silent = VisitsHome(tmp_path, replace(shared, clock=FixedClock(later)))
    silent.declare()
    silent.retrain()
    done = silent.update(later)  # the visits of a week are older than the recent window
    assert done.result is None
    assert "has a label, so an update could not be judged" in done.report.summary
    assert len(silent.parts.ledger.entries("visits")) == 1


def test_an_update_that_was_killed_ends_as_if_undisturbed(
    home: VisitsHome, trained: VisitsHome, tmp_path: Path
) -> None:
    killed = trained.copy(tmp_path / "home")
    request = Request(model="visits", as_of=ANCHOR + 2 * HOUR, update=True)
    for steps in range(1, 8):
        running: Iterator[Any] = perform(open_update(open_run(request, killed.parts)))
        for _ in range(steps):
            next(running)
    done = killed.update(ANCHOR + 2 * HOUR)
    assert done.version is not None
    assert done.version.content == home.parts.versions.registry.get("visits", "2").content
    assert len(killed.parts.ledger.entries("visits")) == 2


def test_the_weekly_candidate_is_a_refresh_of_the_anchor_and_meets_the_updated_champion(
    home: VisitsHome,
) -> None:
    done = home.retrain(ANCHOR + WEEK)
    assert done.run.lane == "refresh"
    assert done.run.champion is not None
    assert done.run.champion.update is not None
    record = done.evidence.record
    assert record is not None
    trained = {at for week in record.record.weeks for at in week.losses}
    assert trained <= {ANCHOR}  # updates are no fits
    assert not evidence_path(done.run.workspace.path("version"), UPDATE).exists()


def test_updates_that_are_shown_to_do_harm_end_with_the_anchor(
    shared: Connections, tmp_path: Path
) -> None:
    # The rate of the fit falls as it converges; an update begins with the large one again.
    jumpy = {"loss": "log_loss", "learning_rate": "adaptive", "eta0": 1.0}
    estimator = {"path": "sklearn.linear_model.SGDClassifier", "parameters": jumpy}
    home = VisitsHome(tmp_path, shared)
    home.declare(estimator=estimator, metric={"name": "log_loss", "minimum_effect": 100.0})
    assert home.retrain().decision.outcome is Outcome.FIRST_VERSION
    assert home.update(ANCHOR + 2 * HOUR).decision.outcome is Outcome.PROMOTE
    home.declare(estimator=estimator)
    for _repeated in range(2):
        done = home.update(ANCHOR + 4 * HOUR)
        assert done.decision.outcome is Outcome.REJECT
        last = home.parts.ledger.entries("visits")[-1]
        assert (last.kind, last.champion_before, last.champion_after) == ("rollback", "2", "1")
        assert [finding.name for finding in last.findings] == ["update.not_worse"]
        assert champion(home).number == "1"
        assert len(home.parts.ledger.entries("visits")) == 4


def test_a_model_without_a_champion_or_with_another_recipe_is_not_updated(
    home: VisitsHome, shared: Connections, tmp_path: Path
) -> None:
    empty = VisitsHome(tmp_path, shared)
    empty.declare()
    with pytest.raises(NothingToUpdate, match="no champion"):
        empty.update(ANCHOR)
    home.declare(split={"train": "14d", "recent": "7d"})
    with pytest.raises(NothingToUpdate, match="another recipe"):
        home.update(ANCHOR + 9 * HOUR)
    home.declare(update=None)
    with pytest.raises(NothingToUpdate, match="no updates"):
        home.update(ANCHOR + 9 * HOUR)
    home.declare()


def test_an_estimator_that_cannot_learn_further_is_refused(
    shared: Connections, tmp_path: Path
) -> None:
    home = VisitsHome(tmp_path, shared)
    home.declare(estimator={"path": "sklearn.linear_model.LogisticRegression"})
    with pytest.raises(SpecError, match="has no partial_fit"):
        home.retrain()
    ready = check_readiness(Request(model="visits", as_of=ANCHOR), home.parts)
    assert any("LogisticRegression has no partial_fit" in one for one in ready.problems)
