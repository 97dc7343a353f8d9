"""What a search compared, and what it chose."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Record
from pipelines.spec.estimator import SearchedValue


class SearchedParameters(Record):
    """One combination of parameters."""

    parameters: dict[str, SearchedValue]
    value: float = Field(description="metric of the validation parts; mean over the folds")


class SearchResult(Record):
    """All combinations of a search, in the order in which they were compared."""

    metric: str
    folds: int
    candidates: tuple[SearchedParameters, ...]
    chosen: int = Field(description="place of the chosen combination")
