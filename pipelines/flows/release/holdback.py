"""After a promotion: does it bring what was promised, and does it stand?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pipelines.core.errors import IntegrityError
from pipelines.core.time import instant_text
from pipelines.flows.collaborators import Parts
from pipelines.flows.release.report import ReleaseAction, ReleaseReport, report, save_evidence
from pipelines.gates.canary.evidence import (
    CanaryInputs,
    canary_evidence,
    declared_rollout,
    maturity_time,
)
from pipelines.gates.canary.holdback import HoldbackStep, HoldbackVerdict, judge_holdback
from pipelines.packaging.version import ModelVersion
from pipelines.release.budget import charged_level
from pipelines.release.ledger import Entry
from pipelines.release.rollback import rollback
from pipelines.release.rollout.state import (
    Holdback,
    final_transition,
    ramp_of,
    record_transition,
    sync_challenger_alias,
)
from pipelines.release.rollout.transition import Stage

GAIN = "canary.corrected_gain"


def advance_holdback(
    standing: Holdback, as_of: datetime, parts: Parts, chain: tuple[Entry, ...]
) -> ReleaseReport:
    """Judge a promotion by its holdback and, once their last outcome came, by the canary's arms.

    Harm in either takes the promotion back at once. A gain smaller than promised is told.
    """
    watched = _Watch(standing, as_of, parts, chain)
    if as_of < standing.since:
        return watched.told(
            ReleaseAction.WAITS,
            f"as of {instant_text(as_of)} the holdback had not begun",
            next_look=standing.since,
        )
    return watched.step()


class _Watch:
    def __init__(
        self, standing: Holdback, as_of: datetime, parts: Parts, chain: tuple[Entry, ...]
    ) -> None:
        self.standing, self.as_of, self.parts, self.chain = standing, as_of, parts, chain
        self.version: ModelVersion = parts.versions.load(standing.model, standing.champion)
        self.rollout = declared_rollout(self.version)

    def step(self) -> ReleaseReport:
        """Take it back, keep it, or wait."""
        verdicts = list(self._verdicts())
        facts = {
            "findings": tuple(finding for one in verdicts for finding in one.findings),
            "weeks": verdicts[0].weeks,
            "planned_weeks": self.rollout.canary.weeks,
        }
        for verdict in verdicts:
            if verdict.step is HoldbackStep.ROLL_BACK:
                return self._take_back(verdict, facts)
        last, model = verdicts[0], self.standing.model
        if last.step is HoldbackStep.CONTINUE:
            return self.told(
                ReleaseAction.WAITS,
                f"{last.weeks} of {self.rollout.canary.weeks} weeks after the promotion have "
                f"matured: {last.reasons[0]}",
                next_look=self._next(last.weeks),
                **facts,
            )
        why = f"{last.step}: {'; '.join(last.reasons)}"
        move = final_transition(self.standing, Stage.ENDED)
        ledger = self.parts.ledger
        record_transition(self.standing.promotion, move, last.findings, why, ledger, self.as_of)
        sync_challenger_alias(model, ledger, self.parts.registry)
        return self.told(
            ReleaseAction.KEPT,
            f"version {self.standing.champion} stays: {why}",
            next_look=self.as_of,
            **facts,
        )

    def _verdicts(self) -> Iterator[HoldbackVerdict]:
        """Of the holdback, and of the canary's own arms when their last outcome has matured."""
        yield self._judged(self.standing.transition.salt, None, last=False)
        promoted = self.standing.promotion.recorded_at
        if self.as_of >= maturity_time(self.version.spec, promoted, 0):
            assert self.standing.promotion.transition is not None
            yield self._judged(self.standing.promotion.transition.salt, promoted, last=True)

    def _judged(self, salt: str, until: datetime | None, *, last: bool) -> HoldbackVerdict:
        shown: CanaryInputs = canary_evidence(
            self.parts.open_events(self.version.spec),
            self.version,
            ramp_of(self.chain, salt),
            self.as_of,
            other_version=self.standing.former,
            swapped=not last,
            until=until,
        )
        run = "second" if last else Stage.HOLDBACK.value
        save_evidence(
            self.parts, self.standing.model, f"{self.standing.promotion.run}.{run}", shown.evidence
        )
        asked = self.standing.promotion.run.removesuffix(f".{Stage.PROMOTED}")
        return judge_holdback(
            shown.evidence,
            self.rollout,
            charged_level(self.chain, f"{asked}.{Stage.CANARY}.0"),
            _promised(self.standing.promotion),
            last=last,
            assignment=shown.assignment,
        )

    def _take_back(self, verdict: HoldbackVerdict, facts: dict[str, object]) -> ReleaseReport:
        standing = self.standing
        reason = f"harm after the promotion: {'; '.join(verdict.reasons)}"
        rollback(
            standing.model,
            run=f"{standing.promotion.run}.taken_back",
            to=standing.former,
            reason=reason,
            ledger=self.parts.ledger,
            aliases=self.parts.registry,
            clock=self.parts.clock,
        )
        sync_challenger_alias(standing.model, self.parts.ledger, self.parts.registry)
        summary = f"version {standing.former} is champion again: {reason}"
        return self.told(ReleaseAction.ROLLED_BACK, summary, next_look=self.as_of, **facts)

    def _next(self, weeks: int) -> datetime:
        awaited = [self.as_of + self.rollout.canary.check_every]
        for week in range(weeks + 1, self.rollout.canary.weeks + 1):
            at = maturity_time(self.version.spec, self.standing.since, week)
            awaited += [at] if at > self.as_of else []
        return min(awaited)

    def told(self, act: ReleaseAction, summary: str, **more: object) -> ReleaseReport:
        """The report, with what stands now."""
        return report(self.standing.model, self.as_of, self.parts, act, summary, **more)


def _promised(promotion: Entry) -> float:
    """The corrected gain at the promotion.

    Raises:
        IntegrityError: the entry does not say.
    """
    for finding in promotion.findings:
        if finding.name == GAIN and finding.value is not None:
            return finding.value
    raise IntegrityError(
        "a promotion does not say what it promised",
        where=f"ledger of {promotion.model}, entry {promotion.sequence}",
        wanted=f"the finding {GAIN}",
    )
