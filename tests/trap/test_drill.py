"""A mutation test of the gates: without a check, a fault of the drill goes undetected."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from pipelines.faults.catalogue import FAULTS
from pipelines.faults.matrix import Cell
from pipelines.flows.drill.cells import DrillCells
from pipelines.flows.drill.context import DrillContext
from pipelines.flows.drill.run import DrillCollaborators, DrillRequest, opened
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import Pharmacy

# For each check a fault that it alone catches, its size, and the finding that has to name it.
CAUGHT_BY = {
    "suite": ("clipped_values", 0.5, "contract.suite.dispensing.quantity.mean"),
    "envelope": ("time_zone_slip", 2.0, "contract.envelope.dispensing.table.lag_median"),
    "identity": ("reused_ids", 0.05, "contract.identity.dispensing"),
}

# The same for checks of a fit, which need the declaration's guardrail.
CAUGHT_IN_TRAINING = {
    "leak_probe": ("leaked_column", 0.5, "availability.leak_probe"),
    "recent_window": ("shifted_labels", 1.0, "recent_window.guardrail.squared_error"),
}
GUARDRAIL = {"name": "squared_error", "margin": 100.0}  # as in models/demand.yaml


@pytest.fixture(scope="module")
def drill(champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillContext]:
    """The opened drill of the champion's training data."""
    collaborators = DrillCollaborators(
        tmp_path_factory.mktemp("drills"), champion.parts().retraining
    )
    request = DrillRequest(model="demand", quick=True)
    with opened(request, collaborators) as context:
        yield context


@pytest.fixture(scope="module")
def complete(drill: DrillContext) -> DrillCells:
    """The drill with every check."""
    return DrillCells(drill, quick=True)


@pytest.fixture(scope="module")
def guarded(drill: DrillContext) -> DrillContext:
    """The drill of a champion that declares a guardrail."""
    declared = {**drill.spec.as_json(), "guardrails": [GUARDRAIL]}
    champion = dataclasses.replace(drill.champion, spec=ModelSpec.model_validate(declared))
    return dataclasses.replace(drill, champion=champion)


@pytest.fixture(scope="module")
def trained(guarded: DrillContext) -> DrillCells:
    """That drill with every check, also those of training."""
    return DrillCells(guarded, quick=False)


def cell(cells: DrillCells, fault: str, size: float) -> Cell:
    [planted] = [one for one in FAULTS if one.name == fault]
    found = cells.planter(planted).cell(size)
    assert isinstance(found, Cell), found
    return found


@pytest.mark.parametrize("check", CAUGHT_BY)
def test_without_a_check_its_fault_goes_undetected(
    drill: DrillContext, complete: DrillCells, check: str
) -> None:
    fault, size, finding = CAUGHT_BY[check]
    caught = cell(complete, fault, size)
    assert caught.caught_by[:1] == (finding,)
    assert caught.reason
    without = dataclasses.replace(drill, checks=drill.checks - {check})
    assert not cell(DrillCells(without, quick=True), fault, size).caught


def test_ingestion_refuses_a_label_from_the_future(complete: DrillCells) -> None:
    assert cell(complete, "label_from_the_future", 1.0).caught_by == ("ingestion",)


def test_a_changed_model_file_is_not_what_was_registered(complete: DrillCells) -> None:
    assert cell(complete, "swapped_artifact", 1.0).caught_by == ("registry.content",)


@pytest.mark.parametrize("check", CAUGHT_IN_TRAINING)
def test_without_a_check_of_training_its_fault_goes_undetected_and_costs(
    guarded: DrillContext, trained: DrillCells, check: str
) -> None:
    fault, size, finding = CAUGHT_IN_TRAINING[check]
    assert cell(trained, fault, size).caught_by == (finding,)
    without = dataclasses.replace(guarded, checks=guarded.checks - {check})
    missed = cell(DrillCells(without, quick=False), fault, size)
    assert not missed.caught
    assert missed.cost is not None
    assert missed.cost.low is not None
    assert missed.cost.low > 0


def test_parity_finds_features_that_are_served_with_another_value(trained: DrillCells) -> None:
    caught = cell(trained, "skewed_feature", 0.01)
    assert caught.caught_by == ("availability.parity.sold",)
    assert "likely cause: unit: every served value is 10 times" in caught.reason
