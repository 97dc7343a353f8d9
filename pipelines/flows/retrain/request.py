"""The request of a run, and the report of a step: ids and verdicts, never tables."""

from __future__ import annotations

from typing import get_args

from pydantic import Field

from pipelines.core.findings import Verdict
from pipelines.core.names import Lineage, Name
from pipelines.core.records import Instant, Record
from pipelines.release.retrain_reason import RetrainReason
from pipelines.spec.execution.resources import RetrainStep

Step = RetrainStep
STEPS: tuple[Step, ...] = get_args(Step)
LIVE = "live"


class Request(Record):
    """One retraining, or one update of the champion.

    ``waive`` names findings that a person has reviewed and takes responsibility for. They are kept
    and shown, but do not block. The ledger records them with the reason.
    """

    model: Name
    as_of: Instant
    lineage: Lineage = LIVE
    reason: str = ""
    update: bool = Field(
        default=False, description="update the champion instead of fitting a candidate"
    )
    dry_run: bool = Field(
        default=False,
        description="judge, but neither register nor decide; to have seen a comparison is a try",
    )
    waive: tuple[str, ...] = ()
    requested_by: str = Field(default="", description="the person who started the run, if known")
    dag_run: str = Field(default="", description="address of the page of the DAG run, if there is")
    monitoring: RetrainReason | None = Field(
        default=None, description="why monitoring started it; None: it did not"
    )

    @property
    def waived(self) -> tuple[str, ...]:
        """The waivers that count; none without a reason."""
        return self.waive if self.reason.strip() else ()


class StepReport(Record):
    """The outcome of one step, small enough to travel between Airflow's tasks."""

    step: Step
    run: str = Field(description="id of the run, the same whenever the same is asked")
    verdict: Verdict | None = None
    skipped: bool = False
    stops: bool = Field(default=False, description="no candidate is trained after this step")
    summary: str
    problems: tuple[str, ...] = Field(
        default=(), description="what did not pass, two lines each: the finding, and why"
    )
    ids: dict[str, str] = {}
