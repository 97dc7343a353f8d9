"""Rollouts: a challenger's way from shadow to champion, as moves in the ledger.

``challenge`` (every offline gate passed) -> shadow -> canary, stage by stage -> promoted, or ended.
What stands is a fold over the ledger's entries: nothing else is stored, so a process that is killed
finds it again. One challenger is on trial at a time. When the champion changes under it, by a
rollback or by hand, what it was measured against is gone: the trial can only be ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from pipelines.core.errors import GauntletError
from pipelines.core.records import Instant, Record, digest_of
from pipelines.core.verdict import Finding
from pipelines.release.ledger import Draft, Entry, Ledger
from pipelines.release.policy import Outcome
from pipelines.release.registry import CHALLENGER, Aliases
from pipelines.release.trial import Move, Stage
from pipelines.spec.rollout import Rollout

ON_TRIAL = (Stage.SHADOW, Stage.CANARY)
_LEGAL: dict[Stage | None, tuple[Stage, ...]] = {
    None: (Stage.SHADOW,),
    Stage.SHADOW: (Stage.CANARY, Stage.ENDED),
    Stage.CANARY: (Stage.CANARY, Stage.PROMOTED, Stage.ENDED),
}


class Trial(Record):
    """A challenger on trial."""

    model: str
    challenger: str
    champion: str = Field(description="the version that it is measured against")
    question: Entry = Field(description="the decision that made it a challenger")
    move: Move = Field(description="the newest")
    since: Instant = Field(description="when the present stage began")
    canary_since: Instant | None = Field(default=None, description="when the first one began")
    void: bool = Field(default=False, description="the champion changed since")

    @property
    def run(self) -> str:
        """What the runs of its moves begin with."""
        return self.question.run


def waiting(entries: Iterable[Entry]) -> Entry | None:
    """The newest challenger that was not put on trial yet, if it still meets its champion."""
    chain = list(entries)
    started = {entry.move.challenger for entry in chain if entry.move}
    champion = chain[-1].champion_after if chain else None
    found = [
        entry
        for entry in chain
        if entry.outcome == Outcome.CHALLENGE
        and entry.candidate not in started
        and entry.champion_after == champion
    ]
    return found[-1] if found else None


def trial(entries: Iterable[Entry]) -> Trial | None:
    """Who is on trial, and where it stands; none when nobody is."""
    standing: Trial | None = None
    asked: dict[str, Entry] = {}
    for entry in entries:
        if entry.outcome == Outcome.CHALLENGE and entry.candidate:
            asked[entry.candidate] = entry
        if entry.move is None:
            if standing is not None and entry.moves:
                standing = standing.model_copy(update={"void": True})
            continue
        if entry.move.stage not in ON_TRIAL:
            standing = None
        elif standing is None or standing.challenger != entry.move.challenger:
            standing = _begun(entry, entry.move, asked[entry.move.challenger])
        else:
            first = standing.canary_since
            if entry.move.stage is Stage.CANARY and first is None:
                first = entry.recorded_at
            update = {"move": entry.move, "since": entry.recorded_at, "canary_since": first}
            standing = standing.model_copy(update=update)
    return standing


def _begun(entry: Entry, move: Move, question: Entry) -> Trial:
    assert entry.champion_before is not None
    return Trial(
        model=entry.model,
        challenger=move.challenger,
        champion=entry.champion_before,
        question=question,
        move=move,
        since=entry.recorded_at,
    )


def first_move(question: Entry, rollout: Rollout) -> Move:
    """Into shadow, with a salt of its own: who is in which arm carries over from no other."""
    assert question.candidate is not None
    about = {"model": question.model, "run": question.run, "entry": question.hash}
    return Move(
        challenger=question.candidate,
        stage=Stage.SHADOW,
        shadow_share=rollout.shadow.share,
        salt=digest_of(about)[:32],
    )


def next_move(standing: Trial, rollout: Rollout) -> Move | None:
    """The next stage of the ramp, shadow being before the first; none after the last."""
    move = standing.move
    step = 0 if move.stage is Stage.SHADOW else move.step + 1
    if step >= len(rollout.canary.stages):
        return None
    share = rollout.canary.stages[step]
    update = {"stage": Stage.CANARY, "step": step, "share": share, "shadow_share": 0.0}
    return move.model_copy(update=update)


def last_move(standing: Trial, stage: Stage) -> Move:
    """Off live traffic: promoted, or ended."""
    return standing.move.model_copy(update={"stage": stage, "share": 0.0, "shadow_share": 0.0})


def is_due(standing: Trial, rollout: Rollout, now: datetime) -> bool:
    """Whether the present stage of the ramp has lasted as long as it should."""
    lasts = rollout.shadow.length
    if standing.move.stage is Stage.CANARY:
        lasts = rollout.canary.stage
    return now >= standing.since + lasts


def record_move(
    question: Entry,
    move: Move,
    findings: tuple[Finding, ...],
    why: str,
    ledger: Ledger,
    as_of: datetime,
) -> Entry:
    """Append a move of a trial that does not change the champion; the same move once.

    Arguments:
        question: the decision that made the version a challenger.
        move: where to.
        findings: what it follows from.
        why: in words.
        as_of: the instant that the evidence stands at.

    Raises:
        GauntletError: when the move is not a legal one from where the trial stands.
        Superseded: when somebody else was faster.
    """
    chain = ledger.entries(question.model, question.lineage)
    run = f"{question.run}.{move.stage}.{move.step}"
    done = [entry for entry in chain if entry.run == run and entry.kind == "rollout"]
    if done:
        return done[0]
    _check_legal(question, trial(chain), move)
    draft = Draft(
        model=question.model,
        lineage=question.lineage,
        kind="rollout",
        run=run,
        as_of=as_of,
        champion_before=chain[-1].champion_after,
        champion_after=chain[-1].champion_after,
        reasons=(why,),
        findings=findings,
        spec=question.spec,
        recipe=question.recipe,
        snapshot=question.snapshot,
        move=move,
    )
    return ledger.append(draft, after=chain[-1].sequence)


def show(model: str, ledger: Ledger, aliases: Aliases) -> Trial | None:
    """Point the alias ``challenger`` at whoever is on trial, or at nobody; returns the trial.

    The ledger decides, so this is safe to repeat, and to do after any move.
    """
    while True:
        standing = trial(ledger.entries(model))
        version = standing.challenger if standing and not standing.void else None
        if aliases.alias(model, CHALLENGER) != version:
            aliases.set_alias(model, CHALLENGER, version)
        again = trial(ledger.entries(model))
        if again == standing:
            return standing


def _check_legal(question: Entry, standing: Trial | None, move: Move) -> None:
    mine = standing is not None and standing.challenger == move.challenger
    before = standing.move if standing and mine else None
    legal = move.stage in _LEGAL[before.stage if before else None]
    if before and move.stage is Stage.CANARY:
        follows = before.step + 1 if before.stage is Stage.CANARY else 0
        legal = legal and move.step == follows
    if standing is not None and (not mine or (standing.void and move.stage is not Stage.ENDED)):
        legal = False
    if not legal:
        there = f"{standing.challenger} in {standing.move.stage}" if standing else "nobody on trial"
        void = ", whose champion changed since" if standing and standing.void else ""
        raise GauntletError(
            f"version {move.challenger} cannot go to {move.stage}",
            where=f"{question.model}, lineage {question.lineage}",
            got=there + void,
            wanted="shadow, canary stage by stage, then promoted or ended",
            do=f"`gauntlet release {question.model}` makes the next legal move",
        )
