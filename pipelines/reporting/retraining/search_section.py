"""The part of a review page about the search of parameters; it decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pipelines.core.markup import markdown_code, markdown_text
from pipelines.reporting.markdown import number, table
from pipelines.training.search.result import SearchedParameters, SearchResult

if TYPE_CHECKING:
    from pipelines.spec.estimator import Search, SearchedValue
    from pipelines.spec.model import ModelSpec

MOST = 6
_FITS = {"candidate": "the twin, which was judged", "refit": "the refit, which serves"}


def search_section(searches: Mapping[str, SearchResult], spec: ModelSpec) -> str:
    """What was compared, what won by how much, and what it cost; empty without a search.

    Arguments:
        searches: by the fit whose parameters they chose, the judged one first.
        spec: the candidate's declaration.
    """
    declared = spec.estimator.search
    if not searches or declared is None:
        return ""
    (fit, first), *others = searches.items()
    order = _best_first(first, spec.metric.name.higher_is_better)
    best, halved = order[0], any(one.step > 1 for one in order)
    folds = tuple(f"fold {place}" for place, _value in enumerate(best.folds, 1))
    heads = ("combination", first.metric, *folds, *(["training rows"] if halved else []))
    rows = [
        (
            _words(one),
            number(one.value),
            *map(number, one.folds),
            *([training_rows(one)] if halved else []),
        )
        for one in order[:MOST]
    ]
    notes = (
        f"Chosen for {_FITS[fit]}.",
        _lead(order, spec),
        *(_other(best, result, _FITS[name]) for name, result in others),
        *_at_an_end(best, declared),
        _cost(first),
    )
    shown = f"{len(rows)} of {len(order)} combinations, " if len(rows) < len(order) else ""
    text = " ".join(note for note in notes if note)
    return f"### Search of parameters ({shown}best first)\n\n{table(heads, rows)}\n\n{text}"


def training_rows(one: SearchedParameters) -> str:
    """How many of the training rows compared a combination: ``all``, or such as ``1 of 3``."""
    return f"1 of {one.step}" if one.step > 1 else "all"


def _best_first(search: SearchResult, higher: bool) -> list[SearchedParameters]:
    """The chosen combination, then the others; those of later rounds first."""
    sign = -1 if higher else 1
    chosen = search.candidates[search.chosen]
    return sorted(
        search.candidates, key=lambda one: (one is not chosen, one.step, sign * one.value)
    )


def _words(one: SearchedParameters) -> str:
    return markdown_text(", ".join(f"{name} = {value}" for name, value in one.parameters.items()))


def _lead(order: list[SearchedParameters], spec: ModelSpec) -> str:
    """How far the first is ahead of the second, overall and by fold."""
    if len(order) < 2:
        return ""
    best, second = order[:2]
    lead, effect = abs(best.value - second.value), spec.metric.minimum_effect
    sign = 1 if spec.metric.name.higher_is_better else -1
    won = sum(sign * (one - two) > 0 for one, two in zip(best.folds, second.folds, strict=True))
    text = f"It is {number(lead)} better than the next"
    text += f", in {won} of {len(best.folds)} folds" if best.folds else ""
    if lead < effect:
        text += f": less than the minimum effect of {number(effect)}, so either would do"
    return f"{text}."


def _other(best: SearchedParameters, search: SearchResult, fit: str) -> str:
    chosen = search.candidates[search.chosen]
    same = chosen.parameters == best.parameters
    return f"For {fit}, {'the same' if same else _words(chosen)} was chosen."


def _at_an_end(best: SearchedParameters, declared: Search) -> Iterator[str]:
    """Numbers that are the smallest or largest of the declared ones."""
    for name, value in best.parameters.items():
        numbers = [found for one in declared.parameters[name] for found in _numbers(one)]
        for own in _numbers(value):
            if len(set(numbers)) > 2 and own in (min(numbers), max(numbers)):
                end = "smallest" if own == min(numbers) else "largest"
                yield f"{markdown_code(name)} is the {end} value declared; try others beyond it."


def _numbers(value: SearchedValue) -> Iterator[float]:
    """The value, if it is a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def _cost(search: SearchResult) -> str:
    if not search.fits:
        return ""
    return (
        f"The search made {search.fits} fits, on as many rows as {number(search.cost)} fits of "
        "the model."
    )
