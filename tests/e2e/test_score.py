"""Batch scoring: the same features, arms and log as online, published once whatever happens."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.connections import Connections
from pipelines.core.errors import DataError, SpecError, TimeError, Unavailable
from pipelines.core.time import FixedClock
from pipelines.data.events import NoEvents
from pipelines.features.online.lookup import look_up
from pipelines.flows.features.materialize import materialize
from pipelines.flows.serving import batch_score as flow
from pipelines.flows.serving.batch_score import ScoreStatus, score, score_status
from pipelines.flows.serving.publish import PublishCollaborators
from pipelines.predictions.assignment import Allocation, arm_of
from pipelines.serving.plan import ServingPlan
from pipelines.serving.scores import score_stream
from pipelines.spec.points import EventPoints
from pipelines.spec.predictions import Arm
from pipelines.wiring import connect
from tests.support.pharmacy import CLOCK, SECOND, Pharmacy
from tests.support.prediction_factory import logged_rows
from tests.support.services.running import make_champion

DAY = timedelta(days=1)
AT = SECOND + DAY


@pytest.fixture
def pharmacy(answering: Pharmacy, tmp_path: Path) -> Pharmacy:
    """The answering pharmacy, with a store of its own."""
    return answering.twin(tmp_path)


def parts_of(pharmacy: Pharmacy, **others: Any) -> Connections:
    return dataclasses.replace(connect(pharmacy.settings, clock=CLOCK), **others)


def scores(pharmacy: Pharmacy) -> list[dict[str, Any]]:
    files = sorted(Path(pharmacy.store).glob("scores/demand/*/*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def log(pharmacy: Pharmacy) -> list[dict[str, Any]]:
    return logged_rows(LocalStore(Path(pharmacy.store)))


def pair(row: dict[str, Any]) -> tuple[str, str]:
    return row["pharmacy"], row["medicine"]


def on_trial(monkeypatch: pytest.MonkeyPatch, **allocation: Any) -> None:
    """Version 2 as challenger, as a release in progress plans it."""
    real: Callable[[str, Any], ServingPlan] = vars(flow)["publish_plan"]

    def publish(model: str, collaborators: PublishCollaborators) -> ServingPlan:
        plan, versions = real(model, collaborators), collaborators.versions
        info, folder = versions.registry.get(model, "2"), versions.download(model, "2")
        challenger = plan.champion.model_copy(
            update={"version": "2", "content": info.content, "folder": str(folder)}
        )
        salted = Allocation(salt="spring", **allocation)
        return plan.model_copy(update={"challenger": challenger, "allocation": salted})

    monkeypatch.setattr(flow, "publish_plan", publish)


def status(parts: Connections) -> ScoreStatus:
    spec = parts.load_spec("demand")
    return score_status(spec, parts.open_store(spec), parts.clock.now())


def test_two_at_once_publish_once(pharmacy: Pharmacy) -> None:
    parts = parts_of(pharmacy)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: score("demand", AT, parts.scoring), range(2)))
    assert sorted(report.outcome for report in done) == ["already_scored", "scored"]
    assert len(scores(pharmacy)) == len(log(pharmacy)) == done[0].entities


def test_features_are_those_of_training_and_those_of_the_online_store(pharmacy: Pharmacy) -> None:
    from pipelines.features.frame import build_frame

    parts = parts_of(pharmacy)
    report = score("demand", AT + timedelta(hours=5), parts.scoring)
    assert report.at == AT
    rows = {pair(json.loads(row["entity"])): row for row in log(pharmacy)}
    spec = parts.load_spec("demand")
    taken = parts.open_events(spec).snapshot(spec.streams, AT)
    with parts.open_events(spec).tables(taken, spec.streams) as tables:
        frame = build_frame(spec.frame, tables, AT).to_pyarrow().to_pylist()
    trained = {
        pair(row): {name: row[name] for name in spec.feature_names}
        for row in frame
        if row["decision_time"] == AT.replace(tzinfo=None)
    }
    assert {key: json.loads(row["features"]) for key, row in rows.items()} == trained
    assert report.entities == len(trained) > 50
    # The newest one that can be read at midnight is that of 23:00, an hour later by 15 minutes.
    online = parts_of(pharmacy, clock=FixedClock(AT))
    materialize("demand", AT - timedelta(minutes=15), online.materialization)
    points = [{"pharmacy": one, "medicine": other} for one, other in rows]
    served = look_up(spec, online.online, points, AT)
    for place, row in enumerate(rows.values()):
        found = {name: served.values[name][place] for name in spec.feature_names}
        assert json.loads(row["features"]) == found
        assert json.loads(row["freshness"]) == served.freshness
        assert json.loads(row["freshness"])["dispensing_by_pharmacy_medicine"] == 3600.0


def test_arms_and_shadow_are_those_of_the_service(
    pharmacy: Pharmacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_trial(monkeypatch, share=0.3, shadow_share=1.0)
    report = score("demand", AT, parts_of(pharmacy).scoring)
    rows, allocation = log(pharmacy), Allocation(salt="spring", share=0.3)
    answers = [row for row in rows if row["arm"] != Arm.SHADOW]
    for row in answers:
        arm = arm_of(json.loads(row["entity"]), allocation)
        assert row["arm"] == arm
        assert row["version"] == ("2" if arm is Arm.CHALLENGER else "1")
    assert Counter(row["arm"] for row in answers).keys() == {"champion", "control", "challenger"}
    assert {row["version"] for row in rows if row["arm"] == Arm.SHADOW} == {"2"}
    assert report.arms["shadow"] == report.entities == len(answers)
    assert report.fell_back == 0
    published = {row["request_id"]: row for row in scores(pharmacy)}
    assert published.keys() == {row["request_id"] for row in answers}, "a shadow was published"
    for row in answers:
        assert published[row["request_id"]]["prediction"] == row["prediction"]


def test_done_again_it_changes_nothing_for_every_champion(
    pharmacy: Pharmacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(pharmacy)
    first = score("demand", AT, parts.scoring)
    before = scores(pharmacy), log(pharmacy)
    make_champion(parts, "2")
    again = score("demand", AT + timedelta(hours=23), parts.scoring)
    assert (first.outcome, again.outcome) == ("scored", "already_scored")
    assert again.model_copy(update={"outcome": "scored"}) == first
    assert (scores(pharmacy), log(pharmacy)) == before
    assert score("demand", AT + DAY, parts.scoring).versions.keys() == {"2"}
    assert len(scores(pharmacy)) > len(before[0])


class Killed(Exception):
    """Where the process ended."""


class KilledAt(LocalStore):
    """The process ends just before, or just after, so many writes."""

    def __init__(self, folder: Path, writes: int, *, after: bool) -> None:
        super().__init__(folder)
        self.left, self.after = writes, after

    def write(self, key: str, content: Path | bytes, *, if_absent: bool = True) -> Any:
        self.left -= 1
        if self.left < 0 and not self.after:
            raise Killed
        stored = super().write(key, content, if_absent=if_absent)
        if self.left < 0:
            raise Killed
        return stored


@pytest.mark.parametrize("writes", [0, 1])
@pytest.mark.parametrize("after", [False, True])
def test_killed_between_any_two_writes_it_ends_as_if_it_had_not_been(
    pharmacy: Pharmacy, writes: int, after: bool
) -> None:
    store = KilledAt(Path(pharmacy.store), writes, after=after)
    with pytest.raises(Killed):
        score("demand", AT, parts_of(pharmacy, open_store=lambda _: store).scoring)
    report = score("demand", AT, parts_of(pharmacy).scoring)
    ids = Counter(row["request_id"] for row in log(pharmacy))
    assert set(ids.values()) == {1}
    assert sorted(row["request_id"] for row in scores(pharmacy)) == sorted(ids)
    assert len(scores(pharmacy)) == report.entities


def test_scores_are_a_stream_and_say_until_when_they_hold(pharmacy: Pharmacy) -> None:
    parts = parts_of(pharmacy)
    report = score("demand", AT, parts.scoring)
    spec = parts.load_spec("demand")
    events, declared = parts.open_events(spec), {"scores": score_stream(spec)}
    now = CLOCK.now()
    with pytest.raises(NoEvents):  # a row is not read as of an instant before it was there
        events.snapshot(declared, now)
    later = now + timedelta(minutes=2)
    assert events.snapshot(declared, later).streams["scores"].rows == report.entities
    assert report.valid_until == AT + 2 * DAY
    assert status(parts).stale
    in_time = parts_of(pharmacy, clock=FixedClock(AT + DAY))
    assert not status(in_time).stale


def test_a_model_that_declares_no_serving_is_scored_as_of_the_point(
    champion: Pharmacy, tmp_path: Path
) -> None:
    """Nothing has to be online for a batch: its features are fresh, as training saw them."""
    pharmacy = champion.copy(tmp_path / "home")
    parts = pharmacy.parts(open_store=lambda _: LocalStore(tmp_path / "out"))
    report = score("demand", SECOND, parts.scoring)
    rows = logged_rows(LocalStore(tmp_path / "out"))
    assert len(rows) == report.entities > 50
    assert {tuple(json.loads(row["freshness"]).values()) for row in rows} == {(0.0,)}


def test_what_cannot_be_scored_is_reported(pharmacy: Pharmacy) -> None:
    parts = parts_of(pharmacy)
    with pytest.raises(DataError, match="was never scored"):
        status(parts)
    with pytest.raises(TimeError, match="future"):
        score("demand", CLOCK.now() + DAY, parts.scoring)
    with pytest.raises(DataError, match="no entity to score"):
        score("demand", CLOCK.now(), parts.scoring)
    spec = parts.load_spec("demand")
    points = EventPoints(kind="event", stream="dispensing", keys=("pharmacy", "medicine"))
    events = spec.model_copy(update={"points": points})
    with pytest.raises(SpecError, match="cannot be scored in a batch"):
        score("demand", AT, parts_of(pharmacy, load_spec=lambda _: events).scoring)
    assert scores(pharmacy) == log(pharmacy) == []


def test_a_store_that_is_away_is_an_error_and_nothing_is_half_written(
    pharmacy: Pharmacy, tmp_path: Path
) -> None:
    (tmp_path / "no_folder").write_bytes(b"")
    away = parts_of(pharmacy, open_store=lambda _: LocalStore(tmp_path / "no_folder"))
    with pytest.raises(Unavailable):
        score("demand", AT, away.scoring)


def test_the_shell_reports_what_was_scored_and_what_is_stale(pharmacy: Pharmacy) -> None:
    never = pharmacy.cli("score", "demand", "--check")
    assert never.code == 3, "a job must not take scores that were never made for stale ones"
    reported = pharmacy.cli("score", "demand", "--as-of", "2025-04-08T03:00:00Z", "--json")
    assert reported.code == 0, reported.err
    assert reported.body["outcome"] == "scored"
    status = pharmacy.cli("score", "demand", "--check")
    assert status.code == 1
    assert "stale since 2025-04-10T00:00:00Z" in status.out
