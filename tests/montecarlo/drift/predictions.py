"""Drift of predictions: a recipe that is fitted every week, and a champion that is watched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats
from pipelines.drift.calibration import column_drift
from pipelines.drift.compared_weeks import compared_weeks
from pipelines.drift.predictions import continued_predictions
from pipelines.drift.profile import Profile, reference_profile
from pipelines.drift.version_profile import PREDICTION
from pipelines.flows.monitor.fresh_drift import ALARMS_A_YEAR, PARTS
from tests.montecarlo.drift.worlds import WATCHED, newest_from
from tests.montecarlo.row import MeanRow, Row

SEED = 360
REPLAYED, RECENT, TRAIN = 26, 4, 26  # weeks
FIRST = TRAIN + REPLAYED  # week of the first champion
WEEKS, CHANGED = 52, 20  # watched after it
PATIENCE = 6
_START = pd.Timestamp("2024-01-01", tz="UTC")


@dataclass(frozen=True)
class PredictionWorld:
    """Weeks of rows with five features and a linear label; a linear model is fitted on 26 weeks.

    Arguments:
        rows: of a day.
        renewed: weeks after which the champion is refreshed.
        shift: of the predictions from week 20 on, in their standard deviations.
        noise: standard deviation of the label around its mean.
    """

    rows: int = 40
    renewed: int = 52
    shift: float = 0.0
    noise: float = 3.0

    def alarms(self, rng: np.random.Generator, looks: range) -> list[bool]:
        """Whether predictions have an alarm at each look; look n is after week n."""
        features, labels, weeks = self._draw(rng)

        def answers(trained: int, span: range) -> pd.DataFrame:
            """What a fit of the weeks before one answers in other weeks."""
            train = (weeks >= trained - TRAIN) & (weeks < trained)
            weights = np.linalg.lstsq(features[train], labels[train])[0]
            rows = np.flatnonzero((weeks >= span.start) & (weeks < span.stop))
            days = rows // self.rows
            times = _START + pd.to_timedelta(days, unit="D")
            return pd.DataFrame({"decision_time": times, PREDICTION: features[rows] @ weights})

        replayed = [answers(week, range(week, week + 1)) for week in range(TRAIN, FIRST)]
        reference = reference_profile(pd.concat(replayed), [PREDICTION])
        profiles: dict[int, Profile] = {}
        for champion in range(0, looks.stop, self.renewed):
            now = FIRST + champion
            held_out = answers(now - RECENT, range(now - RECENT, now))
            reference = continued_predictions(reference, held_out)
            profiles[champion] = reference
        found = []
        for look in looks:
            champion = (look - 1) // self.renewed * self.renewed
            first = FIRST + max(champion, look - WATCHED)
            fresh = answers(FIRST + champion, range(first, FIRST + look))
            begin = _START + pd.Timedelta(weeks=FIRST + newest_from(champion, look))
            compared = compared_weeks(profiles[champion], fresh, begin)
            [drift] = column_drift(*compared, alarms_a_year=ALARMS_A_YEAR / PARTS)
            found.append(drift.alarm and drift.false_alarms is not None)
        return found

    def _draw(self, rng: np.random.Generator) -> tuple[Floats, Floats, np.ndarray]:
        days = 7 * (FIRST + WEEKS)
        weeks = np.repeat(np.arange(days) // 7, self.rows)
        moved = rng.normal(0, 0.05, (FIRST + WEEKS, 5))[weeks]
        features = rng.normal(size=(len(weeks), 5)) + moved
        features[weeks >= FIRST + CHANGED] += self.shift / np.sqrt(5)
        labels = features.sum(axis=1) + self.noise * rng.normal(size=len(weeks))
        return features, labels, weeks


WORLDS = (
    ("one champion for a year", PredictionWorld()),
    ("refreshed every four weeks", PredictionWorld(renewed=4)),
    ("refreshed every week", PredictionWorld(renewed=1)),
)


def drift_predictions(replications: int) -> Iterator[Row | MeanRow]:
    """Alarms of predictions in a stable year, and after a shift in week 20.

    The reference begins with a replay of 26 weeks and is continued with each champion. A shift is
    in standard deviations of the predictions, and is to be found within six weeks.
    """
    for seed, (where, world) in enumerate(WORLDS):
        rng = np.random.default_rng([SEED, seed])
        years = [world.alarms(rng, range(2, WEEKS + 1)) for _ in range(replications)]
        counts = np.array(
            [sum(now and not before for before, now in zip([False, *one], one, strict=False))
             for one in years], float)  # fmt: skip
        yield MeanRow("false alarms a year", where, counts, "at most", ALARMS_A_YEAR / PARTS)
        for shift in (0.25, 0.5):
            changed, looks = replace(world, shift=shift), range(CHANGED + 1, CHANGED + PATIENCE + 1)
            found = [changed.alarms(rng, looks) for _ in range(replications)]
            delays = [one.index(True) + 1 for one in found if any(one)]
            more = f" ({np.mean(delays):.1f} weeks)" if delays else ""
            yield Row(f"found: predictions +{shift:g} sd", where, len(delays), replications,
                      more=more)  # fmt: skip
