"""Findings of the gate that checks whether production has the features of training."""

from __future__ import annotations

from pipelines.gates.catalogue.entry import FindingEntry

_LOST = "Find the owner of the column or feed; drop the feature or wait. The reason has the cost."

AVAILABILITY = (
    FindingEntry(
        "availability.leak_probe",
        "A feature changes when it is computed only from what was known at the decision point.",
        "An attribute is overwritten later, or a known time is wrong. Fix the source.",
    ),
    FindingEntry(
        "availability.staleness.<view>",
        "The stored values are older than the view's `ttl`, so production serves none of them.",
        "Run `gauntlet materialize`, find out why it stopped, and retrain as of now.",
    ),
    FindingEntry(
        "availability.online.<feature>",
        "The online store lacks too many values that the events give, or requests were served "
        "without the feature.",
        "Find what the affected entities share: a chain, a region, a late feed.",
        "depends",
    ),
    FindingEntry(
        "availability.new.<feature>",
        "The feature was never materialized.",
        "Run `gauntlet materialize`, then retrain as of a later instant.",
    ),
    FindingEntry(
        "availability.vanished.<feature>",
        "Production had the feature and has lost it, or no recent event has it.",
        _LOST,
    ),
    FindingEntry(
        "availability.online_mismatch.<feature>",
        "Values in the online store differ from the recomputed ones.",
        "The reason names the likely cause; see the availability guide.",
    ),
    FindingEntry(
        "availability.parity",
        "The logged requests match no decision point of the declaration, so nothing is compared.",
        "Check whether the declaration of the decision points has changed.",
        "no",
    ),
    FindingEntry(
        "availability.parity.<feature>",
        "Values that were served differ from the recomputed ones.",
        "The reason names the likely cause; see the availability guide.",
        "depends",
    ),
    FindingEntry(
        "availability.parity.preprocessing",
        "The champion's preprocessing turns equal inputs into different outputs.",
        "Look for types or spellings that change on the way to the model.",
    ),
    FindingEntry(
        "availability.parity.candidate_preprocessing",
        "The candidate's preprocessing turns equal inputs into different outputs.",
        "Look for types or spellings that change on the way to the model.",
    ),
    FindingEntry(
        "availability.parity.prediction",
        "The version named in the log gives other answers to the logged inputs.",
        "Check which version the service has loaded, restart it, and retrain as of now.",
    ),
    FindingEntry(
        "availability.segment_parity.<version>",
        "The logged requests of a segment's champion match no decision point of its declaration.",
        "Check whether the declaration of the decision points has changed.",
        "no",
    ),
    FindingEntry(
        "availability.segment_parity.<version>.<feature>",
        "Values that a segment's champion was served differ from the recomputed ones.",
        "The reason names the likely cause; see the availability guide.",
        "depends",
    ),
    FindingEntry(
        "availability.segment_parity.<version>.preprocessing",
        "The preprocessing of a segment's champion turns equal inputs into different outputs.",
        "Look for types or spellings that change on the way to the model.",
    ),
    FindingEntry(
        "availability.segment_parity.<version>.prediction",
        "The segment's champion named in the log gives other answers to the logged inputs.",
        "Check which version the service has loaded, restart it, and retrain as of now.",
    ),
    FindingEntry(
        "availability.serialization",
        "The model is a pickle, so loading it can run code. skops cannot store the estimator.",
        "Load the version only from a registry you trust.",
        "no",
    ),
    FindingEntry(
        "availability.serving.compiled",
        "Says whether the fast form of the model or the pipeline itself serves, and why.",
        "Nothing: both give valid answers, and the service uses the one that was verified.",
        "no",
    ),
)
