"""A lasting rise of daily losses, and a change of everything at once."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from pipelines.core.time import parse_instant
from pipelines.monitoring.concept import concept_alarm, daily_losses
from pipelines.monitoring.drift import real_world_alarm
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.monitoring.report import Alarm, Cause
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model

__all__ = ["sales_model"]

NOON = pd.Timestamp("2026-01-05 12:00")


def points(days: list[int], losses: np.ndarray) -> PredictedRows:
    """A point of each day, whose prediction is wrong by a loss."""
    rows = pd.DataFrame(
        {"shop": "a", "decision_time": NOON + pd.to_timedelta(days, unit="D"), "label": 0.0}
    )
    return PredictedRows(rows, losses)


def run(start: int, *parts: tuple[int, float]) -> PredictedRows:
    """Days of losses around a mean, with a spread of 1."""
    losses = np.concatenate([mean + np.tile([-1.0, 1.0], count)[:count] for count, mean in parts])
    return points(list(range(start, start + len(losses))), losses)


def test_a_rise_adds_up_and_begins_where_it_did(sales_model: Callable[..., ModelSpec]) -> None:
    spec, before = sales_model(), run(0, (28, 10.0))
    risen = run(28, (14, 10.0), (21, 11.5))
    assert concept_alarm(spec, before, run(28, (14, 10.0))) is None
    assert concept_alarm(spec, run(0, (13, 10.0)), risen) is None, "too short a recent window"
    alarm = concept_alarm(spec, before, risen)
    assert alarm is not None
    assert (alarm.name, alarm.cause) == ("drift.concept", Cause.MODEL)
    assert abs(alarm.cost - 1.5) < 0.1
    assert alarm.false_alarm_rate == 0.0
    assert abs(alarm.since - parse_instant("2026-02-16")).days <= 1
    coarse = spec.model_copy(
        update={"metric": spec.metric.model_copy(update={"minimum_effect": 2})}
    )
    assert concept_alarm(coarse, before, risen) is None


def test_the_loss_of_a_day_is_the_mean_of_its_labels(
    sales_model: Callable[..., ModelSpec],
) -> None:
    rows = pd.DataFrame(
        {
            "shop": "a",
            "decision_time": NOON + pd.to_timedelta([0, 1, 24, 48], unit="h"),
            "label": [1.0, 3.0, 5.0, np.nan],
        }
    )
    found = daily_losses(sales_model(), PredictedRows(rows, np.array([0.0, 0.0, 4.0, 0.0])))
    assert found.tolist() == [2.0, 1.0]
    assert daily_losses(sales_model(), PredictedRows(rows[3:], np.zeros(1))).empty


def make_alarm(name: str, subject: str, since: str, cost: float | None = None) -> Alarm:
    return Alarm(
        name=name,
        cause=Cause.DRIFT,
        subject=subject,
        size=0.2,
        unit="jensen_shannon",
        since=parse_instant(since),
        cost=cost,
        evidence="it moved",
    )


def test_features_label_and_losses_at_once_are_the_real_world() -> None:
    feature = make_alarm("drift.column.sold", "sold", "2026-03-02")
    label = make_alarm("drift.column.label", "label", "2026-02-23")
    loss = make_alarm("performance.worse", "absolute_error", "2026-03-09", 2.5)
    alarm = real_world_alarm([feature, label, loss])
    assert alarm is not None
    assert (alarm.cause, alarm.since, alarm.cost) == (Cause.MODEL, label.since, 2.5)
    assert alarm.evidence.startswith("sold, label, absolute_error changed at once")
    assert real_world_alarm([feature, loss]) is None
    assert real_world_alarm([feature, label]) is None
