"""The records of the steps before the decision."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.data.snapshot import Snapshot
from pipelines.flows.frames import Frame
from pipelines.flows.retrain.audit import AuditResult
from pipelines.flows.retrain.availability import AvailabilityResult
from pipelines.flows.retrain.contract import ContractResult
from pipelines.flows.retrain.record import RecordResult
from pipelines.flows.retrain.train import TrainedCandidate
from pipelines.gates.champion.emergency import is_emergency, without_the_record
from pipelines.gates.recent_window.record import Evaluation
from pipelines.gates.recent_window.replay import decided_by_replay
from pipelines.packaging.version import SavedUpdate


class UpdateResult(Record):
    """What an update added to the champion, and the findings of its gate."""

    saved: SavedUpdate
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Evidence:
    """The evidence for a decision. A record is ``None`` before its step, or if it was skipped."""

    snapshot: Snapshot
    contract: ContractResult | None = None
    frame: Frame | None = None
    availability: AvailabilityResult | None = None
    trained: TrainedCandidate | None = None
    evaluation: Evaluation | None = None
    record: RecordResult | None = None
    audit: AuditResult | None = None
    update: UpdateResult | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the steps."""
        steps = (
            self.contract.findings if self.contract else (),
            self.frame.findings if self.frame else (),
            self.availability.findings if self.availability else (),
            self.trained.findings if self.trained else (),
            self.evaluation.findings if self.evaluation else (),
            self.record.findings if self.record else (),
            self.update.findings if self.update else (),
            self.audit.findings if self.audit else (),
        )
        found = decided_by_replay(finding for findings in steps for finding in findings)
        return without_the_record(found) if is_emergency(found) else found
