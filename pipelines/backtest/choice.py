"""Which declaration would have done best on this history, and how little that may mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.backtest.live import Live
from pipelines.backtest.results import Choice
from pipelines.backtest.summary import Replayed

NO_DECLARATION = ("simple", "naive", "hindsight")


def choose(live: Live, replays: Sequence[Replayed], declared: Replayed) -> Choice:
    """Compare declarations with each other, and repeat the choice on the first half alone."""

    def loss(one: Replayed) -> float:
        return live.mean(one.weekly)

    simple = [one for one in replays if one.group == "simple"]
    declarations = [one for one in replays if one.group not in NO_DECLARATION]
    best = min(declarations, key=loss)
    behind = {one.name: live.difference(one.steps, best.steps) for one in declarations}
    as_good = [name for name, gap in behind.items() if gap is None or not gap.beyond_noise]
    late = np.cumsum(live.points) > live.points.sum() / 2
    first_half = live.measured & ~late

    def early_loss(one: Replayed) -> float:
        if not first_half.any():
            return 0.0
        return float(np.average(one.weekly[first_half], weights=live.points[first_half]))

    early = min(declarations, key=early_loss)
    return Choice(
        declared=declared.name,
        best_simple=min(simple, key=loss).name,
        best_declaration=best.name,
        gain=behind[declared.name],
        as_good=tuple(as_good),
        chosen_on_first_half=early.name,
        second_half=live.difference(early.steps, declared.steps, late),
    )
