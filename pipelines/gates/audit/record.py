"""The record of an audit; its size does not grow with the data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipelines.core.findings import Finding, Verdict, overall
from pipelines.core.records import Instant, Record
from pipelines.drift.domain_classifier import Method
from pipelines.gates.recent_window.record import Comparison
from pipelines.stats.reweighting import ThreeTerms
from pipelines.stats.shapley import Decomposition
from pipelines.stats.two_sample_auc import TwoSampleAuc
from pipelines.training.row_sets import Side

Columns = Literal["features", "surroundings"]


class PopulationFacts(Record):
    """One population: ``champion_training``, ``candidate_holdout``, ``live`` ..."""

    name: str
    rows: int
    labelled: int
    entities: int
    mean_label: float | None


class Movement(Record):
    """Rows that left and entered a population when the recipe changed."""

    population: Literal["training", "holdout"]
    left_rows: int
    left_share: float = Field(description="of the champion's rows, 0 to 1")
    left: str = Field(description="in words; empty if no row left")
    entered_rows: int
    entered_share: float = Field(description="of the candidate's rows, 0 to 1")
    entered: str


class Score(Record):
    """The metric of one recipe on one population; losses are positive."""

    model: Side
    points: Side
    labels: Side
    value: float


class Distance(Record):
    """How well one classifier separates two populations by some columns."""

    first: str
    second: str
    columns: Columns
    method: Method
    auc: TwoSampleAuc


class Weighted(Record):
    """The gain on the candidate's own holdout, weighted to look like the live population."""

    gain: float
    effective_share: float
    clipped_share: float
    outside_share: float = Field(description="live rows unlike any of the holdout's")


class ShiftTerms(Record):
    """Why an arm's score differs between its own holdout and the live population."""

    model: Side
    terms: ThreeTerms


class LabelRules(Record):
    """Both label rules on the same live rows."""

    rows: int = Field(description="with a label under either rule")
    differ_share: float
    kappa: float | None = Field(description="Cohen's, of two classes; none for numbers")
    gain_old: float | None = Field(description="live gain under the champion's rule")
    gain_new: float | None = Field(description="live gain under the candidate's rule")


class Refits(Record):
    """Both recipes fitted again: how much of the gain is noise."""

    how: Literal["seeds", "resampled rows"]
    gain: float = Field(description="of the first fit of each, on live points, in utility")
    gains: tuple[float, ...] = Field(description="of each pair of refits")
    spread_champion: float = Field(description="standard deviation of the champion's own refits")
    noise: float = Field(description="gain that such refits reach with no better recipe")

    @property
    def expected(self) -> float:
        """Gain that another refit would have on average."""
        return sum(self.gains) / len(self.gains)

    @property
    def luck_share(self) -> float | None:
        """Share of the apparent gain, 0 to 1, that another refit would not have."""
        return min(max(1 - self.expected / self.gain, 0.0), 1.0) if self.gain > 0 else None


class Audit(Record):
    """The offline difference of a changed recipe, split into its causes."""

    model: str
    as_of: Instant
    champion: str = Field(description="version, or what the candidate is compared with")
    changes: tuple[str, ...] = Field(description="what differs between the recipes")
    metric: str
    higher_is_better: bool
    populations: tuple[PopulationFacts, ...]
    movements: tuple[Movement, ...]
    scores: tuple[Score, ...]
    own: Decomposition | None = Field(
        description="own-holdout gain in utility; terms: model, rows, labels; none: undefined"
    )
    live: Comparison | None = Field(description="both arms on the live population; none: undefined")
    live_new_labels: Comparison | None
    weighted: Weighted | None
    shifts: tuple[ShiftTerms, ...]
    distances: tuple[Distance, ...]
    classifier_rows: int = Field(description="rows of each population that classifiers read")
    labels: LabelRules | None
    refits: Refits | None
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict over all blocking findings."""
        return overall(self.findings)

    def with_findings(self, findings: tuple[Finding, ...]) -> Audit:
        """The same numbers with the findings that they give."""
        return self.model_copy(update={"findings": findings})

    def finding(self, name: str) -> Finding:
        """The finding of that name."""
        return next(finding for finding in self.findings if finding.name == name)

    def distance(self, first: str, second: str) -> Distance | None:
        """The largest of two populations' distances; none when they were not told apart."""
        pairs = ({first, second},)
        found = [each for each in self.distances if {each.first, each.second} in pairs]
        return max(found, key=lambda each: each.auc.area, default=None)
