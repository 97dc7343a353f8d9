"""The transitions of a rollout as it was declared: shadow, each stage of the canary, the end."""

from __future__ import annotations

from pipelines.core.errors import GauntletError
from pipelines.core.records import digest_of
from pipelines.release.ledger import Entry
from pipelines.release.rollout.state import Holdback, Trial
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.spec.rollout import Rollout


def shadow_transition(admission: Entry, rollout: Rollout) -> Transition:
    """Into shadow, with a salt of its own.

    Arguments:
        admission: the decision that made a version a challenger.
        rollout: as that version declares it.

    Raises:
        GauntletError: the entry is not about a registered version.
    """
    return Transition(
        challenger=_version(admission.candidate, admission),
        stage=Stage.SHADOW,
        shadow_share=rollout.shadow.share,
        salt=_salt(admission),
    )


def next_transition(trial: Trial, rollout: Rollout) -> Transition | None:
    """The next stage of the canary, the first after shadow; None after the last."""
    now = trial.transition
    step = 0 if now.stage is Stage.SHADOW else now.step + 1
    if step >= len(rollout.canary.stages):
        return None
    share = rollout.canary.stages[step]
    update = {"stage": Stage.CANARY, "step": step, "share": share, "shadow_share": 0.0}
    return now.model_copy(update=update)


def final_transition(active: Trial | Holdback, stage: Stage) -> Transition:
    """Off live traffic: promoted, or ended."""
    update = {"stage": stage, "share": 0.0, "shadow_share": 0.0}
    return active.transition.model_copy(update=update)


def holdback_transition(promotion: Entry, rollout: Rollout) -> Transition:
    """The former champion beside the promoted one, with a salt of its own.

    In the prediction log, the former champion's arm is then called ``challenger``.

    Raises:
        GauntletError: the promoted version had no champion before it.
    """
    return Transition(
        challenger=_version(promotion.champion_before, promotion),
        stage=Stage.HOLDBACK,
        share=rollout.canary.holdback,
        salt=_salt(promotion),
    )


def _version(version: str | None, entry: Entry) -> str:
    if version is None:
        raise GauntletError(
            "an entry names no version that could answer beside the champion",
            where=f"ledger of {entry.model}, entry {entry.sequence} ({entry.kind})",
        )
    return version


def _salt(entry: Entry) -> str:
    """A salt made of one entry: the assignment to arms carries over from no other rollout."""
    return digest_of({"model": entry.model, "run": entry.run, "entry": entry.hash})[:32]
