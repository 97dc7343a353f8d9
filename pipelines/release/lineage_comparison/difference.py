"""Why two decisions as of the same instant differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipelines.core.findings import Gate, Verdict
from pipelines.gates.recent_window.record import Evaluation
from pipelines.packaging.origin import Origin
from pipelines.release.ledger import Entry
from pipelines.spec.model import ModelSpec


class Difference(StrEnum):
    """What two decisions differ by."""

    EARLIER_WEEK = "earlier_week"  # the champions that they judged against are not the same
    RECIPE = "recipe"  # the candidates were declared differently
    DECLARATION = "declaration"  # the recipe is the same, and gates or schedules differ
    RANDOMNESS = "randomness"  # only the seeds differ, or nothing that is recorded
    DATA_REVISION = "data_revision"  # events arrived or were changed between the two runs
    LABEL_MATURITY = "label_maturity"  # the same points, and fewer of them had a label in one run
    ENVIRONMENT = "environment"  # Python, a library or the machine's architecture
    CODE = "code"  # this project
    RELEASE = "release"  # both passed every gate; only one needed live traffic or an approval
    BUDGET = "budget"  # the lineages have error budgets of their own
    UNKNOWN = "unknown"  # nothing of the ledger, and a version does not say what made it


@dataclass(frozen=True)
class CandidateFacts:
    """What a registered candidate says about its origin.

    Arguments:
        spec: its declaration.
        evaluation: on its recent window.
        origin: code and environment; ``None`` for a version of an earlier release.
    """

    spec: ModelSpec
    evaluation: Evaluation
    origin: Origin | None


def differences(
    one: Entry,
    other: Entry,
    facts_of: Callable[[str | None], CandidateFacts | None],
    *,
    same_champions: bool,
) -> tuple[Difference, ...]:
    """Everything by which two decisions differ; empty if outcome and findings are the same.

    Arguments:
        one, other: the decisions.
        facts_of: what a candidate says about its origin; called only for decisions that differ.
        same_champions: whether they judged against champions that correspond.
    """
    if one.outcome == other.outcome and _values(one) == _values(other):
        return ()
    facts = (facts_of(one.candidate), facts_of(other.candidate))
    found = list(_found(one, other, facts, same_champions=same_champions))
    if not found and _values(one) == _values(other):
        return (Difference.BUDGET,)
    if not found:
        known = all(one is not None and one.origin is not None for one in facts)
        return (Difference.RANDOMNESS if known else Difference.UNKNOWN,)
    return tuple(found)


def _found(
    one: Entry,
    other: Entry,
    facts: tuple[CandidateFacts | None, CandidateFacts | None],
    *,
    same_champions: bool,
) -> Iterator[Difference]:
    first, second = facts
    if not same_champions:
        yield Difference.EARLIER_WEEK
    needs = _needs_besides_gates(one), _needs_besides_gates(other)
    if one.outcome != other.outcome and None not in needs and needs[0] != needs[1]:
        yield Difference.RELEASE
    if one.recipe != other.recipe:
        yield Difference.RECIPE
    elif one.spec != other.spec:
        yield from _declared(first, second)
    if one.snapshot != other.snapshot:
        yield _data(first, second)
    made = [None if one is None else one.origin for one in facts]
    if made[0] is not None and made[1] is not None:
        if made[0].environment != made[1].environment:
            yield Difference.ENVIRONMENT
        if made[0].code != made[1].code:
            yield Difference.CODE


def _needs_besides_gates(entry: Entry) -> tuple[str, str] | None:
    """What a candidate needs that passed every gate; ``None`` for any other candidate."""
    decision, facts = entry.decision, entry.facts
    if decision is None or facts is None:
        return None
    passed = all(gate.verdict is Verdict.PASS for gate in decision.gates)
    return (facts.rollout, facts.review) if passed else None


def _declared(first: CandidateFacts | None, second: CandidateFacts | None) -> Iterator[Difference]:
    """What two declarations of one recipe differ by.

    A backfill has no rollout, so rollouts are not compared where both declarations are known.
    """
    if first is None or second is None:
        yield Difference.DECLARATION
        return
    one, other = (facts.spec.without_rollout() for facts in (first, second))
    if one.seeds != other.seeds:
        yield Difference.RANDOMNESS
    if one.model_copy(update={"seeds": other.seeds}).digest != other.digest:
        yield Difference.DECLARATION


def _data(first: CandidateFacts | None, second: CandidateFacts | None) -> Difference:
    """Whether only labels were missing in one of two runs."""
    if first is not None and second is not None:
        one, other = first.evaluation, second.evaluation
        if (one.window, one.rows) == (other.window, other.rows) and one.labelled != other.labelled:
            return Difference.LABEL_MATURITY
    return Difference.DATA_REVISION


def _values(entry: Entry) -> dict[str, tuple[str, float | None]]:
    """Verdict and value of each finding, without those of the error budget."""
    return {
        finding.name: (finding.verdict.value, finding.value)
        for finding in entry.findings
        if finding.gate is not Gate.BUDGET
    }
