"""Findings of the gate that judges updates of a champion."""

from __future__ import annotations

from pipelines.gates.catalogue.entry import FindingEntry

UPDATE = (
    FindingEntry(
        "update.not_worse",
        "Updates are not shown to be harmless on the recent window, whose points were answered "
        "before they were learned. `fail`: they are shown to do harm, and the version that was "
        "fitted last is champion again.",
        "`fail`: retrain, with a smaller learning rate or without `update`. `inconclusive`: the "
        "reason says which harm these points can exclude.",
    ),
    FindingEntry(
        "update.answers",
        "An interval of new points moves the answers further than earlier ones did. `no_data`: too "
        "few earlier intervals for a bound.",
        "Look at the labels and values of the interval that the reason names. If they are wrong, "
        "`gauntlet mark-broken` excludes them; if the world has changed, retrain.",
    ),
    FindingEntry(
        "update.labels",
        "The labels of an interval of new points contradict the answers to them more than those of "
        "earlier intervals did. `no_data`: too few earlier intervals for a bound.",
        "As for `update.answers`. It also fails when the world changes from one hour to the next.",
    ),
    FindingEntry(
        "update.error",
        "The updated model is worse on the recent window than the champion, by more than the "
        "minimum effect.",
        "As for `update.answers`: the new points teach it something that recent points contradict.",
        "depends",
    ),
)
