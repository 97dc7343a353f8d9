"""A pharmacy whose challenger helps one medicine and harms another, and promotes for segments."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipelines.flows.release.report import ReleaseReport
from pipelines.release.policies import Lane
from pipelines.release.promotion import promote
from pipelines.release.registry import Registration
from pipelines.release.rollout.stages import shadow_transition
from pipelines.simulation.scale import Scale
from pipelines.spec.rollout import Rollout
from tests.support import pharmacy as pharmacies
from tests.support import rollout_factory
from tests.support.pharmacy import FIRST, RICH, SECOND, START, Pharmacy, write_days
from tests.support.promotion_home import inputs, passing
from tests.support.rollout_factory import (
    BUDGET,
    CANARY,
    DAY,
    HOUR,
    ROLLOUT,
    SHADOW,
    VERDICT,
    Traffic,
    at,
    in_mlflow,
    sales_factor,
    salt_of,
    step,
    write_sales,
)

HARMED, GAINING, EQUAL = "amoxicillin", "cetirizine", "metformin"
LEAVES = CANARY + 9 * DAY  # harm is looked for then; the days before it are known
LARGER = Scale(name="larger", pharmacies=90, medicines=4, prescriptions_per_day=1800)
HARM, GAIN = 0.2, 2.0  # factors of the sales of the medicines that lose and gain


def promoting_rollout(**canary: Any) -> dict[str, Any]:
    """The rollout with a segment for each of three medicines."""
    rollout = copy.deepcopy(ROLLOUT)
    values = [HARMED, GAINING, EQUAL]
    segments = [{"column": "medicine", "values": values, "margin": 0.3}]
    rollout["canary"] |= {"promote": "segments", "segments": segments, "guardrail_alpha": 0.01}
    rollout["canary"] |= canary
    return rollout


def segment_canary(folder: Path, **canary: Any) -> Pharmacy:
    """A canary of version 2 that runs for nine days, in MLflow; the harmed medicine is in it."""
    store = folder / "store"
    with _larger():
        pharmacy = Pharmacy(folder / "home", str(store))
        write_days(store, START, SECOND)
        pharmacy.declare()
        first = pharmacy.retrain(FIRST, parts=at(pharmacy, FIRST, **in_mlflow(pharmacy)))
        assert first.outcome == "first_version", first.against()
        pharmacy.declare(RICH, rollout=promoting_rollout(**canary), gates=BUDGET)
        second = pharmacy.retrain(SECOND, parts=at(pharmacy, SECOND, **in_mlflow(pharmacy)))
        assert second.outcome == "start_rollout", second.against()
        salt = salt_of(pharmacy)
        assert one_step(pharmacy, SECOND).action == "shadow"
        Traffic().log(pharmacy, SECOND + HOUR, CANARY)
        write_sales(store, SECOND, CANARY, "", 0, sales_factor(1.0))
        assert one_step(pharmacy, CANARY).action == "canary"
        _sell(store, CANARY, LEAVES, salt, harm=True)
        Traffic().log(pharmacy, CANARY + HOUR, LEAVES)
    return pharmacy


def go_on(pharmacy: Pharmacy, salt: str, *, harm: bool) -> None:
    """The rest of the canary, until its last sale is known.

    Arguments:
        harm: whether the harmed medicine is still in the arms.
    """
    with _larger():
        _sell(Path(pharmacy.store), LEAVES, VERDICT, salt, harm=harm)
        Traffic().log(pharmacy, LEAVES + HOUR, VERDICT)


def third_version(pharmacy: Pharmacy, lane: Lane) -> str:
    """The salt of a version that waits for live traffic: the content of version 2, admitted again.

    It is not trained and its offline findings are made up, because tests of live traffic need
    neither.
    """
    parts = at(pharmacy, VERDICT, **in_mlflow(pharmacy))
    second = parts.registry.get("demand", "2")
    facts = {name: getattr(second, name) for name in Registration.model_fields}
    folder = parts.versions.load("demand", "2").folder
    third = parts.registry.register(Registration(**facts | {"run": "run-3"}), folder)
    about: dict[str, Any] = {"rollout": "pending", "lane": lane, "content": third.content}
    given = inputs("run-3", third.version, "1", **about)
    for_refresh = ("recent_window.maturity", "refresh.looks_better")
    admission = promote(
        given.model_copy(
            update={
                "as_of": VERDICT,
                "recipe": third.recipe,
                "findings": (*given.findings, *passing(*for_refresh)),
            }
        ),
        parts.ledger,
        parts.registry,
        parts.clock,
    )
    assert admission.outcome == "start_rollout", admission.reasons
    return shadow_transition(admission, Rollout.model_validate(promoting_rollout())).salt


def second_canary(pharmacy: Pharmacy, salt: str) -> ReleaseReport:
    """The step that ends the canary of the third version, which helps every medicine."""
    store, begins = Path(pharmacy.store), VERDICT + SHADOW
    ends = begins + (VERDICT - CANARY)
    with _larger():
        assert one_step(pharmacy, VERDICT).action == "shadow"
        Traffic().log(pharmacy, VERDICT + HOUR, begins)
        write_sales(store, VERDICT, begins, "", 0, sales_factor(1.0))
        assert one_step(pharmacy, begins).action == "canary"
        write_sales(store, begins, ends, salt, 0.5, sales_factor(GAIN))
        Traffic().log(pharmacy, begins + HOUR, ends)
        return one_step(pharmacy, ends)


def one_step(pharmacy: Pharmacy, instant: datetime) -> ReleaseReport:
    """One step of the release, with the versions in MLflow's database."""
    return step(pharmacy, instant, **in_mlflow(pharmacy))


def _sell(store: Path, start: datetime, end: datetime, salt: str, *, harm: bool) -> None:
    effects = {GAINING: sales_factor(GAIN), HARMED: sales_factor(HARM if harm else 1.0)}
    write_sales(store, start, end, salt, 0.5, sales_factor(1.0), effects, by="medicine")


@contextmanager
def _larger() -> Iterator[None]:
    """The world with enough pharmacies for a segment."""
    with patch.object(pharmacies, "SCALE", LARGER), patch.object(rollout_factory, "SCALE", LARGER):
        yield
