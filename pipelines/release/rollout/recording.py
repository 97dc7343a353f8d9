"""Records a transition that keeps the champion, if the rollout allows it."""

from __future__ import annotations

from datetime import datetime

from pipelines.core.errors import GauntletError
from pipelines.core.findings import Finding
from pipelines.core.records import Record
from pipelines.release.ledger import Entry, Ledger, NewEntry
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.transition import Stage, Transition

_LEGAL: dict[Stage | None, tuple[Stage, ...]] = {
    None: (Stage.SHADOW,),
    Stage.SHADOW: (Stage.CANARY, Stage.ENDED),
    Stage.CANARY: (Stage.CANARY, Stage.PROMOTED, Stage.PROMOTED_FOR_SEGMENTS, Stage.ENDED),
    Stage.HOLDBACK: (Stage.ENDED,),
}


class StageChange(Record):
    """A transition and the other contents of its ledger entry.

    Arguments:
        origin: the decision that admitted the challenger; for a holdback the promotion.
        transition: the stage that begins.
        findings: the findings that led to it.
        reason: why, in one sentence.
        leaves: whether segments leave the present stage, and no other stage begins.
    """

    origin: Entry
    transition: Transition
    findings: tuple[Finding, ...] = ()
    reason: str
    leaves: bool = False

    @property
    def run(self) -> str:
        """The run id of this transition; the ledger accepts it only once."""
        without = f".without{len(_apart(self.transition))}" if self.leaves else ""
        return f"{self.origin.run}.{self.transition.stage}.{self.transition.step}{without}"


def record_transition(
    state: ReleaseState, change: StageChange, ledger: Ledger, as_of: datetime
) -> Entry:
    """Append a transition to the ledger; if it was recorded before, return that entry.

    Arguments:
        state: the state of the ledger when it was last read.
        change: the transition to record.
        ledger: the ledger to append to, unless another writer was faster.
        as_of: the as-of instant of the evidence.

    Raises:
        GauntletError: the rollout does not allow this transition now.
        StaleEvidenceError: the ledger has grown since it was read.
    """
    origin = change.origin
    for entry in state.entries:
        if entry.run == change.run and entry.kind == "rollout":
            return entry
    _check_legal(state, change)
    new = NewEntry(
        model=origin.model,
        lineage=origin.lineage,
        kind="rollout",
        run=change.run,
        as_of=as_of,
        champion_before=state.champion,
        champion_after=state.champion,
        reasons=(change.reason,),
        findings=change.findings,
        spec=origin.spec,
        recipe=origin.recipe,
        snapshot=origin.snapshot,
        transition=change.transition,
    )
    return ledger.append(new, after=state.sequence)


def _check_legal(state: ReleaseState, change: StageChange) -> None:
    transition = change.transition
    active = state.trial or state.holdback
    legal = follows(state, transition)
    if active is None and transition.stage is Stage.HOLDBACK:
        legal = state.promotion == change.origin
    if not legal:
        void = state.trial is not None and state.trial.void
        now = f"{active.transition.challenger} in {active.transition.stage}" if active else ""
        raise GauntletError(
            f"version {transition.challenger} cannot go to {transition.stage}",
            where=f"{change.origin.model}, lineage {change.origin.lineage}",
            got=(now or "no rollout") + (", whose champion changed since" if void else ""),
            wanted="shadow, canary stage by stage, then promoted or ended",
            hint=f"`gauntlet release {change.origin.model}` makes the next legal transition",
        )


def follows(state: ReleaseState, transition: Transition) -> bool:
    """Whether a rollout allows a transition in this state."""
    active = state.trial or state.holdback
    if active is None and transition.stage is Stage.HOLDBACK:
        return state.promotion is not None
    if active is not None and active.transition.challenger != transition.challenger:
        return False
    if state.trial is not None and state.trial.void and transition.stage is not Stage.ENDED:
        return False
    return _follows(active.transition if active else None, transition)


def _follows(before: Transition | None, after: Transition) -> bool:
    """Whether one transition of a rollout may follow another."""
    if after.stage not in _LEGAL[before.stage if before else None]:
        return False
    if before is None or after.stage is not Stage.CANARY:
        return True
    if before.stage is not Stage.CANARY:
        return after.step == 0
    left, then = _apart(before), _apart(after)
    return (after.step == before.step + 1 and left == then) or (
        after.step == before.step and after.share == before.share and left < then
    )


def _apart(transition: Transition) -> frozenset[str]:
    return frozenset(transition.apart.values if transition.apart else ())
