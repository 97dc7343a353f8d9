"""Groups of rows in which the candidate must do no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipelines.core.arrays import Floats, Mask
from pipelines.core.findings import Finding, Measurement, Verdict, make_finding, slug
from pipelines.gates.recent_window.record import SliceDifference
from pipelines.spec.training import Slice
from pipelines.stats.holm import holm
from pipelines.stats.paired import PairedDifference
from pipelines.stats.undefined import NoVariation, Undefined

HARM_LEVEL = 0.05  # chance of blaming any slice falsely, over all slices of all columns
RESOLVED = 2.5  # standard errors that have to fit into the margin, else a slice says nothing
MOST_VALUES = 200  # of a column, by rows; the rest is listed as not tested
NAMED = 8  # values spelled out in a reason

Compare = Callable[[Mask], PairedDifference]


@dataclass(frozen=True)
class _Group:
    declared: Slice
    value: str
    rows: int
    difference: PairedDifference | None
    reason: str = ""  # why there is no difference, when it is not that both did the same
    range: str = ""  # of a bin

    @property
    def finding_name(self) -> str:
        return f"recent_window.slice.{self.declared.column}.{slug(self.value)}"

    @property
    def place(self) -> str:
        return f"where {self.declared.column} is {self.value}{self.range}"


def slice_findings(
    declared: tuple[Slice, ...], rows: pd.DataFrame, compare: Compare, unit: str
) -> tuple[tuple[SliceDifference, ...], list[Finding]]:
    """Every declared slice's difference, and what follows: harm beyond the margin fails.

    Harm is tested in all slices together with Holm's correction at 5 %. Slices that are too
    small or too noisy for their margin are listed in one finding that does not block; they have
    not passed.

    Arguments:
        rows: labelled rows of the window with the slices' columns.
        compare: the paired difference on the rows of a mask.
        unit: the primary metric's name.
    """
    groups = [group for part in declared for group in _groups(part, rows, compare)]
    testable = [group for group in groups if group.difference is not None]
    raw = [g.difference.p_below(-g.declared.margin) for g in testable if g.difference]
    adjusted = dict(zip(map(id, testable), holm(raw).tolist(), strict=True))
    records = tuple(
        SliceDifference(
            column=group.declared.column,
            value=group.value,
            rows=group.rows,
            difference=group.difference,
            harm_p=adjusted.get(id(group)),
        )
        for group in groups
    )
    findings: list[Finding] = []
    untested: list[tuple[_Group, str]] = []
    for group in groups:
        difference = group.difference
        if difference is None and group.reason:
            untested.append((group, group.reason))
        elif difference is None:
            findings.append(_unchanged(group))
        elif adjusted[id(group)] > HARM_LEVEL and _too_noisy(group, difference):
            shows = RESOLVED * difference.standard_error
            untested.append((group, f"only a loss above {shows:.3g} would show"))
        else:
            findings.append(_finding(group, difference, adjusted[id(group)], unit))
    return records, [*findings, *_untested(untested)]


def _groups(part: Slice, rows: pd.DataFrame, compare: Compare) -> Iterator[_Group]:
    column = rows[part.column]
    codes, values = pd.factorize(slice_values(part, column))
    counts = np.bincount(codes)
    largest_first = np.argsort(-counts, kind="stable")
    for code in largest_first[:MOST_VALUES]:
        mask = np.asarray(codes == code)
        group = _Group(part, str(values[code]), int(counts[code]), None)
        yield _compared(replace(group, range=_range(part, column, mask)), mask, compare)
    rest = counts[largest_first[MOST_VALUES:]]
    if len(rest):
        reason = f"{len(rest)} values beyond the {MOST_VALUES} largest"
        yield _Group(part, "all_others", int(rest.sum()), None, reason)


def _compared(group: _Group, mask: Mask, compare: Compare) -> _Group:
    fewest = group.declared.minimum_rows
    if group.rows < fewest:
        return replace(group, reason=f"{group.rows} rows, fewer than {fewest}")
    try:
        return replace(group, difference=compare(mask))
    except NoVariation as problem:
        return replace(group, reason=problem.what if problem.difference else "")
    except Undefined as problem:
        return replace(group, reason=problem.what)


def _too_noisy(group: _Group, difference: PairedDifference) -> bool:
    """Whether a slice without shown harm is not shown to be free of it either."""
    margin = group.declared.margin
    too_wide = margin < RESOLVED * difference.standard_error
    return too_wide and difference.p_above(-margin) > HARM_LEVEL


def slice_values(part: Slice, column: pd.Series) -> pd.Series:
    """The value of each row as text; bins are named by place, for a name that stays."""
    if part.bins is None:
        codes, values = pd.factorize(column.astype(object).where(column.notna(), "missing"))
        names = np.array([_spelled(value) for value in values], dtype=object)
        return pd.Series(names[codes], index=column.index)
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    there = numbers[~np.isnan(numbers)]
    edges = np.unique(np.quantile(there, _inner(part.bins))) if len(there) else np.empty(0)
    place = np.searchsorted(edges, numbers, side="left") + 1
    named = pd.Series(place, index=column.index).map(lambda at: f"bin_{at}_of_{len(edges) + 1}")
    return named.where(~np.isnan(numbers), "missing")


def _inner(bins: int) -> Floats:
    return np.linspace(0, 1, bins + 1)[1:-1]


def _range(part: Slice, column: pd.Series, mask: Mask) -> str:
    if part.bins is None:
        return ""
    numbers = column[mask].to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isnan(numbers).any():
        return ""
    return f" ({numbers.min():.4g} to {numbers.max():.4g})"


def _spelled(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _finding(group: _Group, difference: PairedDifference, harm: float, unit: str) -> Finding:
    margin, failed = group.declared.margin, harm <= HARM_LEVEL
    result = "is worse by more than the margin" if failed else "shows no harm beyond the margin"
    interval = difference.interval(1 - 2 * HARM_LEVEL)
    return make_finding(
        group.finding_name,
        Verdict.FAIL if failed else Verdict.PASS,
        f"{group.place}, the candidate {result} of {margin:g}: "
        f"difference {difference.estimate:.4g} ({interval.low:.4g} to {interval.high:.4g}), "
        f"p {harm:.3g} of harm after correction for all slices",
        Measurement(
            value=difference.estimate,
            interval=interval,
            threshold=-margin,
            unit=unit,
            rows=group.rows,
        ),
    )


def _unchanged(group: _Group) -> Finding:
    return make_finding(
        group.finding_name,
        Verdict.PASS,
        f"{group.place}, both models do the same on every row",
        Measurement(threshold=-group.declared.margin, rows=group.rows),
    )


def _untested(groups: list[tuple[_Group, str]]) -> list[Finding]:
    if not groups:
        return []
    named = "; ".join(
        f"{group.declared.column} {group.value}: {reason}" for group, reason in groups[:NAMED]
    )
    more = f"; and {len(groups) - NAMED} more" if len(groups) > NAMED else ""
    return [
        make_finding(
            "recent_window.slices_not_testable",
            Verdict.INCONCLUSIVE,
            f"not testable, so neither passed nor failed: {named}{more}",
            Measurement(
                value=float(len(groups)), unit="slices", rows=sum(group.rows for group, _ in groups)
            ),
            blocking=False,
        )
    ]
