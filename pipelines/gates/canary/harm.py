"""Tests for harm by the challenger, valid at any time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pipelines.core.findings import Finding, Interval, Measurement, Verdict, make_finding
from pipelines.gates.canary.looks import target_information
from pipelines.gates.canary.messages import describe_difference, too_few_units
from pipelines.gates.canary.sums import CanaryEvidence
from pipelines.spec.rollout import Canary, LiveMetric
from pipelines.stats.sequential.anytime import anytime_below
from pipelines.stats.sequential.group_sequential import planned_information
from pipelines.stats.undefined import NoVariation, Undefined

HARM_TUNING = 0.15  # share of the planned information at which the harm bound is tightest


def stopping_reason(
    findings: Iterable[Finding],
) -> tuple[Literal["void", "roll_back"], list[str]] | None:
    """Return why a comparison has to stop immediately.

    Returns:
        ``void`` if a sample ratio check failed, else ``roll_back`` if harm was shown, each with
        the reasons of the failed findings; None if the comparison may continue.
    """
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    if unequal := [f.reason for f in failed if f.name.startswith("canary.sample_ratio.")]:
        return "void", unequal
    if harmed := [f.reason for f in failed if f.name.startswith("canary.harm.")]:
        return "roll_back", harmed
    return None


def harm_findings(
    evidence: CanaryEvidence, canary: Canary, level: float, margin: float = 0.0
) -> Iterator[Finding]:
    """Test the outcome, guardrails and segments for harm, with bounds that are valid at any time.

    Guardrails and segments share their level equally (union bound), so the chance of a false alarm
    from any of them is at most that level, however they depend on each other.

    Arguments:
        evidence: sums of the canary.
        canary: the declaration of the canary.
        level: one-sided level of this canary.
        margin: loss of the outcome that is allowed, in its unit, at least 0.
    """
    yield _harm(
        evidence,
        canary,
        canary.outcome,
        0.0 - margin,
        target_information(canary, level),
        canary.harm_alpha,
    )
    for guard in canary.guards:
        information = planned_information(guard.margin, canary.guardrail_alpha, canary.power)
        alpha = canary.guardrail_alpha / len(canary.guards)
        yield _harm(evidence, canary, guard, -guard.margin, information, alpha)


def _harm(
    evidence: CanaryEvidence,
    canary: Canary,
    metric: LiveMetric,
    limit: float,
    information: float,
    alpha: float,
) -> Finding:
    name, units = f"canary.harm.{metric.key}", evidence.to_date.units(metric.key)
    if min(units) < canary.minimum_entities:
        return make_finding(
            name,
            Verdict.NO_DATA,
            metric.where + too_few_units(units, canary),
            Measurement(rows=sum(units)),
        )
    try:
        difference = evidence.to_date.difference(metric)
    except NoVariation as same:
        verdict = Verdict.PASS if same.difference == 0 else Verdict.NO_DATA
        return make_finding(
            name,
            verdict,
            f"{metric.where}{metric.name} is constant in both arms",
            Measurement(rows=sum(units)),
        )
    except Undefined as undefined:
        return make_finding(
            name, Verdict.NO_DATA, metric.where + undefined.what, Measurement(rows=sum(units))
        )
    bound = anytime_below(
        difference.estimate, difference.standard_error, limit, HARM_TUNING * information, alpha
    )
    shown = bound.p_value <= alpha
    return make_finding(
        name,
        Verdict.FAIL if shown else Verdict.PASS,
        f"{metric.where}{'worse' if shown else 'not shown to be worse'} than {limit:g}: "
        f"{describe_difference(metric, difference)}, upper bound {bound.at_most:.4g} at any time, "
        f"p = {bound.p_value:.2g}, level {alpha:.3g}",
        Measurement(
            value=difference.estimate,
            interval=Interval(low=None, high=bound.at_most, level=bound.level),
            threshold=limit,
            unit=metric.name,
            rows=sum(units),
        ),
    )
