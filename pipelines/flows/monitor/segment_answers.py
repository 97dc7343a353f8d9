"""The answers of the versions that were champion of some segments, on recent decision points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from pipelines.core.arrays import Floats, Mask
from pipelines.core.time import Window, utc
from pipelines.flows.frames import window_rows
from pipelines.flows.monitor.collaborators import MonitorCollaborators
from pipelines.packaging.version import ModelVersion
from pipelines.predictions.segments import segment_text
from pipelines.release.rollout.segment_periods import SegmentPeriod
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    import pandas as pd

_ANSWER = "prediction"


@dataclass(frozen=True)
class SegmentAnswers:
    """What the champions of segments answered.

    Arguments:
        keys: of the model's decision points.
        rows: the points that they answered, with ``decision_time`` and ``prediction``.
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
    periods: Sequence[SegmentPeriod],
    versions: Iterable[ModelVersion],
    window: Window,
    collaborators: MonitorCollaborators,
) -> SegmentAnswers | None:
    """Score the points that champions of segments answered, each while it was champion.

    Each version reads its own features, because it may declare others than the champion.

    Arguments:
        periods: when each version was champion of a segment.
        versions: those of them that the registry still has.
        window: decision times, until the instant of the report.
        collaborators: reads events.

    Returns: the answers, or None without such champions.
    """
    import pandas as pd

    from pipelines.training.score import score

    parts: list[pd.DataFrame] = []
    keys: Sequence[str] = ()
    for version in versions:
        spec, keys = version.spec, version.spec.points.keys
        events = collaborators.open_events(spec)
        snapshot = events.snapshot(spec.streams, window.end)
        with events.tables(snapshot, spec.streams) as tables:
            rows = window_rows(events, spec, snapshot, tables, window)
        mine = rows[answered_points(periods, version.number, rows)].reset_index(drop=True)
        answers = np.zeros(0)
        if len(mine):
            answers = score(version.load_pipeline(), spec, mine).predictions
        parts.append(mine[[*keys, "decision_time"]].assign(**{_ANSWER: answers}))
    return SegmentAnswers(tuple(keys), pd.concat(parts, ignore_index=True)) if parts else None


def versions_in(periods: Iterable[SegmentPeriod], window: Window) -> tuple[str, ...]:
    """The versions that were champion of a segment in a window, each once."""
    return tuple(
        dict.fromkeys(
            one.version
            for one in periods
            if one.start < window.end and (one.end is None or one.end > window.start)
        )
    )


def answered_points(periods: Iterable[SegmentPeriod], number: str, rows: pd.DataFrame) -> Mask:
    """Which points a version answered as champion of their segment, shape (rows,)."""
    decided = decision_times(rows)
    found = np.zeros(len(rows), np.bool_)
    for one in periods:
        if one.version == number and one.column in rows:
            values = rows[one.column].map(segment_text, na_action="ignore")
            there = (values == one.value) & (decided >= _naive(one.start))
            if one.end is not None:
                there &= decided < _naive(one.end)
            found |= there.to_numpy(bool)
    return found


def _naive(instant: datetime) -> datetime:
    return utc(instant).replace(tzinfo=None)
