"""The answers of the versions that are champion of some segments, on recent decision points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Floats, Mask
from pipelines.core.time import Window, utc
from pipelines.flows.frames import window_rows
from pipelines.flows.monitor.collaborators import MonitorCollaborators
from pipelines.predictions.segments import segment_text
from pipelines.release.rollout.segment_champions import SegmentChampions
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    import pandas as pd

_ANSWER = "prediction"


@dataclass(frozen=True)
class SegmentAnswers:
    """What the champions of segments answer.

    Arguments:
        keys: of the model's decision points.
        rows: the points that they answer, with ``decision_time`` and ``prediction``.
    """

    keys: tuple[str, ...]
    rows: pd.DataFrame

    def replace_in(self, rows: pd.DataFrame, predictions: Floats) -> tuple[Floats, Mask]:
        """The predictions that were served for some points, and which of them are not replaced.

        Arguments:
            rows: decision points.
            predictions: the champion's, in their order.
        """
        on = [*self.keys, "decision_time"]
        answers = self.rows.drop_duplicates(on)
        found = rows[on].merge(answers, on=on, how="left", sort=False)[_ANSWER]
        own = np.asarray(found.isna(), np.bool_)
        return np.where(own, predictions, found.to_numpy(np.float64)), own


def read_segment_answers(
    model: str,
    champions: SegmentChampions | None,
    window: Window,
    collaborators: MonitorCollaborators,
) -> SegmentAnswers | None:
    """Score the points that champions of segments answer, each since it is champion.

    Each version reads its own features, because it may declare others than the champion.

    Arguments:
        model: name of the model.
        champions: the champions of segments; None if there are none.
        window: decision times, until the instant of the report.
        collaborators: reads versions and events.

    Returns: the answers, or None without such champions.
    """
    import pandas as pd

    from pipelines.training.score import score

    if champions is None:
        return None
    parts: list[pd.DataFrame] = []
    keys: Sequence[str] = ()
    for number in champions.versions:
        version = collaborators.versions.load(model, number)
        spec, keys = version.spec, version.spec.points.keys
        events = collaborators.open_events(spec)
        snapshot = events.snapshot(spec.streams, window.end)
        with events.tables(snapshot, spec.streams) as tables:
            rows = window_rows(events, spec, snapshot, tables, window)
        mine = rows[answered_points(champions, number, rows)].reset_index(drop=True)
        answers = np.zeros(0)
        if len(mine):
            answers = score(version.load_pipeline(), spec, mine).predictions
        parts.append(mine[[*keys, "decision_time"]].assign(**{_ANSWER: answers}))
    return SegmentAnswers(tuple(keys), pd.concat(parts, ignore_index=True))


def answered_points(champions: SegmentChampions, number: str, rows: pd.DataFrame) -> Mask:
    """Which points a version answers as champion of their segment, shape (rows,)."""
    values, decided = rows[champions.column].map(segment_text), decision_times(rows)
    found = np.zeros(len(rows), np.bool_)
    for value, one in champions.champions.items():
        if one.version == number:
            since = utc(one.since).replace(tzinfo=None)
            found |= ((values == value) & (decided >= since)).to_numpy(bool)
    return found
