"""Features: attributes of the decision point, calendar parts, aggregates of past events, and
expressions of these."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipelines.core.names import Column, Name
from pipelines.core.time import duration_text
from pipelines.own_code.declared import OwnFunction
from pipelines.spec.expressions import Expression
from pipelines.spec.fields import Condition, Declaration, Duration, Keys, Span, Zone
from pipelines.spec.points import WindowAggregate


class _Feature(Declaration):
    name: Name
    input: bool = Field(
        default=True,
        description="false: not an input of the estimator, for expressions and slices only",
    )


class AttributeFeature(_Feature):
    """A column of the decision point's own row, or one of its keys."""

    kind: Literal["attribute"]
    column: Column | None = Field(default=None, description="default: the feature's name")
    categorical: bool | None = Field(default=None, description="default: by the column's type")

    @property
    def source(self) -> str:
        """The column that is read."""
        return self.column or self.name

    @property
    def in_words(self) -> str:
        """Its definition in words."""
        return f"{self.source} of the request"


class CalendarFeature(_Feature):
    """A calendar part of the decision time, in the local time of a named zone."""

    kind: Literal["calendar"]
    part: Literal["hour", "weekday", "day", "month", "day_of_year"]
    zone: Zone = "UTC"

    @property
    def in_words(self) -> str:
        """Its definition in words."""
        return f"the {self.part} of the decision time in {self.zone!r}"


class WindowFeature(_Feature):
    """An aggregate by keys over the events of ``[end - window, end)`` known at the point.

    Without keys it is over the events of all entities, and the same for all points of an instant.

    ``end`` is the point, or ``lag`` before it. ``time_since`` is in days from the last event to
    ``end``. ``std`` is the sample standard deviation, missing for fewer than two values.
    ``quantile`` and ``median`` interpolate linearly. Without events, ``count`` and ``distinct`` are
    0 and every other aggregate is missing.
    """

    kind: Literal["window"]
    stream: Name
    by: Keys = Field(description="keys or attributes of the point; [] for all events of the stream")
    aggregate: WindowAggregate
    column: Column | None = None
    quantile: float | None = Field(default=None, gt=0, lt=1, description="quantile only")
    window: Span
    lag: Duration = Field(
        default=timedelta(0), description="the window ends so long before the point"
    )
    where: tuple[Condition, ...] = ()

    @property
    def keeps_type(self) -> bool:
        """Whether its values have the type of its column."""
        return self.aggregate in ("min", "max", "last")

    @property
    def view(self) -> str:
        """The name of its feature view: one for each stream and entity."""
        entity = f"by_{'_'.join(self.by)}" if self.by else "overall"
        return f"{self.stream}_{entity}".lower()

    @property
    def in_words(self) -> str:
        """Its definition in words; stream and keys are those of its view."""
        where = " and ".join(condition.in_words for condition in self.where)
        kind = f"{self.quantile:g} quantile" if self.quantile else self.aggregate
        of = f"{kind} of {self.column or 'events'} over {duration_text(self.window)}"
        of += f" until {duration_text(self.lag)} before" if self.lag else ""
        return f"{of} where {where}" if where else of

    @model_validator(mode="after")
    def _column(self) -> WindowFeature:
        if (self.column is None) != (self.aggregate in ("count", "time_since")):
            raise ValueError("count and time_since take no column, every other aggregate needs one")
        if (self.quantile is None) == (self.aggregate == "quantile"):
            raise ValueError("the aggregate quantile needs a quantile, no other takes one")
        return self


class ExpressionFeature(OwnFunction, _Feature):
    """An expression of other features and of columns of the decision point.

    It is arithmetic, and missing where an operand is missing or a divisor is zero, or what an own
    function makes of a table with its operands. Operands are features that are not expressions
    themselves, or columns of the point; a feature takes precedence over a column.
    """

    kind: Literal["expression"]
    expression: str | None = Field(
        default=None,
        examples=["price / price_8w"],
        description="names and numbers, + - * / and parentheses",
    )
    columns: dict[Column, Column] = Field(
        default={},
        description="function only: features or columns of the point, by the name of the column "
        "that the function gets",
    )

    @field_validator("expression")
    @classmethod
    def _parsed(cls, text: str | None) -> str | None:
        if text is not None:
            Expression(text)
        return text

    @model_validator(mode="after")
    def _one_definition(self) -> ExpressionFeature:
        if (self.expression is None) == (self.function is None):
            raise ValueError("an expression, or a function in models/code/")
        if (self.function is None) == bool(self.columns):
            raise ValueError("a function needs columns, an expression takes none")
        return self

    @cached_property
    def parsed(self) -> Expression:
        """The parsed expression, of a feature without a function.

        Raises:
            ValueError: it has a function.
        """
        return Expression(self.expression or "")

    @property
    def operands(self) -> tuple[str, ...]:
        """The features and columns that it is computed from."""
        if self.function is not None:
            return tuple(dict.fromkeys(self.columns.values()))
        return self.parsed.operands

    def renamed(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Its definition with other names of operands, in one form whatever the spacing."""
        if self.function is None:
            return {"expression": self.parsed.renamed(names)}
        columns = {column: names.get(name, name) for column, name in self.columns.items()}
        return {"function": self.function, "files": self.files, "columns": columns}

    @property
    def in_words(self) -> str:
        """Its definition in words."""
        if self.function is None:
            return self.expression or ""
        return f"{self.function} of " + ", ".join(
            name if name == column else f"{name} as {column}"
            for column, name in self.columns.items()
        )


Feature = Annotated[
    AttributeFeature | CalendarFeature | WindowFeature | ExpressionFeature,
    Field(discriminator="kind"),
]
