"""The sentences of a report, for each of its answers."""

from __future__ import annotations

import pytest

from pipelines.causal.assumptions import Assumption
from pipelines.causal.groups import Claim
from pipelines.causal.report import Advice
from pipelines.reporting.effects.page import effects_page
from pipelines.reporting.effects.text import group_rows, magnitude, sentences
from tests.support.effects.reports import AS_OF, BEGAN, report, searched
from tests.support.effects.simulated_arms import ArmsWorld


def test_a_better_version_without_losers_is_for_all():
    found = report(ArmsWorld(effect=0.8), lower=True)
    assert found.advice is Advice.PROMOTE_FOR_ALL
    first, *others, last = sentences(found)
    size = magnitude(found.outcome.best)
    assert first == (
        f"Version 5 lowers error by {size} for all entities of its canary, against version 4: "
        "it is better."
    )
    assert "None of 4 declared groups is shown to lose." in others
    assert last == "The effects speak for promoting it for all."


def test_a_worse_version_is_named_worse():
    found = report(ArmsWorld(effect=-0.8))
    assert found.advice is Advice.DO_NOT_PROMOTE
    assert sentences(found)[0].startswith("Version 5 lowers gain by 0.")
    assert sentences(found)[0].endswith("it is worse.")


def test_losers_come_first_and_decide_the_advice():
    found = report(ArmsWorld(effect=0.5, harmed=-1.0))
    assert found.advice is Advice.REVIEW_GROUPS
    assert [group.name for group in found.losers] == ["kind = 0"]
    second = sentences(found)[1]
    assert second.startswith("Where kind = 0, it loses 0.")
    assert group_rows(found.declared)[0][0] == "kind = 0"
    assert sentences(found)[-1] == "Before promoting it for all, decide about kind = 0."


def test_nothing_shown_is_no_advice():
    found = report(ArmsWorld())
    assert found.advice is Advice.NOT_SHOWN
    assert sentences(found)[0].startswith("Version 5 is not shown to change gain")


def test_a_violated_assumption_is_the_first_sentence():
    broken = Assumption(name="sample_ratio", holds=False, reason="900 and 1,100 entities")
    found = report(ArmsWorld(effect=0.8), assumptions=(broken,))
    assert found.advice is Advice.VOID
    assert sentences(found)[0] == "Do not trust what follows: 900 and 1,100 entities."
    assert "VIOLATED" in effects_page(found)


def test_the_control_of_each_segment_is_named_and_when_one_left():
    def segment(value: str, control: str, **left: object) -> dict[str, object]:
        return {"column": "line", "value": value, "control": control, **left}

    found = report(
        ArmsWorld(effect=0.8),
        segment_arms=(
            segment("7", "3"),
            segment("8", "3", left=BEGAN),
            segment("9", "4", left=AS_OF),
        ),
    )
    text = sentences(found)
    assert "against version 4 (version 3 where line = 7): it is better." in text[0]
    assert "Where line = 8, entities are in no arm." in text
    left = "Where line = 9, harm was shown and the arms ended at 2026-04-02T00:00:00Z: "
    extreme = "and their effect is more extreme than the true one on average."
    assert f"{left}the days before count, {extreme}" in text
    assert "canary against version 4 (version 3 where line = 7), from" in effects_page(found)


def test_a_canary_that_stopped_early_is_biased_and_a_holdback_is_not():
    early = report(ArmsWorld(effect=0.8), stopped_early=True)
    assert any("ended early" in one for one in sentences(early))
    held = report(ArmsWorld(effect=0.8), stopped_early=True, arms="holdback")
    assert not any("ended early" in one for one in sentences(held))


@pytest.mark.parametrize("world", [ArmsWorld(effect=0.5, harmed=-1.0), ArmsWorld(effect=0.8)])
def test_the_page_is_the_same_for_the_same_report(world: ArmsWorld):
    page = effects_page(report(world))
    assert page == effects_page(report(world))
    assert "kind = 0" in page


def test_a_version_that_harms_all_entities_is_advised_for_none():
    """A rule for few is better than promoting for all, but not than promoting for none."""
    world = ArmsWorld(entities=2000, effect=-0.8)
    found = report(world, found=searched(world))
    assert found.found.targeting.better_than_all
    assert found.advice is Advice.DO_NOT_PROMOTE
    text = sentences(found)
    assert text[-1] == "The effects speak against promoting it."
    [rule] = [one for one in text if "predicted to gain" in one or "for some of them" in one]
    none = (
        "A model of effects, fitted on half of the entities, predicts a gain for none of the "
        "others, so it gives no rule for some of them."
    )
    assert rule == none or rule.endswith(", but not than promoting it for none.")


def test_a_rule_that_only_leaves_out_losers_is_a_reason_to_decide():
    world = ArmsWorld(entities=4000, effect=0.3, harmed=-1.2)
    found = searched(world)
    alone = found.targeting.model_copy(update={"over_none": None})
    some = report(world, declared=(), declared_tests=(), found=found.model_copy(
        update={"targeting": alone, "heterogeneity": None}
    ))  # fmt: skip
    assert (some.losers, some.advice) == ((), Advice.REVIEW_GROUPS)
    last = "Before promoting it for all, decide about those that are predicted to lose."
    assert sentences(some)[-1] == last


@pytest.mark.parametrize(
    ("share", "predicted"),
    [(1.0, "a loss for none of the others"), (0.0, "a gain for none of the others")],
)
def test_a_rule_for_all_or_for_none_is_named(share: float, predicted: str):
    found = searched(ArmsWorld(entities=2000))
    rule = found.targeting.model_copy(update={"share": share})
    text = sentences(report(ArmsWorld(), found=found.model_copy(update={"targeting": rule})))
    assert any(f"fitted on half of the entities, predicts {predicted}" in one for one in text)


def test_a_found_group_that_loses_is_no_loser_unless_effects_are_shown_to_differ():
    world = ArmsWorld(entities=4000, effect=0.8, harmed=-1.6)
    found = searched(world)
    assert any(one.claim is Claim.LOSES for one in found.named)
    unsure = found.heterogeneity.model_copy(update={"p_value": 0.2})
    open_found = found.model_copy(update={"heterogeneity": unsure})
    text = report(world, declared=(), declared_tests=(), found=open_found)
    assert text.losers == ()
    assert not any("kind 0" in one for one in sentences(text))


def test_found_groups_are_named_only_if_effects_are_shown_to_differ():
    world = ArmsWorld(entities=4000, effect=0.3, harmed=-1.2)
    found = report(world, declared=(), declared_tests=(), found=searched(world))
    assert found.advice is Advice.PROMOTE_FOR_SOME
    text = " ".join(sentences(found))
    assert "Effects differ between entities: where 1 more is predicted" in text
    assert "Where kind = kind 0, it loses" in text
    assert "is shown to be better than promoting it for all, by 0.2" in text
    assert "Found groups" in effects_page(found)
    same = ArmsWorld(entities=2000, effect=0.8)
    nothing = report(same, found=searched(same))
    assert nothing.advice is Advice.PROMOTE_FOR_ALL
    text = " ".join(sentences(nothing))
    assert "Beyond that, effects are not shown to differ between entities" in text
