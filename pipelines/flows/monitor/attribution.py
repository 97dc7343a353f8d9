"""The importance of features on the newest matured rows, by the champion's twin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.monitoring.attribution import Attribution, attribution
from pipelines.packaging.version import ModelVersion, read_importance
from pipelines.stats.undefined import Undefined
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.drift.calibration import ColumnDrift
    from pipelines.spec.model import ModelSpec

FEWEST_ROWS = 200


def fresh_attribution(
    champion: ModelVersion, spec: ModelSpec, fresh: pd.DataFrame, drifts: Sequence[ColumnDrift]
) -> Attribution | None:
    """Measure importance as it was measured before registration, by the same model.

    Arguments:
        champion: has its twin and the importance at registration.
        spec: its declaration with the settings of monitoring.
        fresh: decision points after its training rows, in the order of time.
        drifts: of the features' values.

    Returns:
        ``None`` for a version that saved no importance, with fewer than 200 matured labels, or
        where the metric does not exist.
    """
    from pipelines.training.permutation import measure_importance

    saved = read_importance(champion.folder)
    known = fresh[fresh["label"].notna()]
    if saved is None or len(known) < FEWEST_ROWS:
        return None
    times = decision_times(known)
    newest = known[times > times.iloc[-1] - spec.split.recent]
    try:
        now = measure_importance(champion.spec, champion.load_twin(), newest)
    except Undefined:
        return None
    return attribution(spec, saved, now, drifts)
