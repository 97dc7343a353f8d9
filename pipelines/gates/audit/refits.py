"""Fit both recipes again on the same data: how much of a gain is noise of fitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import stats

from pipelines.core.arrays import Floats
from pipelines.gates.audit.record import Refits
from pipelines.training.fit import fit
from pipelines.training.row_sets import SIDES, AuditData, RecipeView, Side, cluster_ids
from pipelines.training.score import score

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Fits:
    """Predictions of the live rows by the refits of each arm."""

    resampled: bool
    predictions: dict[Side, tuple[Floats, ...]]


def refit(data: AuditData, first: Mapping[Side, Floats], refits: int) -> Fits:
    """Fit both arms again, ``refits`` times each, with the seeds after their first.

    Where the champion's estimator depends on its seed, refits differ in it. Where it does not,
    they are fitted on resampled training rows: a cell of one entity and one day counts as often
    as chance says, the same in both arms, so that what both have in common cancels.

    Arguments:
        first: each arm's predictions of the live rows by its first fit.

    Source: Poisson resampling of cells as in Owen, Eckles (2012), AOAS 6, section 3.
    """
    again = _again(data, "champion", 0, resampled=False)
    resampled = bool(np.array_equal(again, first["champion"]))
    found: dict[Side, tuple[Floats, ...]] = {}
    for side in SIDES:
        found[side] = tuple(
            again
            if side == "champion" and not number and not resampled
            else _again(data, side, number, resampled=resampled)
            for number in range(refits)
        )
    return Fits(resampled, found)


def gain_noise(
    gain: float, champion: Floats, candidate: Floats, *, alpha: float, resampled: bool
) -> Refits:
    """How large a gain refits of equal recipes reach by chance.

    Arguments:
        gain: of the first fits.
        champion: mean utility of each refit of the champion's recipe, shape (k,), k >= 2.
        candidate: the same for the candidate's; each pair shares what the refit was drawn with.
        alpha: one-sided level.

    Returns:
        ``noise`` is ``t s sqrt(1 + 1/k)`` with the standard deviation ``s`` of the ``k`` gains:
        the prediction interval of one more gain when the mean gain is zero.
    """
    gains = candidate - champion
    k = len(gains)
    reach = float(stats.t.isf(alpha, k - 1)) * float(np.std(gains, ddof=1))
    return Refits(
        how="resampled rows" if resampled else "seeds",
        gain=gain,
        gains=tuple(gains.tolist()),
        spread_champion=float(np.std(champion, ddof=1)),
        noise=reach * float(np.sqrt(1 + 1 / k)),
    )


def _again(data: AuditData, side: Side, number: int, *, resampled: bool) -> Floats:
    arm, rows, live = data.arm(side), data.training[side], data.live
    drawn = rows.iloc[_draw(arm, rows, number)] if resampled else rows
    fitted = fit(arm.spec, arm.view(drawn), arm.spec.seeds[0] + 1 + number)
    return score(fitted.pipeline, arm.spec, arm.view(live)).predictions


def _draw(arm: RecipeView, rows: pd.DataFrame, number: int) -> npt.NDArray[np.intp]:
    """Positions of rows, each as often as its cell was drawn; decided by cell and number alone."""
    cell = cluster_ids(arm.spec.points.keys, rows)
    mixed = (cell ^ np.uint64(number + 1)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
    chance = ((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(11)) * 2.0**-53
    times = stats.poisson.ppf(chance, 1.0).clip(0).astype(np.intp)
    return np.repeat(np.arange(len(rows)), times)
