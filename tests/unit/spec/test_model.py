"""Classes of a label: which are declared, and what a declaration of many classes may not have."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import RICH, declaration
from tests.support.rollout_factory import ROLLOUT

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
