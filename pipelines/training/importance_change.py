"""Which features matter more, or less, than they did."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Record
from pipelines.stats.holm import holm
from pipelines.stats.independent import EstimatedMean, difference_of
from pipelines.training.importance import Importance


class ImportanceChange(Record):
    """The importance of one feature on earlier and on later rows, in the metric's unit."""

    feature: str
    earlier: float
    later: float
    difference: EstimatedMean = Field(description="later minus earlier")
    p_value: float = Field(description="two-sided, of no change, after Holm over all features")
    moved: bool = Field(description="shown to have changed, by enough to matter")


def importance_changes(
    earlier: Importance, later: Importance, *, alpha: float, effect: float
) -> tuple[ImportanceChange, ...]:
    """Compare the features that both have, the largest change first.

    Arguments:
        earlier, later: of the same metric. Rows of both make the test conservative.
        alpha: chance of naming any feature while none has changed.
        effect: smallest change that matters, in the metric's unit.
    """
    both = [name for name in later.features if name in earlier.features]
    found = {
        name: difference_of(earlier.features[name].loss, later.features[name].loss) for name in both
    }
    adjusted = dict(zip(both, holm([one.p_value for one in found.values()]), strict=True))
    changes = [
        ImportanceChange(
            feature=name,
            earlier=earlier.features[name].loss.estimate,
            later=later.features[name].loss.estimate,
            difference=found[name],
            p_value=float(adjusted[name]),
            moved=bool(adjusted[name] <= alpha and abs(found[name].estimate) >= effect),
        )
        for name in both
    ]
    return tuple(sorted(changes, key=lambda one: -abs(one.difference.estimate)))
