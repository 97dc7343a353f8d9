"""The board of a model: its newest scores, what became of earlier ones, and what to order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from pydantic import Field

from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record
from pipelines.core.time import utc
from pipelines.predictions.entity import entity_json
from pipelines.spec.fields import Scalar


class BoardEntity(Record):
    """An entity with its newest prediction. Values are in the unit of the label."""

    keys: dict[str, Scalar]
    prediction: float
    stock: float | None = Field(default=None, description="None: not declared, or not known")
    order: float | None = Field(
        default=None, description="what the prediction exceeds the stock by; None: not declared"
    )
    first_event: Instant
    is_new: bool
    scored: int = Field(description="earlier scores whose labels have matured")
    predicted: float | None = Field(default=None, description="their mean prediction")
    actual: float | None = Field(default=None, description="their mean label")


class BoardDay(Record):
    """Sums over the entities that were scored at an instant and whose labels have matured."""

    decided_at: Instant
    entities: int
    predicted: float
    actual: float


class Shortages(Record):
    """Earlier scores of entities whose label exceeded their stock: without an order, a shortage."""

    scores: int = Field(description="with a matured label and a known stock")
    without_order: int = Field(description="of these, whose stock would not have lasted")
    covered: int = Field(description="of these, where the prediction was enough")


class Board(Record):
    """What a board shows."""

    model: str
    description: str
    at: Instant = Field(description="instant of the newest scores")
    valid_until: Instant
    versions: dict[str, int] = Field(description="entities by the version that answered")
    other_label: tuple[str, ...] = Field(
        default=(), description="those of them that do not predict the declared label"
    )
    entities: tuple[BoardEntity, ...] = Field(description="in the order of their keys")
    days: tuple[BoardDay, ...] = Field(description="earlier scores, oldest first")
    shortages: Shortages | None = Field(default=None, description="None: no stock is declared")


BOARD_FORMAT = StoredFormat("a board", Board)


def board_entities(
    newest: pd.DataFrame,
    past: pd.DataFrame,
    keys: Sequence[str],
    stock: str | None,
    new_since: datetime,
) -> tuple[BoardEntity, ...]:
    """The entities of the newest scores.

    Arguments:
        newest: one row for each entity: keys, ``prediction``, ``first_event`` in UTC without a
            zone, and the column ``stock``, where a missing value is not known. A stock that is not
            known is taken for none, so that an entity without a record gets an order.
        past: earlier scores: keys, ``prediction`` and ``label``.
        keys: columns that identify an entity.
        stock: column with the units in stock; ``None``: no orders.
        new_since: entities whose first event is later are new; zoned.
    """
    means = past.groupby(list(keys), sort=False).agg(
        scored=("label", "size"), predicted=("prediction", "mean"), actual=("label", "mean")
    )
    rows = newest.merge(means, how="left", left_on=list(keys), right_index=True)
    return tuple(
        _entity(row, keys, stock, pd.Timestamp(utc(new_since)).tz_localize(None))
        for row in rows.sort_values(list(keys)).to_dict("records")
    )


def board_days(past: pd.DataFrame) -> tuple[BoardDay, ...]:
    """Sums of earlier scores, by their instant.

    Arguments:
        past: ``decision_time`` in UTC without a zone, ``prediction`` and ``label``, none missing.
    """
    sums = past.groupby("decision_time").agg(
        entities=("label", "size"), predicted=("prediction", "sum"), actual=("label", "sum")
    )
    return tuple(
        BoardDay(
            decided_at=_instant(row["decision_time"]),
            entities=row["entities"],
            predicted=row["predicted"],
            actual=row["actual"],
        )
        for row in sums.reset_index().to_dict("records")
    )


def shortages(past: pd.DataFrame, stock: str) -> Shortages:
    """How often the stock alone would not have lasted, and the prediction would.

    Arguments:
        past: ``prediction``, ``label`` and the column ``stock``.
        stock: units in stock at the time of the score.
    """
    known = past[past[stock].notna()]
    short = known[known["label"] > known[stock]]
    return Shortages(
        scores=len(known),
        without_order=len(short),
        covered=int((short["prediction"] >= short["label"]).sum()),
    )


def _entity(
    row: dict[Any, Any], keys: Sequence[str], stock: str | None, new_since: pd.Timestamp
) -> BoardEntity:
    known = _number(row[stock]) if stock else None
    scored = _number(row["scored"])
    return BoardEntity(
        keys=entity_json({key: _instant(row[key]) for key in keys}),
        prediction=row["prediction"],
        stock=known,
        order=max(0.0, row["prediction"] - (known or 0.0)) if stock else None,
        first_event=_instant(row["first_event"]),
        is_new=bool(row["first_event"] > new_since),
        scored=int(scored or 0),
        predicted=_number(row["predicted"]),
        actual=_number(row["actual"]),
    )


def _instant(value: Any) -> Any:
    """An instant in UTC as Python has it; any other value as it is."""
    return value.to_pydatetime().replace(tzinfo=UTC) if isinstance(value, pd.Timestamp) else value


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
