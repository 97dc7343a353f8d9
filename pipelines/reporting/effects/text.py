"""Effects in words, and as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipelines.causal.assumptions import Assumption
from pipelines.causal.average import Effect
from pipelines.causal.groups import Claim, GroupEffect
from pipelines.causal.report import Advice, EffectsReport, FoundEffects, MetricEffect
from pipelines.causal.targeting import Targeting
from pipelines.core.counts import counted
from pipelines.core.time import instant_text

_GROUP_HEADINGS = ("group", "share", "challenger", "control", "effect", "95 % interval", "shown")
_AVERAGE_HEADINGS = ("metric", "estimate", "challenger", "control", "effect", "95 % interval")
_CLAIMS = {
    Claim.GAINS: "gains",
    Claim.LOSES: "LOSES",
    Claim.NOT_SHOWN: "",
    Claim.TOO_FEW: "too few entities",
}
_PREDICTED = "A model of effects, fitted on half of the entities, predicts"
_HOLDS = {True: "holds", False: "VIOLATED", None: "not checkable"}


def sentences(report: EffectsReport) -> list[str]:
    """The answer in a few sentences: on average, by group, and what follows."""
    return [
        *_void(report),
        _average(report),
        *_groups(report),
        *_found(report.found),
        *_caveats(report),
        _advice(report),
    ]


def _void(report: EffectsReport) -> Iterator[str]:
    for one in report.violated:
        yield f"Do not trust what follows: {one.reason}."


def _average(report: EffectsReport) -> str:
    best, metric = report.outcome.best, report.outcome.metric
    everybody = f"for all entities of its {report.arms}, against {control_text(report)}"
    if best.low <= 0 <= best.high:
        return (
            f"Version {report.version} is not shown to change {metric} {everybody}: "
            f"{amount(best)}, above zero is better."
        )
    verb = "raises" if (best.value > 0) == report.outcome.higher_is_better else "lowers"
    better = "better" if best.value > 0 else "worse"
    return (
        f"Version {report.version} {verb} {metric} by {magnitude(best)} {everybody}: it is "
        f"{better}."
    )


def control_text(report: EffectsReport) -> str:
    """The version in the other arm, also of segments that another one answers.

    ``version 1 (version 2 where medicine = cetirizine)``
    """
    others: dict[str, list[str]] = {}
    for one in report.controls:
        others.setdefault(one.control, []).append(one.name)
    where = [f"version {one} where {' or '.join(names)}" for one, names in others.items()]
    return f"version {report.against}" + (f" ({'; '.join(where)})" if where else "")


def _groups(report: EffectsReport) -> Iterator[str]:
    shown = _shown(report.declared)
    yield from map(_claim, shown)
    tried = sum(one.effect is not None for one in report.declared)
    if tried and not any(one.claim is Claim.LOSES for one in shown):
        yield f"None of {counted(tried, 'declared group')} is shown to lose."
    for test in report.declared_tests:
        differ = "differ" if test.differ else "are not shown to differ"
        yield f"The effects by {test.family} {differ} (p = {test.p_value:.2g})."


def _shown(groups: Sequence[GroupEffect]) -> list[GroupEffect]:
    """The groups with a claim, those that lose first."""
    shown = [one for one in groups if one.claim in (Claim.LOSES, Claim.GAINS)]
    return sorted(shown, key=lambda group: group.claim is Claim.GAINS)


def _claim(one: GroupEffect) -> str:
    if one.effect is None:
        raise ValueError("a claim has an effect")
    verb = "loses" if one.claim is Claim.LOSES else "gains"
    return f"Where {one.name}, it {verb} {magnitude(one.effect)}."


def _found(found: FoundEffects | None) -> Iterator[str]:
    """What half of the entities shows about groups that were found on the other half."""
    if found is None:
        return
    calibration = found.heterogeneity
    if calibration is None:
        yield "No property of the entities predicts different effects."
    elif not calibration.shown:
        yield (
            "Beyond that, effects are not shown to differ between entities "
            f"(p = {calibration.p_value:.2g})."
        )
    else:
        ends, p_value = calibration.interval, calibration.p_value
        yield (
            "Effects differ between entities: where 1 more is predicted, the effect is "
            f"{calibration.slope:.2g} more ({ends.low:.2g} to {ends.high:.2g}; p = {p_value:.2g})."
        )
        yield from map(_claim, _shown(found.named))
    yield _targeting(found.targeting)


def _targeting(found: Targeting) -> str:
    if found.share == 1:
        return f"{_PREDICTED} a loss for none of the others, so it gives no rule for some of them."
    if found.share == 0:
        return f"{_PREDICTED} a gain for none of the others, so it gives no rule for some of them."
    rule = f"Promoting it only for the {found.share:.0%} of entities that are predicted to gain"
    if found.over_all is None:
        return f"{rule} cannot be compared with promoting it for all: too few are left out."
    if not found.better_than_all:
        known = amount(found.over_all)
        return f"{rule} is not shown to be better than promoting it for all: {known}."
    gain = magnitude(found.over_all)
    better = f"{rule} is shown to be better than promoting it for all, by {gain} over all entities"
    return f"{better}." if found.shown else f"{better}, but not than promoting it for none."


def _caveats(report: EffectsReport) -> Iterator[str]:
    if report.arms == "canary" and report.stopped_early:
        yield (
            "The canary ended early. If its result was the reason, this effect is more extreme "
            "than the true one on average; the holdback after a promotion has no such bias."
        )
    elif report.ended is None:
        yield "The arms are still answered; intervals hold for one look, at a planned instant."
    for one in report.segment_arms:
        if one.left == report.began:
            yield f"Where {one.name}, entities are in no arm."
        elif one.left is not None:
            yield (
                f"Where {one.name}, harm was shown and the arms ended at {instant_text(one.left)}: "
                "the days before count, and their effect is more extreme than the true one on "
                "average."
            )
    yield from (f"Not measured: {note}." for note in report.notes)


def _advice(report: EffectsReport) -> str:
    losers = " and ".join(one.name for one in report.losers) or "those that are predicted to lose"
    return {
        Advice.VOID: "Find out why the arms differ before using any of this.",
        Advice.PROMOTE_FOR_SOME: "It helps some entities and harms others: declare the groups that "
        "gain and lose as segments of the next canary, with `promote: segments`.",
        Advice.PROMOTE_FOR_ALL: "The effects speak for promoting it for all.",
        Advice.REVIEW_GROUPS: f"Before promoting it for all, decide about {losers}.",
        Advice.DO_NOT_PROMOTE: "The effects speak against promoting it.",
        Advice.NOT_SHOWN: "Nothing is shown; more entities or weeks would narrow the intervals.",
    }[report.advice]


def amount(effect: Effect) -> str:
    """An effect with its interval; above zero is better.

    >>> from pipelines.core.findings import Interval
    >>> amount(Effect(value=1.5, standard_error=1, degrees=16, interval=Interval(low=-0.62,
    ...     high=3.62, level=0.95), p_value=0.15, challenger=3, control=1.5, challengers=9,
    ...     controls=9))
    '+1.5 (-0.62 to +3.62)'
    """
    return f"{effect.value:+.3g} ({effect.low:+.3g} to {effect.high:+.3g})"


def magnitude(effect: Effect) -> str:
    """The size of an effect whose sign is in the words around it."""
    low, high = sorted((effect.low, effect.high), key=abs)
    sign = 1.0 if effect.value > 0 else -1.0
    return f"{abs(effect.value):.3g} ({sign * low:.3g} to {sign * high:.3g})"


class Section(NamedTuple):
    """A table behind the answer."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def sections(report: EffectsReport) -> Iterator[Section]:
    """The tables behind the answer, in the order in which they are shown."""
    yield Section("Average effects", _AVERAGE_HEADINGS, average_rows(report))
    if report.declared:
        yield Section("Declared groups", _GROUP_HEADINGS, group_rows(report.declared))
    if report.found is not None:
        rows, note = group_rows(report.found.groups), found_note(report.found)
        yield Section("Found groups", _GROUP_HEADINGS, rows, note)
    checked = [assumption_row(one) for one in report.assumptions]
    yield Section("Assumptions", ("assumption", "", "why"), checked)


