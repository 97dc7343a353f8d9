"""The transitions of a declared rollout: shadow, each stage of the canary, the end."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.core.errors import GauntletError
from pipelines.core.records import digest_of
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.predictions.segments import SegmentValues
from pipelines.release.ledger import Entry
from pipelines.release.rollout.state import Holdback, Trial
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.spec.rollout import Rollout


def shadow_transition(
    admission: Entry, rollout: Rollout, apart: SegmentValues | None = None
) -> Transition:
    """The transition into shadow, with its own salt.

    Arguments:
        admission: the decision that made a version a challenger.
        rollout: the rollout that the version declares.
        apart: segments that stay out of the arms.

    Raises:
        GauntletError: the entry is not about a registered version.
    """
    return Transition(
        challenger=_version(admission.candidate, admission),
        stage=Stage.SHADOW,
        shadow_share=rollout.shadow.share,
        salt=_salt(admission),
        apart=apart,
    )


def next_transition(trial: Trial, rollout: Rollout) -> Transition | None:
    """The next stage of the canary: the first one after shadow, None after the last one."""
    now = trial.transition
    step = 0 if now.stage is Stage.SHADOW else now.step + 1
    if step >= len(rollout.canary.stages):
        return None
    share = rollout.canary.stages[step]
    update = {"stage": Stage.CANARY, "step": step, "share": share, "shadow_share": 0.0}
    return now.model_copy(update=update)


def without_segments(trial: Trial, column: str, values: Sequence[str]) -> Transition:
    """The present stage of a canary, which further segments have left.

    Arguments:
        trial: the canary.
        column: the key that the segments are values of.
        values: the segments that leave now.
    """
    before = trial.transition.apart.values if trial.transition.apart else ()
    apart = SegmentValues(column=column, values=tuple(sorted({*before, *values})))
    return trial.transition.model_copy(update={"apart": apart})


def final_transition(
    active: Trial | Holdback, stage: Stage, gain: RefreshGain | None = None
) -> Transition:
    """The transition that takes the challenger off live traffic: promoted or ended.

    Arguments:
        active: what ends.
        stage: how it ends.
        gain: what a refresh gained in its canary; None where there is no such measurement.
    """
    update = {"stage": stage, "share": 0.0, "shadow_share": 0.0, "gain": gain}
    return active.transition.model_copy(update=update)


def holdback_transition(
    promotion: Entry, rollout: Rollout, apart: SegmentValues | None = None
) -> Transition:
    """The transition into a holdback of the former champion, with its own salt.

    In the prediction log, the former champion's arm is then called ``challenger``.

    Raises:
        GauntletError: the promoted version had no champion before it.
    """
    return Transition(
        challenger=_version(promotion.champion_before, promotion),
        stage=Stage.HOLDBACK,
        share=rollout.canary.holdback,
        salt=_salt(promotion),
        apart=apart,
    )


def _version(version: str | None, entry: Entry) -> str:
    if version is None:
        raise GauntletError(
            "an entry names no version that could answer beside the champion",
            where=f"ledger of {entry.model}, entry {entry.sequence} ({entry.kind})",
        )
    return version


def _salt(entry: Entry) -> str:
    """A salt derived from one entry, so that each rollout assigns entities to arms afresh."""
    return digest_of({"model": entry.model, "run": entry.run, "entry": entry.hash})[:32]
