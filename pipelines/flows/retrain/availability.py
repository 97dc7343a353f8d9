"""Checks, before training, that production has the features with the values used in training.

Two checks of the present service. Parity compares the features that the champion was served,
according to its log, with the same definitions computed again. Online availability looks up what
the recipe needs in the online store, for the newest decision points.
"""

from __future__ import annotations

from pydantic import Field

from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.data.snapshot import Snapshot
from pipelines.flows.retrain.online_features import check_online_features
from pipelines.flows.retrain.parity import check_parity
from pipelines.flows.retrain.request import LIVE
from pipelines.flows.retrain.run import Run
from pipelines.gates.availability.parity import Parity
from pipelines.spec.features import WindowFeature


class AvailabilityResult(Record):
    """The results of both checks."""

    parity: Parity | None = Field(description="none without a log")
    unequal: dict[str, float] | None = Field(description="by feature; none without a log")
    findings: tuple[Finding, ...]
    not_checked: str = Field(default="", description="why the online store was not checked")


def check_availability(run: Run, snapshot: Snapshot) -> AvailabilityResult:
    """Check that production has the features of training; the record is ``availability.json``.

    Parity is checked if the champion's predictions were logged, the online store if the model
    declares serving.

    Raises:
        Unavailable: the online store does not answer.
    """
    return run.workspace.once("availability", AvailabilityResult, lambda: _check(run, snapshot))


def _check(run: Run, snapshot: Snapshot) -> AvailabilityResult:
    parity, not_checked = check_parity(run, snapshot), _not_checked(run)
    online = () if not_checked else check_online_features(run, snapshot, parity.nulls)
    return AvailabilityResult(
        parity=parity.parity,
        unequal=None if parity.parity is None else parity.unequal,
        findings=(*online, *parity.findings),
        not_checked=not_checked,
    )


def _not_checked(run: Run) -> str:
    if run.request.lineage != LIVE:
        return f"the lineage {run.request.lineage} is not served"
    if run.spec.serving is None:
        return "without serving, the service computes features from the events at each request"
    if not any(isinstance(feature, WindowFeature) for feature in run.spec.features):
        return "no feature is kept in an online store"
    return ""
