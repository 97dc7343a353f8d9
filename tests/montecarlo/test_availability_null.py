"""How often the availability findings are wrong in worlds that are on the right side of a limit.

Both gates say `fail` only when a 95 % interval lies wholly beyond the limit, so that in the worst
world that is still allowed, exactly at the limit, one in forty says so; further inside none does.
Wilson's interval is not exact at small shares: the bound is 5 %, the tolerance binomial.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipelines.core.findings import Verdict
from pipelines.gates.availability.feature_availability import (
    FeatureAvailability,
    below_required_share,
    online_findings,
)
from pipelines.gates.availability.parity import LEVEL, beyond
from pipelines.spec.model import ModelSpec
from pipelines.stats.proportion import wilson_interval
from tests.support.pharmacy import declaration

TRIALS = 2_000
RATE = 0.05
MOST = RATE + 3 * math.sqrt(RATE * (1 - RATE) / TRIALS)
SPEC = ModelSpec.model_validate(declaration())


def available(entities: int, online: int, unequal: int = 0) -> FeatureAvailability:
    """A feature requested once for each entity."""
    return FeatureAvailability(
        feature="sold",
        view="dispensing_by_pharmacy_medicine",
        points=entities,
        offline=entities,
        online=online,
        entities=entities,
        unequal=unequal,
        likely=None,
        stored=True,
        champions=True,
        trained_share=1.0,
        recent_share=1.0,
    )


def failed(found: FeatureAvailability) -> bool:
    return any(f.verdict is Verdict.FAIL for f in online_findings(SPEC, (found,), {}))


@pytest.mark.parametrize("entities", [200, 2_000, 20_000])
def test_a_share_at_the_limit_fails_rarely(entities: int) -> None:
    rng = np.random.default_rng(entities)
    least = SPEC.gates.availability.min_online_share
    wrong = sum(
        failed(available(entities, int(there))) for there in rng.binomial(entities, least, TRIALS)
    )
    assert wrong / TRIALS <= MOST, f"{wrong} of {TRIALS} stopped at a share that is allowed"


@pytest.mark.parametrize("requests", [2_000, 20_000, 100_000])
def test_unequal_values_at_the_limit_fail_rarely(requests: int) -> None:
    rng = np.random.default_rng(requests)
    limit = SPEC.gates.audit.unequal_share
    hits = rng.binomial(requests, limit, TRIALS)
    wrong = sum(
        beyond(hit / requests, wilson_interval(int(hit), requests, LEVEL), limit) is Verdict.FAIL
        for hit in hits
    )
    assert wrong / TRIALS <= MOST


def test_a_share_well_beyond_the_limit_is_found() -> None:
    """The promise: 99 % offline and 60 % online, on two hundred entities."""
    rng = np.random.default_rng(1)
    found = [available(200, int(there)) for there in rng.binomial(200, 0.6, 200)]
    assert all(failed(each) for each in found)
    assert all(below_required_share(SPEC, each) for each in found)


def test_all_there_and_all_equal_never_fails() -> None:
    assert not failed(available(20, 20))
    assert not failed(available(20_000, 20_000))
