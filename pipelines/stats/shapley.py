"""Shapley decomposition of a difference between two situations into several factors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations

from pipelines.core.errors import DataError
from pipelines.core.records import Record


class Decomposition(Record):
    """``total`` is exactly the sum of ``terms``.

    ``interactions`` are the joint effects of two factors beyond their separate effects. When one
    is large, a term depends on the order of exchanging the factors, which the average hides.
    """

    total: float
    terms: dict[str, float]
    interactions: dict[str, float]


def symmetric_decomposition(
    factors: tuple[str, ...], values: Mapping[frozenset[str], float]
) -> Decomposition:
    """Each factor's share of the change, averaged over all orders of exchanging the factors.

    With two factors it is the symmetric two-fold decomposition of Kitagawa (1955), JASA 50,
    equation 4, and of Oaxaca (1973) and Blinder (1973) with weights of one half (Reimers 1983);
    with more it is the Shapley value as in Zhang, Singh, Ghassemi, Joshi (2023), ICML, section 4.
    Interactions are Shapley's as in Grabisch, Roubens (1999), IJGT 28, equation 4: for two
    factors ``v(ab) - v(a) - v(b) + v()``.

    Arguments:
        factors: names of the factors.
        values: the quantity for every set of factors that are new while the others are old.

    Raises:
        DataError: when a combination is missing.

    >>> v = {(): 1.0, ("model",): 4.0, ("rows",): 2.0, ("model", "rows"): 6.0}
    >>> found = symmetric_decomposition(("model", "rows"), {frozenset(k): x for k, x in v.items()})
    >>> found.total, found.terms, found.interactions
    (5.0, {'model': 3.5, 'rows': 1.5}, {'model and rows': 1.0})
    """
    missing = [sorted(some) for some in _subsets(factors) if some not in values]
    if missing:
        raise DataError(
            "a difference cannot be split among its factors",
            got=f"no value for {missing}",
            wanted="a value for every combination of old and new",
        )
    n = len(factors)
    terms = {}
    for factor in factors:
        rest = tuple(other for other in factors if other != factor)
        terms[factor] = sum(
            _orders(len(some), n) * (values[some | {factor}] - values[some])
            for some in _subsets(rest)
        )
    interactions = {}
    for first, second in combinations(factors, 2):
        rest = tuple(other for other in factors if other not in (first, second))
        interactions[f"{first} and {second}"] = sum(
            _orders(len(some), n - 1)
            * (
                values[some | {first, second}]
                - values[some | {first}]
                - values[some | {second}]
                + values[some]
            )
            for some in _subsets(rest)
        )
    total = values[frozenset(factors)] - values[frozenset()]
    return Decomposition(total=total, terms=terms, interactions=interactions)


def _subsets(factors: tuple[str, ...]) -> Iterator[frozenset[str]]:
    for size in range(len(factors) + 1):
        for some in combinations(factors, size):
            yield frozenset(some)


def _orders(before: int, n: int) -> float:
    """Share of the orders of ``n`` items in which exactly ``before`` given items precede one."""
    return math.factorial(before) * math.factorial(n - before - 1) / math.factorial(n)
