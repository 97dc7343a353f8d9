"""The alarm of an earlier version that does better on the same points."""

import numpy as np

from pipelines.core.time import parse_instant
from pipelines.gates.recent_window.comparison import compare_utilities
from pipelines.monitoring.earlier_version import EarlierVersion, earlier_version_alarm
from pipelines.monitoring.report import Cause
from pipelines.spec.model import ModelSpec
from pipelines.training.metrics import primary_metric
from pipelines.training.row_sets import EntityDays
from tests.support.sales_home import declaration

SPEC = ModelSpec.model_validate(declaration())  # minimum effect 0.5
SINCE = parse_instant("2026-01-05")


def earlier(gain):
    """An earlier version with this gain on three weeks of forty entities."""
    rng = np.random.default_rng(2)
    entity, day = (codes.ravel() for codes in np.meshgrid(np.arange(40), np.arange(21)))
    champion = -np.abs(rng.normal(0, 2, len(day)))
    better = champion + gain + rng.normal(0, 0.5, len(day))
    clusters = EntityDays(entity, day)
    comparison = compare_utilities(primary_metric(SPEC), better, champion, clusters, strict=False)
    return EarlierVersion("3", comparison, SINCE)


def test_an_earlier_version_that_is_better_by_a_minimum_effect_is_an_alarm():
    alarm = earlier_version_alarm(SPEC, earlier(0.8))
    assert (alarm.cause, alarm.subject, alarm.since) == (Cause.EARLIER_VERSION, "version 3", SINCE)
    assert 0.7 < alarm.cost < 0.9


def test_a_smaller_gain_is_no_alarm():
    assert earlier_version_alarm(SPEC, earlier(0.4)) is None
    assert earlier_version_alarm(SPEC, None) is None
