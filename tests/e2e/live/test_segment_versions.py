"""A segment's champion beside the champion: parity of its answers, and its features online."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.core.findings import Verdict
from pipelines.core.time import Window
from pipelines.features.online.lookup import look_up
from pipelines.flows.features.materialize import materialize
from pipelines.flows.retrain.parity import segment_versions
from pipelines.flows.retrain.request import LIVE, Request
from pipelines.flows.retrain.run import open_run
from pipelines.release.lineages import branch
from tests.support.live.segment_champion import points_of, win_segments
from tests.support.live.served_log import as_computed, changed, log_predictions
from tests.support.pharmacy import ON_HAND, SECOND, WEEK, Pharmacy, sold
from tests.support.rollout_factory import BUDGET, DAY, ROLLOUT, at, shared_challenger, step

SEGMENT = "cetirizine"
PARITY = ("availability.parity", "availability.segment_parity")
SERVING = {"every": "6h", "delay": "15m"}


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """Version 1 counts the sales of two days; version 2, of one medicine, those of fourteen."""
    pharmacy = shared_challenger().twin(tmp_path_factory.mktemp("promoted"))
    win_segments(at(pharmacy, SECOND), "medicine", SEGMENT, at=SECOND)
    return pharmacy


def test_each_version_that_answers_is_compared_with_itself(
    promoted: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = promoted.twin(tmp_path)
    parts = at(pharmacy, SECOND)
    window = Window(SECOND - 6 * DAY, SECOND)
    thirty = changed("sold", lambda rows: rows["sold"] * 30)
    for version, wanted, serve, wrong in (("1", False, as_computed, 0.0), ("2", True, thirty, 1.0)):
        rows = points_of(parts, version, window)
        mine = rows[(rows["medicine"] == SEGMENT) == wanted].reset_index(drop=True)
        shifted = partial(np.add, wrong)
        log_predictions(pharmacy, serve, rows=mine, version=version, answers=shifted)
    pharmacy.declare((sold(14), ON_HAND), gates=BUDGET)
    found = pharmacy.retrain(SECOND, dry_run=True, parts=at(pharmacy, SECOND)).done.findings
    named = {one.name: one for one in found if one.name.startswith(PARITY)}
    verdicts = {name: one.verdict for name, one in named.items()}
    assert {name for name, one in verdicts.items() if one is Verdict.FAIL} == {
        "availability.segment_parity.2.sold",
        "availability.segment_parity.2.prediction",
    }
    assert verdicts["availability.segment_parity.2.on_hand"] is Verdict.PASS
    assert verdicts["availability.parity.prediction"] is Verdict.PASS, "the champion is right"
    assert verdicts["availability.parity.sold"] is Verdict.PASS, "its `sold` counts two days"
    served = named["availability.segment_parity.2.sold"]
    assert served.blocking, "the candidate would be served the same"
    assert "likely cause: unit" in served.reason
    assert not named["availability.segment_parity.2.medicine"].blocking


def test_a_backfill_does_not_check_segment_champions_of_live(
    promoted: Pharmacy, tmp_path: Path
) -> None:
    pharmacy, later = promoted.twin(tmp_path), SECOND + WEEK
    parts = at(pharmacy, later)
    assert branch("demand", "weeks", later, parts.ledger) is not None
    found = {}
    for lineage in (LIVE, "weeks"):
        run = open_run(Request(model="demand", as_of=later, lineage=lineage), parts.retraining)
        assert run.identity.champion == "1"
        found[lineage] = [one.number for one in segment_versions(run)]
    assert found == {LIVE: ["2"], "weeks": []}


def test_the_features_of_champion_segment_champion_and_challenger_are_filled(
    promoted: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = promoted.twin(tmp_path)
    recipe = (sold(21), ON_HAND)
    pharmacy.declare(recipe, rollout=ROLLOUT, gates=BUDGET)
    third = pharmacy.retrain(SECOND, parts=at(pharmacy, SECOND))
    assert third.outcome == "start_rollout", third.against()
    assert step(pharmacy, SECOND).action == "shadow"
    pharmacy.declare(recipe, rollout=ROLLOUT, gates=BUDGET, serving=SERVING)
    parts = dataclasses.replace(at(pharmacy, SECOND), online=MemoryOnline())
    served = {"serving": parts.load_spec("demand").serving}
    assert materialize("demand", SECOND, parts.materialization).champion == "1"
    rows = points_of(parts, "1", Window(SECOND - DAY, SECOND))
    points: list[Any] = rows[["pharmacy", "medicine"]].drop_duplicates().to_dict("records")
    answers = {}
    for version in "123":
        spec = parts.versions.load("demand", version).spec.model_copy(update=served)
        values = look_up(spec, parts.online, points, SECOND).values["sold"]
        answers[version] = sum(float(value or 0) for value in values)
    assert 0 < answers["1"] < answers["2"] < answers["3"], "2, 14 and 21 days of sales"
