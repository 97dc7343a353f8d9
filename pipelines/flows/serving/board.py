"""Writes the board of a model from its newest scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from pipelines.flows.versions import VersionReader
from pipelines.release.broken_windows.exclusions import with_exclusions
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
        versions: the versions that answered.
        clock: the present instant.
    """

    home: Path
    load_spec: Callable[[str], ModelSpec]
    open_events: Callable[[ModelSpec], EventReader]
    open_store: Callable[[ModelSpec], ObjectStore]
    versions: VersionReader
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

    from pipelines.flows.frames import all_points

    if spec.board is None:
        raise ValueError(f"{spec.name} declares no board")
    scores = newest_scores(spec, collaborators.open_store(spec))
    at: datetime = scores[0]["decided_at"]
    keys, stock = list(spec.points.keys), spec.board.stock
    window = Window(at - spec.board.weeks * WEEK, at + MICROSECOND)
    events = collaborators.open_events(spec)
    snapshot = events.snapshot(spec.streams, at, keep=False)
    with events.tables(snapshot, spec.streams) as tables:
        points = all_points(events, spec, snapshot, tables, window)
        began = _first_events(tables[spec.points.stream], keys)
    columns = list(dict.fromkeys([*keys, *([stock] if stock else [])]))
    now = points.loc[points["decision_time"] == at.replace(tzinfo=None), columns]
    newest = _scored(scores, keys).merge(began, on=keys).merge(now, how="left", on=keys)
    earlier = _earlier_scores(spec, events, window, collaborators.clock.now())
    versions = Counter(row["version"] for row in scores)
    answered = set(versions) | set([] if earlier is None else earlier["version"])
    same = _with_this_label(spec, answered, collaborators.versions)
    known = with_exclusions(spec, collaborators.versions.ledger.entries(spec.name), at)
    past = _with_labels(known, points, earlier, same)
    return Board(
        model=spec.name,
        description=spec.description,
        at=at,
        valid_until=scores[0]["valid_until"],
        versions=dict(sorted(versions.items())),
        other_label=tuple(sorted(set(versions) - same)),
        entities=board_entities(newest, past, keys, stock, at - spec.board.new_for),
        days=board_days(past),
        shortages=shortages(past, stock) if stock else None,
    )


def _with_labels(
    spec: ModelSpec, points: pd.DataFrame, earlier: pd.DataFrame | None, same: set[str]
) -> pd.DataFrame:
    """Points with a label and a score of one of the versions that predict this label.

    Points of windows that the declaration excludes are left out.
    """
    from pipelines.flows.frames import without_excluded

    labelled = without_excluded(spec, points[points["label"].notna()])
    if earlier is None:
        return labelled.head(0).assign(prediction=0.0)
    scored = earlier[earlier["version"].isin(same)]
    return labelled.merge(scored, on=[*spec.points.keys, "decision_time"])


def _with_this_label(spec: ModelSpec, numbers: Iterable[str], versions: VersionReader) -> set[str]:
    """The versions that predict the declared label of the declared points.

    A version that was removed is none of them, since its declaration is not known.
    """

    def has_label(number: str) -> bool:
        if not versions.exists(spec.name, number):
            return False
        other = versions.load(spec.name, number).spec
        return (other.label, other.points) == (spec.label, spec.points)

    return {number for number in numbers if has_label(number)}


def _scored(scores: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([{name: row[name] for name in (*keys, "prediction")} for row in scores])


def _first_events(table: ibis.Table, keys: Sequence[str]) -> pd.DataFrame:
    """Keys and ``first_event`` of each entity; times are in UTC."""
    first = table.group_by(keys).aggregate(first_event=table["event_time"].min())
    rows: pd.DataFrame = first.to_pandas()
    return rows


def _earlier_scores(
    spec: ModelSpec, events: EventReader, window: Window, now: datetime
) -> pd.DataFrame | None:
    """Keys, ``decision_time``, ``prediction`` and ``version`` of the scores in a window.

    Returns:
        ``None`` if no scores are known yet: they are a minute after they were written.
    """
    declared = {SCORES: score_stream(spec)}
    wanted = [*spec.points.keys, "event_time", "prediction", "version"]
    try:
        snapshot = events.snapshot(declared, now, keep=False)
    except NoEvents:
        return None
    start, end = (bound.replace(tzinfo=None) for bound in (window.start, window.end))
    with events.tables(snapshot, declared) as tables:
        table = tables[SCORES]
        inside = table.filter((table.event_time >= start) & (table.event_time < end))
        rows: pd.DataFrame = inside.select(wanted).to_pandas()
    return rows.rename(columns={"event_time": "decision_time"})
