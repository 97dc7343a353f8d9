"""Errors for quantities that are undefined for the given data, one class for each cause."""

from __future__ import annotations

from pipelines.core.errors import DataError


class Undefined(DataError):  # noqa: N818 - named as the family in core is
    """A quantity is undefined for these rows; the caller decides the consequence."""

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
    """A denominator is zero, negative or missing."""

    code = "zero_denominator"


class NoVariation(Undefined):
    """The difference of the two arms is the same everywhere, so its error cannot be estimated.

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
            wanted="differences that vary, so that their error can be estimated",
        )
