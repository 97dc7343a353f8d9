"""The sum, mean and standard deviation of numbers, whatever the order in which they are added.

Engines add doubles in the order in which their threads come to them, and each order rounds in its
own way. So one query finds the range of the values. The next one takes each value as a whole number
of steps. A step is a power of two and about 2**-59 of the largest value. Sums of whole numbers are
exact, on every engine. Values below 2**-1000 in size count as zero.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from pipelines.quality.sql.plan import Values

_BITS = 59  # of the largest value in steps: it has 18 digits
_FINEST = -1000  # exponent of the smallest step: its inverse has to be a double
_WHOLE = "decimal(18, 0)"  # engines add these as longer ones
_FOUR = 4.0  # the largest square of a distance in units


def range_of(column: Any) -> dict[str, Any]:
    """The aggregates to compute first, by name."""
    number = column.cast("float64")
    return {"least": number.min(), "most": number.max(), "count": number.count()}


def further(column: Any, what: str, values: Values) -> dict[str, Any]:
    """The aggregates to compute next, by name; none when ``result`` can be called.

    Arguments:
        column: of numbers, with null where a value is missing.
        what: ``sum``, ``mean`` or ``std``, which is that of a sample.
        values: of ``range_of``, and of all earlier aggregates.
    """
    if not values["count"] or not math.isfinite(_size(values)):
        return {}
    number = column.cast("float64")
    if "total" not in values:
        return {"total": _steps(number, _size(values))}
    if what != "std" or not math.isfinite(_reach(values)):
        return {}
    part = (number - _double(_mean(values))) * _double(1 / _unit(values))
    return {"squares": _steps(part * part, _FOUR)}


def result(what: str, values: Values) -> float | None:
    """The sum, mean or standard deviation; ``None`` where it is undefined.

    Arguments: as for ``further``.
    """
    rows = values["count"]
    if rows < (2 if what == "std" else 1):
        return 0 if what == "sum" else None
    if not math.isfinite(_size(values)):
        ends = {values["least"], values["most"]}
        return None if what == "std" or ends == {math.inf, -math.inf} else sum(ends)
    if what == "std":
        if not math.isfinite(_reach(values)):
            return math.inf
        unit = _unit(values)
        missed = (_total(values) / rows - Fraction(_mean(values))) / Fraction(unit)
        squares = _sum(values["squares"], _FOUR) - rows * missed**2
        return math.sqrt(max(squares, 0) / (rows - 1)) * unit
    return _nearest(_total(values)) if what == "sum" else _mean(values)


def _steps(number: Any, largest: float) -> Any:
    """The sum of numbers as whole numbers of steps, each rounded down.

    Arguments:
        number: the numbers.
        largest: of them, in size.
    """
    inverse = _double(math.ldexp(1.0, -_exponent(largest)))
    return (number * inverse).floor().cast("int64").cast(_WHOLE).sum()


def _sum(steps: Any, largest: float) -> Fraction:
    """The sum of ``_steps`` as a number."""
    return int(steps) * Fraction(2) ** _exponent(largest)


def _exponent(largest: float) -> int:
    return max(math.frexp(largest)[1] - _BITS, _FINEST)


def _size(values: Values) -> float:
    """The largest value, in size."""
    return float(max(abs(values["least"]), abs(values["most"])))


def _total(values: Values) -> Fraction:
    return _sum(values["total"], _size(values))


def _mean(values: Values) -> float:
    return _nearest(_total(values) / values["count"])


def _reach(values: Values) -> float:
    """The largest distance of a value from the mean."""
    mean = _mean(values)
    return float(max(values["most"] - mean, mean - values["least"]))


def _unit(values: Values) -> float:
    """A power of two, of which no distance from the mean is more than two."""
    return math.ldexp(1.0, max(math.frexp(_reach(values))[1] - 1, _FINEST))


def _nearest(number: Fraction) -> float:
    """The nearest double, which may be infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _double(value: float) -> Any:
    import ibis

    return ibis.literal(value, "float64")
