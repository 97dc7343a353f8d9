"""What a search compared, and what it chose."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Record
from pipelines.spec.estimator import SearchedValue


class SearchedParameters(Record):
    """One combination of parameters, in the last round that compared it."""

    parameters: dict[str, SearchedValue]
    value: float = Field(description="metric of the validation parts; mean over the folds")
    folds: tuple[float, ...] = Field(
        default=(), description="metric of each validation part; none before these were kept"
    )
    step: int = Field(default=1, description="of so many training rows one was used")


class SearchResult(Record):
    """All combinations of a search, in the order in which they were compared."""

    metric: str
    folds: int
    candidates: tuple[SearchedParameters, ...]
    chosen: int = Field(description="place of the chosen combination")
    fits: int = Field(default=0, description="fits that the search made; 0: not kept")
    cost: float = Field(
        default=0,
        description="training rows of these fits, in times the rows of the model",
    )
