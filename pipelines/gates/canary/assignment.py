"""Check that every request was answered in the arm that the hash assigns to its entity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from pipelines.core.arrays import Integers
from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.core.time import utc
from pipelines.outcomes.log import (
    PROPAGATION_TIME,
    Assignment,
    EntityLog,
    answered_in_own_arm,
)
from pipelines.predictions.assignment import Ramp
from pipelines.spec.predictions import Arm

ASSIGNMENT = "canary.sample_ratio.assignment"
_EXAMPLES = 3


def assignment_finding(log: EntityLog, where: Assignment, ramp: Ramp) -> Finding:
    """Check that every request was answered in the arm that the hash assigns to its entity.

    A process may follow an older allocation for up to an hour, so each answer is compared with
    all allocations from an hour before its decision until it arrived in the store. Entities of a
    segment that left the arms are in no arm from then on.
    """
    rows = log.rows[log.rows["arm"] != Arm.SHADOW.value]
    code, arm = rows["code"].to_numpy(), rows["arm"].to_numpy(object)
    followed = (rows["event_time"] - PROPAGATION_TIME).to_numpy("datetime64[us]")
    arrived = rows["known_time"].to_numpy("datetime64[us]")
    first, last = _stage_at(ramp.since, followed), _stage_at(ramp.since, arrived)
    stage, left = where.stage[code], where.left[code]  # comparisons with NaT are false
    outside = arm == Arm.CHAMPION.value
    own = answered_in_own_arm(EntityLog(rows, log.entities), where)
    right = np.where(
        outside, (stage > first) | (left <= arrived), own & (stage <= last) & ~(left <= followed)
    )
    wrong = int(np.count_nonzero(~right))
    examples = sorted(set(rows["entity"].to_numpy(object)[~right]))[:_EXAMPLES]
    examples_text = f": {', '.join(examples)}" if examples else ""
    verdict = Verdict.FAIL if wrong else Verdict.PASS
    return make_finding(
        ASSIGNMENT,
        verdict if len(rows) else Verdict.NO_DATA,
        f"{wrong} of {len(rows)} requests were not answered in the arm that the hash of their "
        f"entity gives{examples_text}",
        Measurement(value=float(wrong), threshold=0.0, unit="requests", rows=len(rows)),
    )


def nothing_logged() -> Finding:
    """Return the finding for a comparison whose log is still empty."""
    return make_finding(
        ASSIGNMENT, Verdict.NO_DATA, "no request was answered since the arms were drawn"
    )


def _stage_at(since: Sequence[datetime], times: npt.NDArray[np.datetime64]) -> Integers:
    """Return the index of the current stage at each time; -1 before the first stage."""
    began = np.array([utc(one).replace(tzinfo=None) for one in since], "datetime64[us]")
    return np.asarray(np.searchsorted(began, times, side="right") - 1, np.int64)
