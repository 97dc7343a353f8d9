"""Findings of the gates that judge a challenger on live traffic: shadow and canary."""

from __future__ import annotations

from pipelines.gates.catalogue.entry import FindingEntry

SHADOW = (
    FindingEntry(
        "shadow.requests",
        "Too few requests were answered in shadow.",
        "Check that the service runs, the log ships and the alias `challenger` exists; or wait.",
    ),
    FindingEntry(
        "shadow.errors",
        "The challenger left too many requests unanswered.",
        "Read the service's log and `gauntlet_failures_total`.",
    ),
    FindingEntry(
        "shadow.latency",
        "The challenger's 99 % latency is too far above the champion's.",
        "Make the model smaller, or allow more with `max_latency_increase`.",
    ),
    FindingEntry(
        "shadow.agreement",
        "Too many predictions differ by more than the declared tolerance.",
        "Look at examples before any user sees them. Without a tolerance it is only shown.",
        "depends",
    ),
    FindingEntry(
        "shadow.slice.<column>.<value>",
        "Too many predictions differ in one declared slice.",
        "Look at examples of this slice. Only a `fail` stops the challenger.",
        "depends",
    ),
    FindingEntry(
        "shadow.losses",
        "The challenger's loss on the same matured requests is larger. Only for models whose "
        "predictions do not affect outcomes.",
        "Wait for newer data. The reason says what the data can detect. Only a `fail` "
        "stops a refresh.",
        "depends",
    ),
)

CANARY = (
    FindingEntry(
        "canary.sample_ratio.assigned",
        "The arms differ in their number of entities. The canary is void.",
        "Find a process with another plan, a client that caches answers, or lost logs.",
    ),
    FindingEntry(
        "canary.sample_ratio.labelled",
        "The arms differ in their number of entities with an outcome. The canary is void.",
        "Find why outcomes are lost in one arm.",
    ),
    FindingEntry(
        "canary.sample_ratio.assignment",
        "A logged arm is not the one that the hash assigns. The canary is void.",
        "Find a process with another plan or salt, or a client that keeps answers.",
    ),
    FindingEntry(
        "canary.harm.<metric>",
        "The challenger is shown to be worse, beyond the margin of a guardrail. It is rolled back.",
        "Nothing is urgent: the champion answers again. Tell the model's owner.",
    ),
    FindingEntry(
        "canary.harm.<metric>.<column>.<value>",
        "The challenger is shown to harm one declared segment. It is rolled back; with "
        "`promote: segments`, the segment leaves the canary.",
        "Ask the segment's owner; the overall result may look fine.",
    ),
    FindingEntry(
        "canary.maturity",
        "Outcomes of matured weeks are missing.",
        "Look at the feed of labels. The canary waits and cannot win.",
    ),
    FindingEntry(
        "canary.late_outcomes",
        "More outcome events arrive after their declared delay in one arm than in the other.",
        "Find what reports late in that arm, declare a longer `delay`, start another canary.",
    ),
    FindingEntry(
        "canary.weekdays",
        "Fewer than two whole weeks have matured, or days are missing.",
        "Wait; look for missing days in the log.",
    ),
    FindingEntry(
        "canary.primary",
        "Whether the challenger is better, at a planned look and by that look's bound.",
        "Wait for the next look.",
    ),
    FindingEntry(
        "canary.guardrail.<metric>",
        "Whether a guardrail is shown not to be worse by more than its margin.",
        "`fail`: do not promote. `inconclusive`, `no_data`: wait for more entities.",
    ),
    FindingEntry(
        "canary.guardrail.<metric>.<column>.<value>",
        "Whether one declared segment is shown not to be worse by more than its margin.",
        "`no_data`: the segment has too few entities; wait, or declare larger segments next time.",
    ),
    FindingEntry(
        "canary.segment_gain.<column>.<value>",
        "Whether one declared segment is shown to gain, at the last look. Only with "
        "`rollout.canary.promote: segments`.",
        "`fail`: it is shown to lose, so the version is not promoted for all. `inconclusive`: it "
        "keeps its champion.",
        "depends",
    ),
    FindingEntry(
        "canary.refresh_week",
        "Whether a refresh has answered for a week without harm. Only where predictions do not "
        "affect outcomes, or refreshing is proved to pay.",
        "Wait. `no_data` in `canary.harm` means that a metric has too few entities.",
    ),
    FindingEntry(
        "canary.refreshes_pay",
        "Whether the canaries of this recipe's refreshes together prove that refreshing pays, each "
        "counted as at most one margin. Only where predictions affect outcomes.",
        "Nothing: once it passes, later canaries of refreshes end after a week without harm.",
        "no",
    ),
    FindingEntry(
        "canary.last_week",
        "Whether the newest matured week alone looks better.",
        "Wait: novelty may have worn off.",
    ),
    FindingEntry(
        "canary.futility",
        "The chance of still winning if the minimum effect is true.",
        "Nothing: below the declared limit the canary ends by itself.",
        "no",
    ),
    FindingEntry(
        "canary.corrected_gain",
        "The gain, corrected if the canary stopped because it looked good.",
        "Nothing: use it as the expected gain.",
        "no",
    ),
    FindingEntry(
        "canary.realised_gain",
        "Whether the holdback measures less than the gain that was expected at the promotion.",
        "Review the promotion; the holdback reverses it only if harm is shown.",
        "no",
    ),
)
