"""Who answers, what is logged, and that a challenger costs no caller anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.core.arrays import Floats
from pipelines.core.errors import IntegrityError, Unavailable
from pipelines.core.time import FixedClock
from pipelines.packaging.fast_predict import Row
from pipelines.predictions.assignment import Allocation, arm_of
from pipelines.predictions.journal import Journal, JournalFull
from pipelines.predictions.segments import SegmentValues
from pipelines.serving.plan import PlannedSegments
from pipelines.serving.service import Deployed, ModelService
from pipelines.spec.predictions import Arm
from tests.support.prediction_factory import NOON
from tests.support.services.model import (
    RecordingMetrics,
    ServiceHarness,
    constant_model,
    filled_store,
    point,
    serving_of,
    version,
)


def breaks(rows: Sequence[Row]) -> Floats:
    raise ValueError("it cannot")


def breaks_oddly(rows: Sequence[Row]) -> Floats:
    raise LookupError("no such leaf")


def no_number(rows: Sequence[Row]) -> Floats:
    return np.full(len(rows), np.nan)


def reads(rows: Sequence[Row]) -> Floats:
    return np.array([row["sold"] for row in rows], np.float64)


def test_features_come_from_the_online_store_and_are_logged_as_served(
    harness: ServiceHarness,
) -> None:
    harness.deploy(version("7", reads))
    [one, two] = harness.service.answer([point(3), point(9)], "r")
    assert (one.prediction, two.prediction) == (3.0, 9.0)
    assert one.freshness_s == {"dispensing_by_pharmacy_medicine": 3600.0}
    assert [row.request_id for row in harness.logged] == ["r.0", "r.1"]
    assert harness.logged[1].features == {"medicine": "m", "sold": 9.0}
    assert harness.logged[1].entity == point(9)
    assert harness.logged[1].decided_at == NOON


def test_every_entity_is_answered_by_its_own_arm(harness: ServiceHarness) -> None:
    harness.deploy(version("7", constant_model(7)), version("8", constant_model(8)), share=0.3)
    answers = harness.service.answer([point(n) for n in range(200)], "r")
    allocation = Allocation(salt="spring", share=0.3)
    for number, answer in enumerate(answers):
        arm = arm_of(point(number), allocation)
        assert answer.arm is arm
        assert answer.prediction == (8.0 if arm is Arm.CHALLENGER else 7.0)
    assert len({answer.arm for answer in answers}) == 3, (
        "an arm had no request, so it was not tried"
    )
    assert [row.entity for row in harness.logged] == [point(n) for n in range(200)]


def test_segments_are_answered_by_their_champion_and_the_arms_hold_inside_them(
    harness: ServiceHarness,
) -> None:
    own = version("6", constant_model(6))
    harness.deploy(version("7", constant_model(7)), version("8", constant_model(8)), share=0.3)
    deployed = harness.service.deployed
    assert deployed is not None
    segments = PlannedSegments(column="pharmacy", versions={"p1": serving_of("6")})
    apart = SegmentValues(column="pharmacy", values=("p2", "p8"))
    allocation = deployed.plan.allocation.model_copy(update={"apart": apart})
    plan = deployed.plan.model_copy(update={"segments": segments, "allocation": allocation})
    harness.service.deployed = Deployed(plan, deployed.champion, deployed.challenger, {"p1": own})
    answers = harness.service.answer([point(n) for n in range(200)], "r")
    for number, answer in enumerate(answers):
        arm = Arm.CHAMPION if number in (2, 8) else arm_of(point(number), plan.allocation)
        usual = "6" if number == 1 else "7"
        assert (answer.arm, answer.version) == (arm, "8" if arm is Arm.CHALLENGER else usual)
    assert arm_of(point(1), plan.allocation) is not Arm.CHALLENGER, "else this shows nothing"
    assert harness.logged[1].version == "6", "the log names the version that answered"
    counted = {(number, arm): rows for number, arm, rows in harness.recorded.answers}
    assert counted["6", answers[1].arm] == 1


@pytest.mark.parametrize("fault", [breaks, breaks_oddly, no_number])
def test_the_champion_answers_for_a_challenger_that_cannot(
    harness: ServiceHarness, fault: Any
) -> None:
    """Intention to treat: the entity stays in the arm, so that the failure counts against it."""
    harness.deploy(version("7", constant_model(7)), version("8", fault), share=0.5)
    answers = harness.service.answer([point(n) for n in range(50)], "r")
    assert {answer.prediction for answer in answers} == {7.0}
    assert {answer.version for answer in answers} == {"7"}
    arms = Counter(answer.arm for answer in answers)
    assert arms[Arm.CHALLENGER] > 0
    assert harness.recorded.failures == [("8", Arm.CHALLENGER)]
    assert Counter(row.arm for row in harness.logged) == arms


def test_a_champion_that_cannot_is_an_error_and_leaves_nothing_in_the_log(
    harness: ServiceHarness,
) -> None:
    harness.deploy(version("7", no_number))
    with pytest.raises(IntegrityError, match="not a number"):
        harness.service.answer([point(1)], "r")
    assert harness.logged == []
    assert harness.recorded.failures == [("7", Arm.CHAMPION)]


@pytest.mark.parametrize("fault", [breaks, breaks_oddly, no_number])
def test_a_shadow_is_worked_out_after_the_answer_and_fails_alone(
    harness: ServiceHarness, fault: Any
) -> None:
    harness.deploy(version("7", constant_model(7)), version("8", fault), shadow_share=1.0)
    [answer] = harness.service.answer([point(1)], "r")
    assert answer.prediction == 7.0
    assert len(harness.logged) == 1, "the caller waited for the shadow"
    [work] = harness.waiting
    work()
    assert len(harness.logged) == 1
    assert harness.recorded.failures == [("8", Arm.SHADOW)]


def test_a_shadow_scores_what_the_caller_requested(harness: ServiceHarness) -> None:
    harness.deploy(version("7", constant_model(7)), version("8", reads), shadow_share=1.0)
    harness.service.answer([point(4), point(5)], "r")
    harness.waiting[0]()
    shadow = harness.logged[2:]
    assert [(row.request_id, row.arm, row.prediction) for row in shadow] == [
        ("r.0", Arm.SHADOW, 4.0),
        ("r.1", Arm.SHADOW, 5.0),
    ]


def test_a_shadow_that_falls_behind_is_left_out_and_counted(harness: ServiceHarness) -> None:
    harness.deploy(
        version("7", constant_model(7)), version("8", constant_model(8)), shadow_share=1.0
    )
    for number in range(60):  # there is room for fifty
        harness.service.answer([point(number)], f"r{number}")
    assert harness.recorded.skipped == 10
    assert len(harness.logged) == 60


def test_an_error_without_a_deployed_version_names_the_model(harness: ServiceHarness) -> None:
    with pytest.raises(Unavailable, match="no version is deployed"):
        harness.service.answer([point(1)], "r")


def test_an_answer_is_on_the_disk_before_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "demand.db"
    with Journal(path) as journal:
        service = served_by(journal)
        for number in range(3):
            service.answer([point(number)], f"r{number}")
            with Journal(path) as other:  # as another process sees the file at this moment
                assert other.backlog().rows == number + 1


def test_a_full_journal_is_no_answer(tmp_path: Path) -> None:
    with Journal(tmp_path / "demand.db", most_rows=2) as journal:
        service = served_by(journal)
        service.answer([point(1), point(2)], "r")
        with pytest.raises(JournalFull):
            service.answer([point(3)], "s")
        assert journal.backlog().rows == 2


def served_by(journal: Journal) -> ModelService:
    service = ModelService(
        "demand",
        store=filled_store(),
        record=journal.append,
        clock=FixedClock(NOON),
        metrics=RecordingMetrics(),
        run_later=lambda _: True,
    )
    ServiceHarness(service, [], RecordingMetrics(), []).deploy(version("7", constant_model(7)))
    return service
