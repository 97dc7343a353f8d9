"""Arithmetic expressions: what they may hold, and how they are evaluated and renamed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.spec.combine import combined_spec, other_names
from pipelines.spec.expressions import LONGEST, MOST_OPERATIONS, Expression
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import definitions
from tests.support.pharmacy import ON_HAND, RICH, declaration, sold


def divide(left: float, right: float) -> float:
    return left / right


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a + b * 2", 8.0),
        ("(a + b) * 2", 10.0),
        ("a - b - 1", -2.0),
        ("-a / b", -2 / 3),
        ("a / b / 2", 1 / 3),
        ("1e3 * a", 2000.0),
        ("2 / 3 * a - -(1 - 3)", 2 / 3 * 2.0 - 2.0),
    ],
)
def test_the_precedence_is_the_usual_one(text: str, value: float) -> None:
    assert Expression(text).evaluate({"a": 2.0, "b": 3.0}, divide) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 + 2",
        "a +",
        "a ** b",
        "a // b",
        "a % b",
        "a if b else c",
        "a.b",
        "f(a)",
        "a[0]",
        "'a' + b",
        "True + a",
        "a, b",
        "a == b",
        "__import__('os').system('true')",
        "lambda: a",
        "a; b",
        "a\0",
        "a" * (LONGEST + 1),
        "-" * (LONGEST - 1) + "a",
        "1j * a",
        "a := 1",
        "a / 0",
        "a / (1 - 1)",
        "a * (1 / 0)",
        "a * 1e999",
        "a * (1e308 * 1e308)",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expression|names no"):
        Expression(text)


def test_the_deepest_expression_can_be_used() -> None:
    deepest = Expression("-" * MOST_OPERATIONS + "a")
    assert deepest.evaluate({"a": 1.0}, divide) == 1.0
    assert deepest.renamed({"a": "b"}).endswith("b")


def test_names_are_exchanged_and_spaces_are_not_kept() -> None:
    expression = Expression("sold/(sold+ other )")
    assert expression.operands == ("other", "sold")
    assert (
        expression.renamed({"sold": "champion_sold"}) == "champion_sold / (champion_sold + other)"
    )


def expression(name: str, text: str, **more: Any) -> dict[str, Any]:
    return {"kind": "expression", "name": name, "expression": text, **more}


def declared(*features: dict[str, Any], **changes: Any) -> ModelSpec:
    return ModelSpec.model_validate(declaration(features, **changes))


MEDICINE = {"kind": "attribute", "name": "medicine"}
LONG = {**sold(28), "name": "sold_long", "input": False}


def test_a_feature_that_is_no_input_is_in_the_frame_and_not_in_the_matrix() -> None:
    spec = declared(MEDICINE, sold(7), LONG, expression("trend", "sold / sold_long"))
    assert spec.feature_names == ("medicine", "sold", "sold_long", "trend")
    assert spec.input_names == ("medicine", "sold", "trend")
    assert spec.request_columns().keys() == {"pharmacy", "medicine"}


def test_being_an_input_does_not_change_a_features_value() -> None:
    plain = {**LONG, "input": True}
    assert definitions(declared(MEDICINE, LONG)) == definitions(declared(MEDICINE, plain))
    assert declared(MEDICINE, LONG).recipe != declared(MEDICINE, plain).recipe


def test_the_definition_is_that_of_the_operands_and_not_of_their_names() -> None:
    one = declared(sold(7), LONG, expression("trend", "sold / sold_long"))
    renamed = declared(
        {**sold(7), "name": "week"}, {**LONG, "name": "month"}, expression("x", "week/month")
    )
    other = declared(sold(14), LONG, expression("trend", "sold / sold_long"))
    assert definitions(one)["trend"] == definitions(renamed)["x"] != definitions(other)["trend"]


def test_a_champions_expression_keeps_its_meaning_next_to_the_candidates() -> None:
    champion = declared(sold(7), LONG, expression("trend", "sold / sold_long"))
    candidate = declared(sold(14), LONG, expression("trend", "sold / sold_long"))
    both = combined_spec(candidate, champion)
    names = other_names(candidate, champion)
    assert names == {"sold": "champion_sold", "trend": "champion_trend"}
    found = definitions(both)
    assert found["champion_trend"] == definitions(champion)["trend"]
    assert found["trend"] == definitions(candidate)["trend"]


WRONG: dict[str, tuple[tuple[dict[str, Any], ...], str]] = {
    "a text": ((MEDICINE, expression("x", "medicine * 2")), "'medicine' is a string"),
    "an expression": (
        (sold(7), expression("x", "sold * 2"), expression("y", "x + 1")),
        "is an expression itself",
    ),
    "nothing of this name": ((sold(7), expression("x", "sold / stock")), "has no ['stock']"),
    "no arithmetic": ((sold(7), expression("x", "sold ** 2")), "is not an expression"),
    "no input at all": (({**sold(7), "input": False},), "no feature is an input"),
}


@pytest.mark.parametrize(("features", "expected"), WRONG.values(), ids=WRONG)
def test_an_operand_that_is_no_number_is_refused(
    features: tuple[dict[str, Any], ...], expected: str
) -> None:
    with pytest.raises(ValidationError) as error:
        declared(*features)
    assert expected in str(error.value)


def test_the_label_of_the_points_own_row_is_no_operand() -> None:
    whole = declaration(RICH)
    whole["points"] = {"kind": "event", "stream": "dispensing", "keys": ["pharmacy", "medicine"]}
    whole["streams"]["dispensing"]["columns"]["settled_at"] = "timestamp"
    whole["label"] = {
        "kind": "own_row",
        "column": "quantity",
        "known_at": "settled_at",
        "horizon": "7d",
    }
    whole["features"] = [ON_HAND, expression("leak", "on_hand / quantity")]
    with pytest.raises(ValidationError, match="are the label itself"):
        ModelSpec.model_validate(whole)
    whole["features"] = [ON_HAND, expression("fine", "on_hand / price")]
    assert "price" in ModelSpec.model_validate(whole).request_columns()
