"""When losses by two declared metrics can be compared."""

import pytest

from pipelines.spec.training import PrimaryMetric

PINBALL = PrimaryMetric(name="pinball", quantile=0.9, minimum_effect=0.1)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"name": "pinball", "quantile": 0.9, "minimum_effect": 0.5}, True),
        ({"name": "pinball", "quantile": 0.5, "minimum_effect": 0.1}, False),
        ({"name": "absolute_error", "minimum_effect": 0.1}, False),
    ],
)
def test_the_minimum_effect_does_not_change_what_is_measured(other, same):
    assert PINBALL.measures_as(PrimaryMetric(**other)) is same
