"""The part of a review page about what the candidate's predictions depend on."""

from __future__ import annotations

from pipelines.reporting.markdown import interval_text, number, table
from pipelines.training.importance import Importance
from pipelines.training.importance_change import importance_changes

MOST = 8
LEVEL = 0.95


def importance_section(
    candidate: Importance | None, champion: Importance | None, effect: float
) -> str:
    """The most important features, and those whose importance differs from the champion's.

    Arguments:
        candidate: of its twin on the recent window; ``None`` gives an empty section.
        champion: of its twin on its own recent window.
        effect: smallest change that matters, in the metric's unit.
    """
    if candidate is None or not candidate.features:
        return ""
    comparable = champion if champion is not None and champion.metric == candidate.metric else None
    changes = (
        importance_changes(comparable, candidate, alpha=1 - LEVEL, effect=effect)
        if comparable
        else ()
    )
    moved = {one.feature for one in changes if one.moved}
    before = {one.feature: one.earlier for one in changes}
    losses = {name: one.loss for name, one in candidate.features.items()}
    order = sorted(losses, key=lambda name: (name not in moved, -losses[name].estimate))
    rows = [
        (
            name,
            number(losses[name].estimate),
            interval_text(losses[name].interval(LEVEL)),
            number(before[name]) if name in before else "",
            "changed" if name in moved else "",
        )
        for name in order[:MOST]
    ]
    shown = f" ({len(rows)} of {len(order)})" if len(rows) < len(order) else ""
    note = (
        f"What {candidate.metric} loses if the values of a feature are shuffled, measured on "
        f"{candidate.rows:,} rows of the recent window; the champion's on its own."
    )
    head = ("feature", "candidate", "interval", "champion", "")
    return f"### Importance of features{shown}\n\n{table(head, rows)}\n\n{note}"
