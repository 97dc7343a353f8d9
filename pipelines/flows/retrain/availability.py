"""Before anything is trained: are the features there where production asks, as training sees them?

Two questions, both about the present service. Parity: what the champion's log says was served,
against the same definitions computed again. Presence: what the recipe needs, looked up in the
online store for the newest decision points.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.data.snapshot import Snapshot
from pipelines.flows.collaborators import Run
from pipelines.flows.retrain.online_features import check_online_features
from pipelines.flows.retrain.parity import replay_run
from pipelines.flows.retrain.request import LIVE
from pipelines.packaging.version import ModelVersion
from pipelines.spec.features import WindowFeature
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan


class Available(Record):
    """What a retraining keeps of both gates."""

    parity: dict[str, Any] | None = Field(description="the replay; none without a log")
    unequal: dict[str, float] | None = Field(description="by feature; none without a log")
    findings: tuple[Finding, ...]
    unasked: str = Field(default="", description="why nothing was looked up in the online store")


def look_for_features(
    run: Run, plan: SplitPlan, spec: ModelSpec, snapshot: Snapshot, incumbent: ModelVersion | None
) -> Available:
    """Parity where the champion's answers were logged, presence where the model declares serving.

    Arguments:
        spec: the common declaration that the run's snapshot and frame follow.

    Raises:
        Unavailable: when the online store does not answer.
    """
    replayed, unasked = replay_run(run, plan, spec, snapshot, incumbent), _unasked(run)
    looked = (
        ()
        if unasked
        else check_online_features(run, plan, spec, snapshot, incumbent, replayed.nulls)
    )
    return Available(
        parity=replayed.parity,
        unequal=None if replayed.parity is None else replayed.unequal,
        findings=(*looked, *replayed.findings),
        unasked=unasked,
    )


def _unasked(run: Run) -> str:
    if run.request.lineage != LIVE:
        return f"the lineage {run.request.lineage} serves nobody"
    if run.spec.serving is None:
        return "the declaration says no serving: features are computed when asked"
    if not any(isinstance(feature, WindowFeature) for feature in run.spec.features):
        return "no feature is kept in an online store"
    return ""
