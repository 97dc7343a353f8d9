"""A few lasting series are judged by days alone, and keep their level; see ``few_entities.py``."""

from __future__ import annotations

import pytest

from tests.montecarlo.few_entities import FEW, FewSeries, simulate_series
from tests.montecarlo.worlds import REPLICATIONS, upper


@pytest.mark.parametrize("entities", FEW)
@pytest.mark.parametrize(("phi", "most"), [(0.5, 0.065), (0.8, 0.09)])
def test_few_series_with_dependent_days_keep_their_level(entities, phi, most):
    found = simulate_series(FewSeries(entities, phi), REPLICATIONS, 10 * entities)
    rate = sum(one.p_value <= 0.05 for one in found) / len(found)
    assert rate <= upper(most), f"{rate:.3f} false promotions of {entities} series"
    assert all(one.days_alone for one in found)


def test_many_series_have_a_variance_between_them():
    found = simulate_series(FewSeries(400, 0.5, rows_a_day=400), 5, 1)
    assert not any(one.days_alone for one in found)
    assert all(one.variance_entity > 0 for one in found)
