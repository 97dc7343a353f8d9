"""The evaluation of the recent window: the record that gates, plots and the ledger read."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from pipelines.core.findings import Finding, Verdict, overall
from pipelines.core.records import Record
from pipelines.core.time import Window
from pipelines.stats.paired import PairedDifference


class Comparison(Record):
    """One metric of both arms on the same rows."""

    metric: str
    higher_is_better: bool
    candidate: float
    baseline: float
    difference: PairedDifference | None = Field(
        description="in utility, above zero the candidate is better; none where it is undefined"
    )

    @property
    def gain(self) -> float:
        """Candidate minus baseline in utility: above zero the candidate is better."""
        if self.difference is not None:
            return self.difference.estimate
        gain = self.candidate - self.baseline
        return gain if self.higher_is_better else 0.0 - gain


class DayDifference(Record):
    """Mean utility of candidate minus baseline on one day."""

    day: date
    rows: int
    difference: float
    candidate: float | None = Field(
        default=None, description="the metric of these rows; None: it is no mean over rows"
    )
    baseline: float | None = Field(default=None, description="the same of the other model")


class SliceDifference(Record):
    """The primary metric on one group of rows."""

    column: str
    value: str
    rows: int
    difference: PairedDifference | None
    harm_p: float | None = Field(
        description="one-sided p-value of harm beyond the margin, after Holm; none: not testable"
    )
    candidate: float | None = Field(
        default=None, description="the metric of these rows; None: it is no mean over rows"
    )
    baseline: float | None = Field(default=None, description="the same of the other model")


class SeedGain(Record):
    """The gain of one refit of the candidate, in the primary metric's utility."""

    index: int = Field(description="position in the model's seeds; 0 is the candidate")
    gain: float


class RivalComparison(Record):
    """The candidate against a simple model that was fitted on the same rows."""

    rival: str
    comparison: Comparison = Field(description="the rival is the baseline")


class Complexity(Record):
    """Whether the candidate is more complex than its task needs, in the primary metric."""

    training: float | None = Field(description="metric of the twin on its training rows")
    recent: float | None = Field(default=None, description="metric of the twin on recent rows")
    gap: float | None = Field(
        default=None, description="how much worse recent rows are than training rows"
    )
    earlier_gaps: tuple[float, ...] = Field(
        default=(), description="of earlier versions of the recipe, oldest first"
    )
    rivals: tuple[RivalComparison, ...] = ()

    @property
    def best_rival(self) -> RivalComparison | None:
        """The simple model with the best metric."""
        return min(self.rivals, key=lambda one: one.comparison.gain, default=None)


class Evaluation(Record):
    """Candidate against baseline (the champion, or the naive forecast where there is none)."""

    window: Window
    baseline: Literal["champion", "naive_forecast"]
    rows_digest: str
    rows: int = Field(description="matured decision points in the window")
    labelled: int = Field(description="of these, with a label")
    days: int
    entities: int
    comparisons: tuple[Comparison, ...] = Field(description="primary metric first")
    slices: tuple[SliceDifference, ...] = ()
    seeds: tuple[SeedGain, ...] = ()
    daily: tuple[DayDifference, ...] = ()
    findings: tuple[Finding, ...]
    complexity: Complexity | None = Field(
        default=None, description="None: it was not measured when the version was made"
    )

    @property
    def verdict(self) -> Verdict:
        """The verdict over all blocking findings."""
        return overall(self.findings)

    @property
    def primary(self) -> Comparison | None:
        """The comparison that decides, when there is one."""
        return self.comparisons[0] if self.comparisons else None
