"""Classes of a label, and declarations that are refused because they could not be retrained."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import RICH, declaration
from tests.support.rollout_factory import ROLLOUT
from tests.support.sales_home import declaration as sales_declaration

KINDS = ["community", "hospital", "online"]


def kind_of_sale(*classes: Any) -> dict[str, Any]:
    """The kind of the next sale: a text."""
    label = {
        "kind": "later_event",
        "stream": "dispensing",
        "by": ["pharmacy", "medicine"],
        "column": "kind",
        "horizon": "7d",
        "delay": "4d",
    }
    return {**label, "classes": list(classes)} if classes else label


def classified(*classes: Any, metric: str = "log_loss", **changes: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        declaration(
            RICH,
            label=kind_of_sale(*classes),
            metric={"name": metric, "minimum_effect": 0.01},
            **changes,
        )
    )


def test_classes_are_named_in_the_order_of_their_probabilities() -> None:
    assert classified(*KINDS).classes == tuple(KINDS)
    assert classified("other", "online").classes == ("other", "online")
    assert ModelSpec.model_validate(declaration(RICH)).classes == ()
    counted = declaration(RICH, metric={"name": "brier", "minimum_effect": 0.01})
    assert ModelSpec.model_validate(counted).classes == ("0", "1")


def test_one_text_for_a_class_whatever_its_type() -> None:
    assert classified(0, 1.0).classes == classified(False, True).classes == ("0", "1")


def test_classes_are_part_of_the_recipe() -> None:
    assert classified("a", "b").recipe != classified("b", "a").recipe


def test_another_recipe_leaves_gates_seeds_and_exclusions_as_declared() -> None:
    broken = {"start": "2025-03-01", "end": "2025-03-05", "reason": "a feed stopped"}
    own = declaration(RICH, seeds=[1, 2])
    own["split"] = {**own["split"], "exclude": [broken]}
    declared = ModelSpec.model_validate(own)
    other = ModelSpec.model_validate(declaration(seeds=[7]))
    adopted = declared.with_recipe_of(other)
    assert adopted.recipe == other.recipe != declared.recipe
    assert (adopted.seeds, adopted.split.exclude) == (declared.seeds, declared.split.exclude)
    assert declared.with_recipe_of(declared) == declared


WRONG: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "a text without classes": ((), {}, "name its classes"),
    "one class": (("online",), {}, "at least 2"),
    "one class twice": (("online", "online"), {}, "have to differ"),
    "one class in two types": ((1, True), {}, "have to differ"),
    "a metric of two classes": (tuple(KINDS), {"metric": "brier"}, "one model for each class"),
    "a guardrail of two classes": (
        tuple(KINDS),
        {"guardrails": [{"name": "average_precision", "margin": 0.1}]},
        "one model for each class",
    ),
    "a metric of numbers": (tuple(KINDS), {"metric": "absolute_error"}, "metric of numbers"),
    "many classes in live traffic": (tuple(KINDS), {"rollout": ROLLOUT}, "cannot be served"),
    "many classes in a batch": (tuple(KINDS), {"score": "0 6 * * 1"}, "cannot be served"),
}


@pytest.mark.parametrize(("classes", "changes", "expected"), WRONG.values(), ids=WRONG)
def test_a_declaration_that_cannot_work_is_refused(
    classes: tuple[Any, ...], changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValidationError, match=expected):
        classified(*classes, **changes)


def label_of(**changes: Any) -> dict[str, Any]:
    return {"label": sales_declaration()["label"] | changes}


def sold_where(**condition: Any) -> dict[str, Any]:
    return {"points": sales_declaration()["points"] | {"where": [{"column": "units"} | condition]}}


NEXT_KIND = {
    "kind": "later_event",
    "stream": "sales",
    "by": ["shop"],
    "column": "kind",
    "horizon": "2d",
}
GUARDRAIL = {"name": "rmse", "margin": 1.0}
IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "a negative seed": ({"seeds": [1, -1]}, "greater than or equal to 0"),
    "a seed of more than 31 bits": ({"seeds": [1, 2**31]}, "less than 2147483648"),
    "a seed twice": ({"seeds": [3, 1, 3]}, "seeds: 3 stands twice"),
    "a guardrail twice": ({"guardrails": [GUARDRAIL, GUARDRAIL]}, "guardrails: rmse stands twice"),
    "a slice twice": (
        {"slices": [{"column": "shop", "margin": 1}, {"column": "shop", "margin": 2}]},
        "slices: shop stands twice",
    ),
    "bins of a text": (
        {"slices": [{"column": "shop", "margin": 1, "bins": 4}]},
        "slices: 'shop' is of type string, and bins need a number",
    ),
    "a text as a number": ({"label": NEXT_KIND}, "absolute_error needs a number"),
    "the least text": (label_of(aggregate="min", column="kind"), "min of kind is a string"),
    "a count of a column": (label_of(aggregate="count", column="units"), "count takes no column"),
    "a sum of nothing": (label_of(column=None), "label: sum needs a column"),
    "a day that no month has": ({"schedule": "0 0 30 2 *"}, "a day that no month has"),
    "a schedule with seconds": ({"score": "0 0 * * * *"}, "wanted five fields"),
    "a random schedule": ({"schedule": "R R * * *"}, "wanted five fields"),
    "a condition on no value": (sold_where(**{"in": []}), "no value meets the condition"),
    "a condition with crossed bounds": (
        sold_where(at_least=2, at_most=1),
        "no value meets the condition",
    ),
    "fewer rows than a fit takes": (
        {"split": sales_declaration()["split"] | {"max_rows": 199}},
        "split.max_rows: got 199, wanted at least 200",
    ),
    "no fresh rows": ({"gates": {"contract": {"lookback": "0d"}}}, "must be longer than 0"),
}


@pytest.mark.parametrize(("changes", "expected"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_declaration_that_could_not_be_retrained_is_refused(
    changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValidationError, match=expected):
        ModelSpec.model_validate(sales_declaration() | changes)
