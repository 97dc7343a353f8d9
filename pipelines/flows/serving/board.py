"""Writes the board of a model from its newest scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.files import write_bytes
from pipelines.core.time import MICROSECOND, Clock, Window
from pipelines.core.weeks import WEEK
from pipelines.data.events import NoEvents
from pipelines.data.reader import EventReader
from pipelines.flows.serving.batch_score import newest_scores
from pipelines.serving.board import BOARD_FORMAT, Board, board_days, board_entities, shortages
from pipelines.serving.scores import SCORES, score_stream
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis
    import pandas as pd

    from pipelines.data.objects import ObjectStore


@dataclass(frozen=True)
class BoardCollaborators:
    """What a board is made from.

    Arguments:
        home: the board is written to ``<home>/boards``.
        load_spec: reads a declaration by the model's name.
        open_events: opens the event streams of a model.
        open_store: opens the object store of a model.
        clock: the present instant.
    """

    home: Path
    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    open_store: Callable[[ModelSpec], ObjectStore]
    clock: Clock


def boards_folder(home: Path) -> Path:
    """The folder of boards: ``<model>.json``, and the page ``<model>.html`` made from it."""
    return home / "boards"


def write_board(model: str, collaborators: BoardCollaborators) -> Path | None:
    """Write the board of the newest scores as JSON and as a page.

    Returns:
        The page; ``None`` for a model that declares no board.

    Raises:
        DataError: the model was never scored, or events contradict their declaration.
        Unavailable: a source or the store does not answer, or the disk is full.
    """
    from pipelines.reporting.serving.board_page import board_page

    spec = collaborators.load_spec(model)
    if spec.board is None:
        return None
    board = make_board(spec, collaborators)
    folder = boards_folder(collaborators.home.resolve())
    page = folder / f"{model}.html"
    write_bytes(folder / f"{model}.json", BOARD_FORMAT.to_text(board).encode())
    write_bytes(page, board_page(board).encode())
    return page


def make_board(spec: ModelSpec, collaborators: BoardCollaborators) -> Board:
    """The board of the newest scores. Arguments and errors are those of ``write_board``."""
    import pandas as pd

    from pipelines.flows.frames import window_rows

    if spec.board is None:
        raise ValueError(f"{spec.name} declares no board")
    scores = newest_scores(spec, collaborators.open_store(spec))
    at: datetime = scores[0]["decided_at"]
    keys, stock = list(spec.points.keys), spec.board.stock
    window = Window(at - spec.board.weeks * WEEK, at + MICROSECOND)
    events = collaborators.open_events(spec)
    snapshot = events.snapshot(spec.streams, at, keep=False)
    with events.tables(snapshot, spec.streams) as tables:
        points = window_rows(events, spec, snapshot, tables, window)
        began = _first_events(tables[spec.points.stream], keys)
    points["decision_time"] = points["decision_time"].dt.tz_localize("UTC")
    known = points[[*keys, *([stock] if stock and stock not in keys else [])]]
    now = known[points["decision_time"] == pd.Timestamp(at)]
    newest = _scored(scores, keys).merge(began, on=keys).merge(now, how="left", on=keys)
    earlier = _earlier_scores(spec, events, window, collaborators.clock.now())
    matured = points[points["label"].notna()]
    if earlier is None:
        past = matured.head(0).assign(prediction=0.0)
    else:
        past = matured.merge(earlier, on=[*keys, "decision_time"])
    return Board(
        model=spec.name,
        description=spec.description,
        at=at,
        valid_until=scores[0]["valid_until"],
        versions=dict(sorted(Counter(row["version"] for row in scores).items())),
        entities=board_entities(newest, past, keys, stock, at - spec.board.new_for),
        days=board_days(past),
        shortages=shortages(past, stock) if stock else None,
    )


def _scored(scores: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([{name: row[name] for name in (*keys, "prediction")} for row in scores])


def _first_events(table: ibis.Table, keys: Sequence[str]) -> pd.DataFrame:
    """The first event of each entity, as ``first_event`` in UTC."""
    first = table.group_by(keys).aggregate(first_event=table["event_time"].min())
    rows: pd.DataFrame = first.to_pandas()
    rows["first_event"] = rows["first_event"].dt.tz_localize("UTC")
    return rows


def _earlier_scores(
    spec: ModelSpec, events: EventReader, window: Window, now: datetime
) -> pd.DataFrame | None:
    """Keys, ``decision_time`` in UTC and ``prediction`` of the scores in a window.

    Returns:
        ``None`` if no scores are known yet: they are a minute after they were written.
    """
    declared = {SCORES: score_stream(spec)}
    wanted = [*spec.points.keys, "event_time", "prediction"]
    try:
        snapshot = events.snapshot(declared, now, keep=False)
    except NoEvents:
        return None
    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    with events.tables(snapshot, declared) as tables:
        table = tables[SCORES]
        inside = table.filter((table.event_time >= start) & (table.event_time < end))
        rows: pd.DataFrame = inside.select(wanted).to_pandas()
    rows["decision_time"] = rows.pop("event_time").dt.tz_localize("UTC")
    return rows
