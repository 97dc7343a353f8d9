"""Changes that no column shows by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from pipelines.drift.calibration import ColumnDrift, column_drift
from pipelines.drift.multivariate import (
    ERROR,
    SEGMENT,
    JointSpace,
    SegmentShift,
    fit_space,
    joint_rows,
    segment_changes,
)
from pipelines.drift.profile import Profile, profile_like, reference_profile

NAMES = [f"x{number}" for number in range(6)]
LOADINGS = np.random.default_rng(3).normal(size=(2, 6))
DAILY = 50


def rows(weeks: int, first: int = 0) -> pd.DataFrame:
    """Six columns of two factors and noise, by week from the first Monday of 2024 on."""
    rng = np.random.default_rng([7, first])
    count = 7 * weeks * DAILY
    days = 7 * first + np.repeat(np.arange(7 * weeks), DAILY)
    values = rng.normal(size=(count, 2)) @ LOADINGS + 0.5 * rng.normal(size=(count, 6))
    frame = pd.DataFrame(values, columns=NAMES)
    start = pd.Timestamp(datetime(2024, 1, 1, tzinfo=UTC))
    return frame.assign(decision_time=start + pd.to_timedelta(days, unit="D"), text="a")


@pytest.fixture(scope="module")
def space() -> JointSpace:
    found = fit_space(rows(12), [*NAMES, "text"])
    assert found is not None
    return found


@pytest.fixture(scope="module")
def reference(space: JointSpace) -> Profile:
    return reference_profile(joint_rows(space, rows(12)), [ERROR, SEGMENT])


def drift(space: JointSpace, reference: Profile, fresh: pd.DataFrame) -> dict[str, ColumnDrift]:
    found = column_drift(reference, profile_like(reference, joint_rows(space, fresh)))
    return {one.column: one for one in found}


def test_fresh_rows_of_the_same_world_are_no_alarm(space: JointSpace, reference: Profile) -> None:
    assert space.columns == tuple(NAMES)
    assert not any(one.alarm for one in drift(space, reference, rows(2, first=12)).values())


def test_columns_that_no_longer_move_together_are_an_alarm(
    space: JointSpace, reference: Profile
) -> None:
    """Each column by itself has the same values as before."""
    fresh = rows(2, first=12)
    fresh["x0"] = -fresh["x0"]
    fresh["x3"] = np.random.default_rng(5).permutation(fresh["x3"])
    alone = reference_profile(rows(12), NAMES)
    assert not any(one.alarm for one in column_drift(alone, profile_like(alone, fresh)))
    assert drift(space, reference, fresh)[ERROR].alarm


def test_a_segment_that_grows_is_named_with_its_shares(
    space: JointSpace, reference: Profile
) -> None:
    fresh = rows(2, first=12)
    where = joint_rows(space, fresh)[SEGMENT] == "3"
    kept = (where | (np.arange(len(fresh)) % 2 == 0)).to_numpy()
    found = joint_rows(space, fresh[kept])
    assert drift(space, reference, fresh[kept])[SEGMENT].alarm
    change, *others = segment_changes(reference, profile_like(reference, found))
    assert change.segment == "3"
    assert change.now_share == pytest.approx(
        (found[SEGMENT][len(found) // 2 :] == "3").mean(), abs=0.03
    )
    assert sum(one.now_share for one in others) == pytest.approx(1 - change.now_share)
    assert str(SegmentShift("7", 0.04, 0.11)) == "segment 7 grew from 4% to 11%"


def test_missing_and_extreme_values_have_a_segment_and_an_error(space: JointSpace) -> None:
    fresh = rows(1)[:2].assign(x0=[None, 1e300], x1=[np.nan, np.inf])
    found = joint_rows(space, fresh)
    assert np.isfinite(found[ERROR]).all()
    assert found[SEGMENT].notna().all()


def test_one_number_is_no_space() -> None:
    frame = rows(1).assign(constant=3.0, empty=np.nan)
    assert fit_space(frame, ["x0", "constant", "empty", "text"]) is None


def test_the_space_is_the_same_each_time(space: JointSpace) -> None:
    assert fit_space(rows(12), [*NAMES, "text"]) == space
