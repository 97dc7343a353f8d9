"""Quantities that do not exist for the data at hand, each refusal with its own name."""

from __future__ import annotations

from pipelines.core.errors import DataError


class Undefined(DataError):  # noqa: N818 - named as the family in core is
    """A quantity has no value for these rows; the caller decides what that means."""

    code = "undefined"


class TooFewRows(Undefined):
    """There are fewer rows than the formula needs."""

    code = "too_few_rows"


class TooFewDays(Undefined):
    """There are fewer days than the long-run variance needs."""

    code = "too_few_days"


class TooFewEntities(Undefined):
    """There are fewer entities than a variance between entities needs."""

    code = "too_few_entities"


class OneClass(Undefined):
    """All labels are equal, so that nothing can be ranked."""

    code = "one_class"


class ZeroDenominator(Undefined):
    """An error is to be divided by nothing, by a negative number, or by a missing one."""

    code = "zero_denominator"


class NoVariation(Undefined):
    """The two arms differ by the same amount everywhere: there is no error to estimate.

    Arguments:
        difference: that amount; exactly zero when both did the same on every row.
        rows: number of rows.
    """

    code = "no_variation"

    def __init__(self, difference: float, rows: int) -> None:
        self.difference = difference
        super().__init__(
            "the two models differ by the same amount everywhere",
            got=f"{difference:.6g} on each of {rows} rows",
            wanted="differences that vary, so that their error can be told",
        )
