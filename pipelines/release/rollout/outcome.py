"""The outcome of a trial or holdback, from its ledger entry."""

from __future__ import annotations

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.gates.canary.harm import stopping_reason
from pipelines.release.ledger import NewEntry
from pipelines.release.rollout.transition import Stage

_WORDS = {"roll_back": "rolled back", "void": "void"}


def rollout_outcome(entry: NewEntry) -> str:
    """The outcome in a word or two: rolled back, void, failed in shadow, kept, inconclusive.

    Arguments:
        entry: an entry of any kind; if it ends no trial or holdback, there is no outcome.
    """
    if entry.transition is None or entry.transition.stage is not Stage.ENDED:
        return ""
    if ended := stopping_reason(entry.findings):
        return _WORDS[ended[0]]
    if not entry.findings:
        return "void"  # the champion was replaced: nothing was judged
    if any(one.gate is Gate.SHADOW and _is_negative(one) for one in entry.findings):
        return "failed in shadow"
    if any(one.name == "canary.realised_gain" for one in entry.findings):
        return "kept"
    return "inconclusive"


def _is_negative(one: Finding) -> bool:
    return one.blocking and one.verdict is not Verdict.PASS
