"""Serving: how fresh features are in production, and therefore in training."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from pipelines.core.names import Column, ViewName
from pipelines.spec.fields import Declaration, Duration, Span


class Cadence(Declaration):
    """When the online store is filled, and how long its values are served.

    The store is filled as of ``offset + k * every``, counted from midnight UTC (from Monday
    midnight when ``every`` exceeds a day), and its values can be read ``delay`` later. A decision
    at ``t`` therefore sees them as of the last such instant that is not after ``t - delay``.
    """

    every: Span = Field(description="from one materialization to the next")
    offset: Duration = Field(default=timedelta(0), description="of the first one after midnight")
    delay: Duration = Field(
        default=timedelta(0), description="from its instant until its values can be read"
    )
    ttl: Duration | None = Field(
        default=None,
        description="older values are served as missing; default: 2 * every + delay",
    )

    @property
    def lifetime(self) -> timedelta:
        """The maximum age at which a materialization is served."""
        return 2 * self.every + self.delay if self.ttl is None else self.ttl

    @model_validator(mode="after")
    def _lengths(self) -> Cadence:
        if self.lifetime < self.every + self.delay:
            raise ValueError("ttl must be at least every + delay, else values expire too early")
        return self


class Serving(Cadence):
    """The cadence of a model's feature views; views listed by name have their own."""

    views: dict[ViewName, Cadence] = {}

    def of(self, view: str) -> Cadence:
        """The cadence of a feature view."""
        return self.views.get(view, self)


# Of a model without ``serving``: its values are computed as of each lookup, so none gets old.
AT_LOOKUP = Serving(every=timedelta(days=1))


class BoardPage(Declaration):
    """A page with the newest scores, what became of earlier ones, and what to order."""

    stock: Column | None = Field(
        default=None,
        description="feature with the units that an entity has in stock; null: no orders",
    )
    new_for: Span = Field(
        default=timedelta(days=28),
        description="time after its first event in which an entity is shown as new",
    )
    weeks: int = Field(default=8, ge=1, le=52, description="weeks of earlier scores")
