"""Ten slices, each exactly as much worse as is tolerated: how often is any of them blamed?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pipelines.core.findings import Verdict
from pipelines.gates.recent_window.slices import slice_findings
from pipelines.spec.training import Slice
from pipelines.stats.paired import paired_difference
from tests.montecarlo.worlds import World, draw

SLICES, MARGIN = 10, 0.3


def blamed(
    world: World, replications: int, seed: int, *, harmed: float = 0.0, strict: bool = False
) -> np.ndarray:
    """Whether an unharmed slice is blamed, and whether slice 0 is, in each replication.

    Arguments:
        harmed: how much worse slice 0 is than is tolerated; the others are at the limit.
    """
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(replications):
        difference, entity, day = draw(replace(world, rows_per_entity=20.0), rng)
        group = entity % SLICES
        difference = difference - MARGIN - harmed * (group == 0)
        zero = np.zeros(len(difference))

        def compare(mask, difference=difference, entity=entity, day=day, zero=zero):
            return paired_difference(
                difference[mask], zero[mask], entity[mask], day[mask], strict=strict
            )

        rows = pd.DataFrame({"group": group})
        declared = (Slice(column="group", margin=MARGIN),)
        _, findings = slice_findings(declared, rows, compare, "absolute_error")
        named = {f.name.rsplit(".", 1)[1] for f in findings if f.verdict is Verdict.FAIL}
        results.append((bool(named - {"0"} if harmed else named), "0" in named))
    return np.array(results)
