"""The world in a store: written twice it is the same, and the story's data are consistent."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import Window, parse_instant
from pipelines.simulation.demo.retrain_demo import RETRAIN_DEMO, RetrainDemo
from pipelines.simulation.scale import SMALL
from pipelines.simulation.world import World
from pipelines.simulation.writing import write_world

TEN_DAYS = Window(parse_instant("2025-01-06"), parse_instant("2025-01-16"))


def _objects(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}


def test_a_world_written_twice_is_written_once(tmp_path):
    world, store = World(SMALL, seed=3), LocalStore(tmp_path)
    written = write_world(world, store, TEN_DAYS)
    first = _objects(tmp_path)
    assert write_world(World(SMALL, seed=3), store, TEN_DAYS) == written
    assert _objects(tmp_path) == first
    rows = sum(pq.read_metadata(tmp_path / key).num_rows for key in first)
    assert rows == sum(written.values())


def test_extending_a_store_leaves_what_is_known_earlier_alone(tmp_path):
    world, store = World(SMALL, seed=3), LocalStore(tmp_path)
    write_world(world, store, TEN_DAYS)
    first = _objects(tmp_path)
    later = Window(TEN_DAYS.end, TEN_DAYS.end + timedelta(days=3))
    write_world(world, store, later)
    added = _objects(tmp_path) - first
    assert first <= _objects(tmp_path)
    assert added
    assert all(key.split("dt=")[1][:10] >= "2025-01-16" for key in added)


def test_the_story_survives_its_json_and_runs_forward_in_time():
    assert RetrainDemo.model_validate(RETRAIN_DEMO.as_json()) == RETRAIN_DEMO
    instants = [run.as_of for run in RETRAIN_DEMO.runs]
    assert instants == sorted(set(instants))
    assert {run.expected for run in RETRAIN_DEMO.runs} == {
        "promoted",
        "not_promoted",
        "stopped_by_contract",
    }
