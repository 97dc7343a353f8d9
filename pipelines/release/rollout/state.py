"""Rollouts: a challenger's way from shadow to champion, as moves in the ledger.

``start_rollout`` (every offline gate passed) -> shadow -> canary, stage by stage -> promoted, or
ended; after a promotion, a holdback with the former champion.
What stands is a fold over the ledger's entries: nothing else is stored, so a process that is killed
finds it again. One challenger is on trial at a time. When the champion changes under it, by a
rollback or by hand, what it was measured against is gone: the trial can only be ended. A holdback
that loses its champion is over by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from pipelines.core.errors import GauntletError
from pipelines.core.findings import Finding
from pipelines.core.records import Instant, Record, digest_of
from pipelines.predictions.assignment import Ramp
from pipelines.release.ledger import Entry, Ledger, NewEntry
from pipelines.release.policy import Outcome
from pipelines.release.registry import CHALLENGER, Aliases
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.spec.rollout import Rollout

ON_TRIAL = (Stage.SHADOW, Stage.CANARY)
_LEGAL: dict[Stage | None, tuple[Stage, ...]] = {
    None: (Stage.SHADOW,),
    Stage.SHADOW: (Stage.CANARY, Stage.ENDED),
    Stage.CANARY: (Stage.CANARY, Stage.PROMOTED, Stage.ENDED),
    Stage.HOLDBACK: (Stage.ENDED,),
}


class Trial(Record):
    """A challenger on trial."""

    model: str
    challenger: str
    champion: str = Field(description="the version that it is measured against")
    question: Entry = Field(description="the decision that made it a challenger")
    transition: Transition = Field(description="the newest")
    since: Instant = Field(description="when the present stage began")
    canary_since: Instant | None = Field(default=None, description="when the first one began")
    void: bool = Field(default=False, description="the champion changed since")

    @property
    def run(self) -> str:
        """What the runs of its moves begin with."""
        return self.question.run


class Holdback(Record):
    """A promotion that is watched: the former champion answers a share of the entities."""

    model: str
    champion: str
    promotion: Entry
    transition: Transition
    since: Instant

    @property
    def former(self) -> str:
        """The champion before, which stands beside the present one."""
        return self.transition.challenger


def holdback(entries: Iterable[Entry]) -> Holdback | None:
    """The holdback that stands; none when there is none."""
    standing: Holdback | None = None
    promotion: Entry | None = None
    for entry in entries:
        if entry.moves:
            promotion, standing = entry if _promotes(entry) else None, None
        elif entry.transition is not None and promotion is not None:
            standing = None
            if entry.transition.stage is Stage.HOLDBACK:
                assert promotion.champion_after is not None
                standing = Holdback(
                    model=entry.model,
                    champion=promotion.champion_after,
                    promotion=promotion,
                    transition=entry.transition,
                    since=entry.recorded_at,
                )
    return standing


def unwatched(entries: Iterable[Entry]) -> Entry | None:
    """The promotion that made the present champion, if nothing was put on trial since."""
    found: Entry | None = None
    for entry in entries:
        if entry.moves:
            found = entry if _promotes(entry) else None
        elif entry.transition is not None:
            found = None
    return found


def _promotes(entry: Entry) -> bool:
    return entry.transition is not None and entry.transition.stage is Stage.PROMOTED


def holdback_transition(promotion: Entry, rollout: Rollout) -> Transition:
    """The former champion beside the promoted one, with a salt of its own.

    In the log, the arm ``challenger`` is then what the former champion answers.
    """
    assert promotion.champion_before is not None
    return Transition(
        challenger=promotion.champion_before,
        stage=Stage.HOLDBACK,
        share=rollout.canary.holdback,
        salt=_salt(promotion),
    )


def waiting(entries: Iterable[Entry]) -> Entry | None:
    """The newest challenger that was not put on trial yet, if it still meets its champion."""
    chain = list(entries)
    started = {entry.transition.challenger for entry in chain if entry.transition}
    champion = chain[-1].champion_after if chain else None
    found = [
        entry
        for entry in chain
        if entry.outcome == Outcome.START_ROLLOUT
        and entry.candidate not in started
        and entry.champion_after == champion
    ]
    return found[-1] if found else None


def trial(entries: Iterable[Entry]) -> Trial | None:
    """Who is on trial, and where it stands; none when nobody is."""
    standing: Trial | None = None
    asked: dict[str, Entry] = {}
    for entry in entries:
        if entry.outcome == Outcome.START_ROLLOUT and entry.candidate:
            asked[entry.candidate] = entry
        if entry.transition is None:
            if standing is not None and entry.moves:
                standing = standing.model_copy(update={"void": True})
            continue
        if entry.transition.stage not in ON_TRIAL:
            standing = None
        elif standing is None or standing.challenger != entry.transition.challenger:
            standing = _begun(entry, entry.transition, asked[entry.transition.challenger])
        else:
            first = standing.canary_since
            if entry.transition.stage is Stage.CANARY and first is None:
                first = entry.recorded_at
            update = {"move": entry.transition, "since": entry.recorded_at, "canary_since": first}
            standing = standing.model_copy(update=update)
    return standing


def _begun(entry: Entry, move: Transition, question: Entry) -> Trial:
    assert entry.champion_before is not None
    return Trial(
        model=entry.model,
        challenger=move.challenger,
        champion=entry.champion_before,
        question=question,
        transition=move,
        since=entry.recorded_at,
    )


def _salt(began: Entry) -> str:
    """Of whatever begins with this entry alone: who is in which arm carries over from no other."""
    return digest_of({"model": began.model, "run": began.run, "entry": began.hash})[:32]


def shadow_transition(question: Entry, rollout: Rollout) -> Transition:
    """Into shadow, with a salt of its own."""
    assert question.candidate is not None
    return Transition(
        challenger=question.candidate,
        stage=Stage.SHADOW,
        shadow_share=rollout.shadow.share,
        salt=_salt(question),
    )


def next_transition(standing: Trial, rollout: Rollout) -> Transition | None:
    """The next stage of the ramp, shadow being before the first; none after the last."""
    move = standing.transition
    step = 0 if move.stage is Stage.SHADOW else move.step + 1
    if step >= len(rollout.canary.stages):
        return None
    share = rollout.canary.stages[step]
    update = {"stage": Stage.CANARY, "step": step, "share": share, "shadow_share": 0.0}
    return move.model_copy(update=update)


def final_transition(standing: Trial | Holdback, stage: Stage) -> Transition:
    """Off live traffic: promoted, or ended."""
    return standing.transition.model_copy(
        update={"stage": stage, "share": 0.0, "shadow_share": 0.0}
    )


def is_due(standing: Trial, rollout: Rollout, now: datetime) -> bool:
    """Whether the present stage of the ramp has lasted as long as it should."""
    lasts = rollout.shadow.duration
    if standing.transition.stage is Stage.CANARY:
        lasts = rollout.canary.stage_duration
    return now >= standing.since + lasts


def record_transition(
    question: Entry,
    move: Transition,
    findings: tuple[Finding, ...],
    why: str,
    ledger: Ledger,
    as_of: datetime,
) -> Entry:
    """Append a move of a trial that does not change the champion; the same move once.

    Arguments:
        question: the decision that made the version a challenger; for a holdback the promotion.
        move: where to.
        findings: what it follows from.
        why: in words.
        as_of: the instant that the evidence stands at.

    Raises:
        GauntletError: when the move is not a legal one from where the trial stands.
        StaleEvidenceError: when another process wrote to the ledger first.
    """
    chain = ledger.entries(question.model, question.lineage)
    run = f"{question.run}.{move.stage}.{move.step}"
    done = [entry for entry in chain if entry.run == run and entry.kind == "rollout"]
    if done:
        return done[0]
    _check_legal(question, chain, move)
    draft = NewEntry(
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
        transition=move,
    )
    return ledger.append(draft, after=chain[-1].sequence)


def sync_challenger_alias(model: str, ledger: Ledger, aliases: Aliases) -> Trial | None:
    """Point the alias ``challenger`` at what stands beside the champion; returns the trial.

    The ledger decides, so this is safe to repeat, and to do after any move.
    """
    while True:
        chain = ledger.entries(model)
        move = beside(chain)
        version = move.challenger if move else None
        if aliases.alias(model, CHALLENGER) != version:
            aliases.set_alias(model, CHALLENGER, version)
        if ledger.head(model) == (chain[-1] if chain else None):
            return trial(chain)


def ramp_of(entries: Iterable[Entry], salt: str) -> Ramp:
    """The shares that the moves under one salt have set so far.

    Arguments:
        entries: a model's ledger, oldest first.
        salt: of a canary or a holdback.
    """
    moves = [
        (e.recorded_at, e.transition.share)
        for e in entries
        if e.transition and e.transition.salt == salt
    ]
    shares = [(since, share) for since, share in moves if share > 0]
    return Ramp(
        salt=salt,
        since=tuple(since for since, _ in shares),
        shares=tuple(share for _, share in shares),
    )


def beside(entries: Iterable[Entry]) -> Transition | None:
    """The move by which a version stands beside the champion on live traffic; none: alone."""
    chain = list(entries)
    standing, watched = trial(chain), holdback(chain)
    if standing is not None:
        return None if standing.void else standing.transition
    return watched.transition if watched else None


def _check_legal(question: Entry, chain: tuple[Entry, ...], move: Transition) -> None:
    standing, watched = trial(chain), holdback(chain)
    mine = standing is not None and standing.challenger == move.challenger
    before = standing.transition if standing and mine else None
    if standing is None and watched is not None:
        mine = watched.former == move.challenger
        before = watched.transition
    legal = move.stage in _LEGAL[before.stage if before else None]
    if before is None and move.stage is Stage.HOLDBACK:
        legal = unwatched(chain) == question
    if before and move.stage is Stage.CANARY:
        follows = before.step + 1 if before.stage is Stage.CANARY else 0
        legal = legal and move.step == follows
    on_trial = standing or watched
    if on_trial is not None and not mine:
        legal = False
    if standing is not None and standing.void and move.stage is not Stage.ENDED:
        legal = False
    if not legal:
        there = (
            f"{on_trial.transition.challenger} in {on_trial.transition.stage}" if on_trial else ""
        )
        void = ", whose champion changed since" if standing and standing.void else ""
        raise GauntletError(
            f"version {move.challenger} cannot go to {move.stage}",
            where=f"{question.model}, lineage {question.lineage}",
            got=(there or "nobody on trial") + void,
            wanted="shadow, canary stage by stage, then promoted or ended",
            hint=f"`gauntlet release {question.model}` makes the next legal move",
        )
