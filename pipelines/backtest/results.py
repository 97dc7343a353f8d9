"""The report of a backtest: records that a page, a table and a script read."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from pipelines.backtest.policies import Group
from pipelines.backtest.reasons import Reason
from pipelines.core.records import Instant, Record

BOUNDS = ("naive", "hindsight")  # groups of rows that are no policy


class LossDifference(Record):
    """A policy's mean loss minus that of the reference on the same points: above zero, worse."""

    estimate: float
    standard_error: float | None = Field(
        description="two-way, over days and entities; none where it is not defined"
    )

    @property
    def beyond_noise(self) -> bool:
        """Whether the difference is more than two standard errors."""
        return self.standard_error is not None and abs(self.estimate) > 2 * self.standard_error


class RecordedAgeCost(Record):
    """What a week of age costs, by the record of one Monday; in the metric's unit."""

    estimate: float
    low: float
    high: float
    weeks: int


class Stretch(Record):
    """Consecutive weeks, and how much more a policy lost in them than the best one."""

    first: date
    last: date
    excess: float = Field(description="mean loss above that of the best policy, metric's unit")


class VersionChange(Record):
    """A change of the version in force."""

    week: date
    version: date = Field(description="Monday of the version that came into force")
    replaced: date | None = Field(description="Monday of the version before; none: no version")
    stopped: bool = Field(default=False, description="a return to an earlier version")
    following: float | None = Field(
        default=None,
        description="its loss minus that of the replaced one in the four weeks that followed",
    )
    reasons: tuple[Reason, ...] = Field(
        default=(), description="findings that it rests on; none for a simple policy"
    )


class PolicyResult(Record):
    """What one policy did and what it cost."""

    name: str
    title: str
    group: Group
    refit: bool
    loss: float = Field(description="live loss: mean over the points of all weeks")
    value: float = Field(description="the same in the metric's own sign")
    difference: LossDifference | None = Field(description="to the reference; none for itself")
    promotions: int = Field(description="after the first version")
    stops: int
    ended_canaries: int = Field(default=0, description="refreshes that a canary did not promote")
    followed: int = Field(description="promotions with four scored weeks after them")
    lost: int = Field(description="of these, the replaced version did better")
    bad: int = Field(description="of these, by more than the minimum effect")
    first_version: date | None
    weeks_without_version: int
    worst: Stretch | None
    fits: int
    fit_seconds: float
    losses: tuple[float | None, ...] = Field(description="by week")
    quarters: tuple[LossDifference | None, ...] = Field(
        description="as `difference`, by 13 weeks; none where the same versions were in force"
    )
    versions: tuple[date | None, ...] = Field(description="Monday of the version, by week")
    changes: tuple[VersionChange, ...]
    held_back: dict[str, int] = Field(
        default_factory=dict, description="weeks in which a finding was against the candidate"
    )


class Choice(Record):
    """What would have been best on this history, and how sure that is."""

    declared: str
    best_simple: str = Field(description="of the policies that use no rule of Gauntlet")
    best_declaration: str = Field(description="of the declarations that were compared")
    gain: LossDifference | None = Field(
        description="the declared loss minus that of the best declaration; none: it is the best"
    )
    as_good: tuple[str, ...] = Field(
        description="declarations within two standard errors of the best one"
    )
    chosen_on_first_half: str
    second_half: LossDifference | None = Field(
        description="that one's loss minus the declared one's in the second half"
    )


class BacktestReport(Record):
    """A backtest of one model."""

    model: str
    metric: str
    higher_is_better: bool
    minimum_effect: float
    first: Instant
    end: Instant
    labels_as_of: Instant
    weeks: tuple[date, ...]
    points: tuple[int, ...] = Field(description="labelled points, by week")
    candidates: int = Field(description="Mondays on which the recipe could be fitted")
    reference: str = Field(description="the policy that differences are to")
    policies: tuple[PolicyResult, ...]
    choice: Choice
    cost_of_age: tuple[RecordedAgeCost | None, ...] = Field(
        description="by week, with a 90 % interval; none while the record is too short"
    )
    fits: int
    fit_seconds: float
    late_labels: int = Field(description="labels that changed after they had matured")
    left_out: tuple[str, ...]

    def policy(self, name: str) -> PolicyResult:
        """The result of a policy by name."""
        return next(one for one in self.policies if one.name == name)
