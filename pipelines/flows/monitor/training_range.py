"""Fresh points and served features against the training range of the champion."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.core.time import Window
from pipelines.core.weeks import WEEK
from pipelines.data.reader import EventReader
from pipelines.gates.availability.parity import logged_objects, subsample_log
from pipelines.monitoring.report import TrainingRange
from pipelines.monitoring.training_range import training_range
from pipelines.packaging.version import ModelVersion, read_profile
from pipelines.predictions.reader import read_log

if TYPE_CHECKING:
    import pandas as pd


def range_checks(
    champion: ModelVersion,
    fresh: pd.DataFrame,
    events: EventReader,
    as_of: datetime,
    weeks: int,
) -> tuple[TrainingRange, ...]:
    """The share of rows in the training range, by week.

    Arguments:
        champion: has the profile of its training rows.
        fresh: decision points after its training rows, with its inputs.
        events: opens the store of the prediction log.
        as_of: the instant of the report.
        weeks: how far back to look.

    Returns:
        Of decision points, and of requests that the champion has answered; empty for a version
        without a profile.

    Raises:
        DataError: the prediction log cannot be read.
    """
    profile = read_profile(champion.folder)
    if profile is None:
        return ()
    served = _served(champion, events, Window(as_of - weeks * WEEK, as_of))
    found = (
        training_range(profile, fresh, as_of, weeks, "points") if len(fresh) else None,
        None if served is None else training_range(profile, served, as_of, weeks, "served"),
    )
    return tuple(one for one in found if one is not None)


def _served(champion: ModelVersion, events: EventReader, window: Window) -> pd.DataFrame | None:
    """The numbers that the champion has answered with; ``None`` if nothing was logged.

    Of more than 100,000 requests, some are drawn by a hash of their ids.
    """
    import pandas as pd

    log = read_log(events, champion.spec.name, window)
    log = None if log is None else log[log["version"] == champion.number]
    if log is None or not len(log):
        return None
    log = subsample_log(log)
    features = pd.DataFrame.from_records(logged_objects(log["features"], "features"))
    columns = {name: pd.to_numeric(features[name], errors="coerce") for name in features}
    return pd.DataFrame(columns).assign(decision_time=log["event_time"].to_numpy())
