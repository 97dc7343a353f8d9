"""Arithmetic expressions of features and columns, evaluated on tables and on values."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

LONGEST = 500  # characters
MOST_OPERATIONS = 40  # so that no tree is too deep to be walked
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_MEANING = "names and numbers, + - * / and parentheses"


class Expression:
    """An arithmetic expression of named operands.

    Arguments:
        text: names and numbers, ``+``, ``-``, ``*``, ``/`` and parentheses, with the precedence of
            Python.

    Raises:
        ValueError: when the text is anything else, names no operand, divides by zero, or holds a
            number that is not finite.

    >>> change = Expression("price / price_8w - 1")
    >>> change.operands
    ('price', 'price_8w')
    >>> change.evaluate({"price": 3.0, "price_8w": 2.0}, divide=lambda a, b: a / b)
    0.5
    """

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ValueError(f"an expression has at most {LONGEST} characters")
        try:
            tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as cause:
            raise ValueError(f"{text!r} is not an expression: wanted {_MEANING}") from cause
        nodes = list(ast.walk(tree))
        for node in nodes:
            _check(node, text)
        if sum(isinstance(node, ast.BinOp | ast.UnaryOp) for node in nodes) > MOST_OPERATIONS:
            raise ValueError(f"an expression has at most {MOST_OPERATIONS} operations")
        self.operands = tuple(sorted({node.id for node in nodes if isinstance(node, ast.Name)}))
        if not self.operands:
            raise ValueError(f"{text!r} names no feature or column")
        try:
            self._tree = _folded(tree)
            numbers = [
                _number(node) for node in ast.walk(self._tree) if isinstance(node, ast.Constant)
            ]
        except ZeroDivisionError as cause:
            raise ValueError(f"{text!r} is an expression that divides by zero") from cause
        except OverflowError:
            numbers = [math.inf]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"{text!r} is an expression with a number that is too large")

    def evaluate(
        self,
        values: Mapping[str, Any],
        divide: Callable[[Any, Any], Any],
        number: Callable[[float], Any] = float,
    ) -> Any:
        """The expression's value.

        Arguments:
            values: each operand as a double, or as an object with arithmetic on doubles.
            divide: the division; it decides what a zero divisor gives.
            number: makes a number of the text an object of the same kind as the operands.
        """
        return _value(self._tree, values, divide, number)

    def renamed(self, names: Mapping[str, str]) -> str:
        """The text with other names of operands, in one form whatever the spacing."""
        tree = ast.parse(ast.unparse(self._tree), mode="eval").body
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                node.id = names.get(node.id, node.id)
        return ast.unparse(tree)


def _check(node: ast.AST, text: str) -> None:
    if isinstance(node, ast.BinOp | ast.UnaryOp):
        allowed = isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.USub)
    elif isinstance(node, ast.Constant):
        allowed = isinstance(node.value, int | float) and not isinstance(node.value, bool)
    else:
        allowed = isinstance(node, ast.Name | ast.operator | ast.unaryop | ast.expr_context)
    if not allowed:
        raise ValueError(f"{text!r} is not an expression: wanted {_MEANING}")


def _folded(node: ast.expr) -> ast.expr:
    """The tree with every part without a name as one number.

    Engines would compute such a part with decimals of few digits.
    """
    if isinstance(node, ast.UnaryOp):
        operand = _folded(node.operand)
        if isinstance(operand, ast.Constant):
            return ast.Constant(0.0 - _number(operand))
        return ast.UnaryOp(node.op, operand)
    if isinstance(node, ast.BinOp):
        left, right = _folded(node.left), _folded(node.right)
        if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
            return ast.Constant(_OPERATORS[type(node.op)](_number(left), _number(right)))
        if isinstance(node.op, ast.Div) and isinstance(right, ast.Constant) and not right.value:
            raise ZeroDivisionError
        return ast.BinOp(left, node.op, right)
    return node


def _number(node: ast.Constant) -> float:
    return float(node.value)  # type: ignore[arg-type]  # checked before: a number


def _value(
    node: ast.expr,
    values: Mapping[str, Any],
    divide: Callable[[Any, Any], Any],
    number: Callable[[float], Any],
) -> Any:
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        return number(_number(node))
    if isinstance(node, ast.UnaryOp):
        return 0.0 - _value(node.operand, values, divide, number)
    if isinstance(node, ast.BinOp):
        left, right = (_value(side, values, divide, number) for side in (node.left, node.right))
        if isinstance(node.op, ast.Div):
            return divide(left, right)
        return _OPERATORS[type(node.op)](left, right)
    raise TypeError(f"unexpected {type(node).__name__}")
