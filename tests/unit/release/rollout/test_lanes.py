"""What a refresh needs on live traffic."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.gates.canary.pooled_refreshes import measured_gain, outcome_key
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.gates.canary.verdict import judge_canary
from pipelines.release.policy import Outcome
from pipelines.release.rollout.actions import Promotion
from pipelines.release.rollout.evidence import CanaryCheck
from pipelines.release.rollout.lanes import pooled_refreshes, record_watches, rollout_of
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.spec.rollout import Rollout
from pipelines.spec.training import BudgetGate
from tests.support.canary_factory import SimulatedCanary, evidence
from tests.support.canary_factory import rollout as canary_rollout
from tests.support.release.rollout_book import NOW, Book
from tests.support.training_frame import declared_regression

ACTS = Rollout.model_validate(
    {"canary": {"outcome": {"name": "shortfall", "minimum_effect": 0.05}, "looks": [2, 3, 4]}}
)
WATCHED = ACTS.model_copy(
    update={"shadow": ACTS.shadow.model_copy(update={"predictions_affect_outcomes": False})}
)
SPEC = declared_regression()
DECLARED = canary_rollout()


@pytest.mark.parametrize("declared", [ACTS, WATCHED])
def test_a_changed_recipe_goes_through_the_declared_rollout(declared):
    assert rollout_of(declared, "change") == declared
    assert not record_watches(declared, "change")


def test_a_refresh_that_the_record_watches_has_a_day_of_shadow_and_no_holdback():
    found = rollout_of(WATCHED, "refresh")
    assert record_watches(WATCHED, "refresh")
    assert found.shadow.duration == timedelta(days=1)
    assert found.canary.holdback == 0
    assert found.canary.stages == WATCHED.canary.stages


def test_a_shorter_shadow_stays_as_declared():
    hour = timedelta(hours=1)
    short = WATCHED.model_copy(
        update={"shadow": WATCHED.shadow.model_copy(update={"duration": hour})}
    )
    assert rollout_of(short, "refresh").shadow.duration == hour


def test_a_refresh_whose_predictions_act_keeps_its_first_and_last_look():
    found = rollout_of(ACTS, "refresh")
    assert not record_watches(ACTS, "refresh")
    assert found.canary.looks == (2, 4)
    assert found.shadow == ACTS.shadow
    assert found.canary.holdback == ACTS.canary.holdback
    Rollout.model_validate(found.model_dump())


def test_what_a_refresh_gained_is_kept_for_the_canaries_of_later_ones(book: Book) -> None:
    """The ledger alone says whether they are pooled, and whether the next one is short."""
    live = evidence(SimulatedCanary(effect=0.3, per_day=200), 14.0)
    verdict = judge_canary(live, DECLARED, 0.05, margin=0.1)
    gain = measured_gain(live, verdict.step, DECLARED, 2, 0.1)
    assert gain is not None
    for version in range(2, 10):
        before = pooled_refreshes(book.entries, SPEC, DECLARED, "refresh")
        assert before is not None
        assert (len(before.gains), before.proved) == (version - 2, version == 9)
        book.judged(str(version), Outcome.START_ROLLOUT, "refresh")
        book.moved(Stage.SHADOW, str(version))
        book.moved(Stage.CANARY, str(version))
        check = CanaryCheck(DECLARED, live, verdict, (), BudgetGate(), before, gain)
        action = book.next(check, as_of=NOW + timedelta(days=14))
        assert isinstance(action.effect, Promotion)
        inputs = action.effect.inputs
        assert inputs.findings[-1].name == "canary.refreshes_pay"
        assert inputs.findings[-1].rows == version - 1, "with this canary"
        book.add(
            "promotion",
            inputs.facts.run,
            after=str(version),
            transition=inputs.transition,
            recipe=SPEC.recipe,
        )
    assert pooled_refreshes(book.entries, SPEC, DECLARED, "change") is None


def gained(version: str, outcome: str = outcome_key(DECLARED)) -> Transition:
    """The end of a refresh's canary that won its whole bet."""
    gain = RefreshGain(outcome=outcome, weeks=2, gain=1.0, margin=0.1)
    return Transition(challenger=version, stage=Stage.PROMOTED, salt="spring", gain=gain)


def results(book: Book, rollout: Rollout = DECLARED) -> list[float]:
    """The results of the bets so far, oldest first."""
    found = pooled_refreshes(book.entries, SPEC, rollout, "refresh")
    assert found is not None
    return [one.result for one in found.gains]


@pytest.mark.parametrize(
    ("restored", "lost"),
    [
        (["2"], ["3"]),
        (["1"], ["2", "3"]),
        (["2", "1"], ["2", "3"]),
        (["1", "2"], ["2", "3"]),
        (["2", "3"], ["3"]),
    ],
)
def test_a_rollback_loses_the_refreshes_since_the_restored_champion(
    book: Book, restored: list[str], lost: list[str]
) -> None:
    """A rollback to a later champion, which repairs one made by mistake, loses none."""
    for version in ("2", "3"):
        book.add(
            "promotion", version, after=version, transition=gained(version), recipe=SPEC.recipe
        )
    for count, version in enumerate(restored):
        book.add("stop" if count else "rollback", f"back-{count}", after=version)
    assert results(book) == [-1.0 if version in lost else 1.0 for version in ("2", "3")]


def test_a_rollback_that_repairs_another_loses_no_refresh(book: Book) -> None:
    book.add("promotion", "changed", after="2")
    book.add("promotion", "3", after="3", transition=gained("3"), recipe=SPEC.recipe)
    book.add("promotion", "4", after="4")
    book.add("rollback", "back", after="3")
    book.add("rollback", "repaired", after="4")
    assert results(book) == [1.0]


def test_gains_of_another_recipe_or_outcome_are_not_pooled(book: Book) -> None:
    book.add("promotion", "2", after="2", transition=gained("2"), recipe="another")
    book.add("promotion", "3", after="3", transition=gained("3", "another"), recipe=SPEC.recipe)
    assert results(book) == []
    book.add("promotion", "4", after="4", transition=gained("4"), recipe=SPEC.recipe)
    assert results(book) == [1.0]
    assert results(book, canary_rollout(effect=1.0)) == [1.0], "the minimum effect may change"
