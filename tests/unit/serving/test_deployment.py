"""Blue-green: what is loaded when, and that what cannot be loaded changes nothing."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from pipelines.core.errors import IntegrityError
from pipelines.serving.deployment import KEPT, Deployment
from pipelines.serving.loaded_version import LoadedVersion
from pipelines.serving.plan import (
    PlannedSegments,
    PlannedVersion,
    ServingPlan,
    plan_path,
    plan_stamp,
    read_plan,
    write_plan,
)
from tests.support.services.model import ServiceHarness, constant_model, point, serving_of, version


class Loader:
    """Loads versions that say their own number; ``bad`` ones are damaged."""

    def __init__(self, *bad: str) -> None:
        self.bad, self.loaded = set(bad), list[str]()

    def __call__(self, serving: PlannedVersion) -> LoadedVersion:
        self.loaded.append(serving.version)
        if serving.version in self.bad:
            raise IntegrityError("a version cannot be served", where=serving.version)
        return version(serving.version, constant_model(float(serving.version)))


def planned(folder: Path, champion: str, challenger: str | None = None) -> None:
    other = serving_of(challenger) if challenger else None
    write_plan(folder, ServingPlan(model="demand", champion=serving_of(champion), challenger=other))


def answers(harness: ServiceHarness) -> float:
    return harness.service.answer([point(1)], "r")[0].prediction


def test_the_champions_of_segments_are_deployed_together_or_not_at_all(
    harness: ServiceHarness, tmp_path: Path
) -> None:
    deployment = Deployment(harness.service, tmp_path, Loader("6"))
    for number, deployed in (("5", True), ("6", False)):
        segments = PlannedSegments(column="pharmacy", versions={"p1": serving_of(number)})
        plan = ServingPlan(model="demand", champion=serving_of("1"), segments=segments)
        write_plan(tmp_path, plan)
        assert read_plan(tmp_path, "demand") == plan
        assert deployment.follow() is deployed
        assert answers(harness) == 5.0
    assert deployment.summary == "demand: version 1 answers, 5 answers pharmacy p1"
    assert isinstance(deployment.problem, IntegrityError)


def test_a_switch_is_one_step_and_a_rollback_loads_nothing(
    harness: ServiceHarness, tmp_path: Path
) -> None:
    load = Loader()
    deployment = Deployment(harness.service, tmp_path, load)
    assert not deployment.follow(), "there is no plan yet"
    for champion in ("1", "2", "1", "2"):
        planned(tmp_path, champion)
        assert deployment.follow()
        assert not deployment.follow(), "the same plan is no switch"
        assert answers(harness) == float(champion)
    assert load.loaded == ["1", "2"]


def test_a_plan_that_is_published_again_ends_the_silence(
    harness: ServiceHarness, tmp_path: Path
) -> None:
    planned(tmp_path, "1")
    seconds = count(1)  # the clock moves on by a second each time it is read
    deployment = Deployment(harness.service, tmp_path, Loader(), clock=lambda: float(next(seconds)))
    stamp = plan_stamp(tmp_path, "demand")
    deployment.follow()
    assert [deployment.stale_for_s, deployment.stale_for_s] == [1, 2], "no plan was published since"
    while plan_stamp(tmp_path, "demand") == stamp:  # a disk tells instants only so exactly
        planned(tmp_path, "1")
    assert not deployment.follow(), "the same plan is no switch"
    assert deployment.stale_for_s == 1, "the registry published it again, and is reported as away"


def test_only_the_newest_few_stay_loaded(harness: ServiceHarness, tmp_path: Path) -> None:
    load = Loader()
    deployment = Deployment(harness.service, tmp_path, load)
    for number in range(1, KEPT + 2):
        planned(tmp_path, str(number))
        deployment.follow()
    planned(tmp_path, "1")
    deployment.follow()
    assert load.loaded.count("1") == 2, "it was the oldest of more than are kept"


@pytest.mark.parametrize("plan", [("2", None), ("1", "2")])
def test_a_damaged_version_is_refused_once_and_the_old_one_answers(
    harness: ServiceHarness, tmp_path: Path, plan: tuple[str, str | None]
) -> None:
    load = Loader("2")
    deployment = Deployment(harness.service, tmp_path, load)
    planned(tmp_path, "1")
    deployment.follow()
    planned(tmp_path, *plan)
    for _ in range(3):
        assert not deployment.follow()
    assert load.loaded.count("2") == 1, "a refused plan is not tried again until it changes"
    assert deployment.problem is not None
    assert answers(harness) == 1.0
    planned(tmp_path, "3")
    assert deployment.follow()
    assert deployment.problem is None
    assert answers(harness) == 3.0


@pytest.mark.parametrize("before", [None, "3"])
def test_a_damaged_challenger_does_not_cost_the_champions_answer(
    harness: ServiceHarness, tmp_path: Path, before: str | None
) -> None:
    """A worker that starts, and one that another champion has been answering in."""
    deployment = Deployment(harness.service, tmp_path, load := Loader("2"))
    if before:
        planned(tmp_path, before)
        deployment.follow()
    planned(tmp_path, "1", "2")
    assert deployment.follow()
    assert answers(harness) == 1.0
    assert not deployment.follow()
    assert load.loaded.count("2") == 1
    assert deployment.problem is not None, "/readyz says nothing of it"


def test_the_former_plan_ends_the_problem(harness: ServiceHarness, tmp_path: Path) -> None:
    deployment = Deployment(harness.service, tmp_path, Loader("2"))
    for champion in ("1", "2", "1"):
        planned(tmp_path, champion)
        deployment.follow()
    assert deployment.problem is None


@pytest.mark.parametrize("text", ["", "{", '{"model": "demand"}', "[]"])
def test_a_plan_that_cannot_be_read_is_a_problem_until_it_is_mended(
    harness: ServiceHarness, tmp_path: Path, text: str
) -> None:
    deployment = Deployment(harness.service, tmp_path, Loader())
    planned(tmp_path, "1")
    deployment.follow()
    plan_path(tmp_path, "demand").write_text(text)
    assert not deployment.follow()
    assert deployment.problem is not None
    assert "plan cannot be read" in deployment.problem.what
    assert answers(harness) == 1.0
    planned(tmp_path, "2")
    assert deployment.follow()
    assert answers(harness) == 2.0
