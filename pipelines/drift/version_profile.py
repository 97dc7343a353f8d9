"""What a version keeps of its training for monitoring: ``profile.json``."""

from __future__ import annotations

from pydantic import Field

from pipelines.core.records import Record
from pipelines.drift.multivariate import JointSpace
from pipelines.drift.profile import Profile
from pipelines.drift.week_inside import WeekInside

LABEL, PREDICTION = "label", "prediction"


class VersionProfile(Record):
    """``profile.json`` of a version: what monitoring compares fresh rows with."""

    training: Profile = Field(
        description="inputs and label of the rows that the serving model was trained on"
    )
    predictions: Profile = Field(
        description="answers of the judged twin, and in earlier weeks of earlier fits of its "
        "recipe, each to rows that it was not trained on; of more than two classes, the most "
        "probable one"
    )
    space: JointSpace | None = Field(
        default=None, description="of the inputs that are numbers; none: fewer than two"
    )
    joint: Profile | None = Field(default=None, description="of joint_rows of the training rows")
    inside: tuple[WeekInside, ...] = Field(
        default=(),
        description="rows of each training week in the range of the others, oldest first; empty: "
        "not counted",
    )