def group_rows(groups: Sequence[GroupEffect]) -> list[tuple[str, ...]]:
    """The rows of a table of groups, worst first, groups without an effect last."""
    ordered = sorted(groups, key=_place)
    return [(one.name, f"{one.share:.0%}", *_numbers(one), _CLAIMS[one.claim]) for one in ordered]


def _place(one: GroupEffect) -> tuple[bool, float]:
    return one.effect is None, 0.0 if one.effect is None else one.effect.value


def _numbers(one: GroupEffect) -> tuple[str, ...]:
    return ("", "", "", "") if one.effect is None else effect_cells(one.effect)


def found_note(found: FoundEffects) -> str:
    """How groups were found."""
    effects = [one.effect for one in found.groups if one.effect is not None]
    measured = sum(effect.challengers + effect.controls for effect in effects)
    return f"Found by {found.learner} on {found.fitted:,} entities, measured on {measured:,} others"


def average_rows(report: EffectsReport) -> list[tuple[str, ...]]:
    """The rows of a table of average effects, the outcome first."""
    return [row for one in (report.outcome, *report.others) for row in _metric_rows(one)]


def _metric_rows(one: MetricEffect) -> Iterator[tuple[str, ...]]:
    yield one.metric, "difference in means", *effect_cells(one.plain)
    if one.adjusted is not None:
        saved = f"with covariates ({one.adjusted.explained_share:.0%} of the variance)"
        yield one.metric, saved, *effect_cells(one.adjusted)


def effect_cells(effect: Effect) -> tuple[str, str, str, str]:
    """Both arms, the effect and its interval."""
    return (
        f"{effect.challenger:.4g}",
        f"{effect.control:.4g}",
        f"{effect.value:+.3g}",
        f"{effect.low:+.3g} to {effect.high:+.3g}",
    )


def assumption_row(one: Assumption) -> tuple[str, str, str]:
    """An assumption, whether it holds, and why."""
    return one.name.replace("_", " "), _HOLDS[one.holds], one.reason
