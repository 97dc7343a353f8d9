"""What earlier fits of a candidate's recipe answered to weeks that they were not trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field

from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.core.weeks import monday_from, mondays, week_of
from pipelines.drift.profile import Profile, reference_profile
from pipelines.drift.version_profile import PREDICTION
from pipelines.flows.replay import Replay
from pipelines.flows.retrain.run import Run
from pipelines.packaging.version import read_profile
from pipelines.training.score import Scored

STEP = "earlier_predictions"


class EarlierPredictions(Record):
    """Their profile: of a replay of past weeks, else of the champion if it has the recipe."""

    profile: Profile | None = Field(description="None: neither of the two")


def keep_replayed(run: Run, replayed: Replay) -> None:
    """Keep what replayed candidates answered, for ``earlier_predictions``."""
    run.workspace.once(
        STEP, EarlierPredictions, lambda: EarlierPredictions(profile=_answers(run, replayed))
    )


def earlier_predictions(run: Run) -> Profile | None:
    """The profile of earlier predictions of the candidate's recipe; ``None`` without one."""
    return run.workspace.once(
        STEP, EarlierPredictions, lambda: EarlierPredictions(profile=_of_champion(run))
    ).profile


def _of_champion(run: Run) -> Profile | None:
    champion = run.champion
    if champion is None or champion.spec.recipe != run.spec.recipe:
        return None
    saved = read_profile(champion.folder)
    return None if saved is None else saved.predictions


def _answers(run: Run, replayed: Replay) -> Profile | None:
    """The answers of the freshest replayed candidate of each week."""
    predictions, history, spec = replayed.predictions, replayed.predictions.history, run.spec
    versions = sorted(replayed.versions, key=lambda version: version.trained_until)
    if not versions:
        return None
    parts: list[pd.DataFrame] = []
    for monday in mondays(Window(monday_from(versions[0].trained_until), run.request.as_of)):
        rows = history.part(week_of(monday))
        if rows.start < rows.stop:
            freshest = [one for one in versions if one.trained_until <= monday][-1]
            scored = Scored(np.asarray(predictions.of(freshest.serves, rows)), "", spec.classes)
            times = history.rows[["decision_time"]].iloc[rows]
            parts.append(times.assign(**{PREDICTION: scored.answers}))
    return reference_profile(pd.concat(parts), [PREDICTION]) if parts else None
