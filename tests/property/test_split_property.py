"""Whatever the durations: no training label touches the window on which models are judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.time import Window
from pipelines.spec.load import load_model
from pipelines.spec.model import ModelSpec
from pipelines.spec.training import Split
from pipelines.training.split import SplitPlan, comparison_window, split_plan, twin_lag

DEMAND = load_model(Path(__file__).parents[2] / "models" / "demand.yaml")
INSTANT = st.integers(0, 10 * 365 * 86400).map(
    lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
SECONDS = st.integers(0, 40 * 86400).map(lambda seconds: timedelta(seconds=seconds))
SPAN = st.integers(86400, 400 * 86400).map(lambda seconds: timedelta(seconds=seconds))


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    label = DEMAND.label.model_copy(update={"horizon": draw(SECONDS), "delay": draw(SECONDS)})
    split = Split(train=draw(SPAN), recent=draw(SPAN), refit=draw(st.booleans()))
    return DEMAND.model_copy(update={"label": label, "split": split})


def label_interval(spec: ModelSpec, decision: datetime) -> Window:
    """When a label happens and becomes known, with the decision itself even if it is instant."""
    return Window(decision, decision + max(spec.maturity, timedelta(microseconds=1)))


@given(specs(), INSTANT, st.floats(0, 1, exclude_max=True))
def test_no_training_label_reaches_into_the_recent_window(spec, as_of, place):
    plan = split_plan(spec, as_of)
    decision = plan.train.start + place * plan.train.duration
    last = plan.train.end - timedelta(microseconds=1)
    for training_point in (min(decision, last), last):
        assert not label_interval(spec, training_point).overlaps(plan.recent)


@given(specs(), INSTANT)
def test_every_point_of_the_recent_window_is_matured(spec, as_of):
    plan = split_plan(spec, as_of)
    assert plan.recent.duration == spec.split.recent
    assert plan.recent.end + spec.maturity == as_of
    assert plan.refit is None or plan.refit.end == plan.recent.end


@given(specs(), INSTANT)
def test_the_twin_is_the_refit_of_an_earlier_run_on_the_weekly_grid(spec, as_of):
    plan, lag = split_plan(spec, as_of), twin_lag(spec)
    assert timedelta(0) <= plan.recent.start - plan.trained_until < timedelta(days=7)
    if spec.split.refit:
        assert lag % timedelta(days=7) == timedelta(0)
        assert split_plan(spec, as_of - lag).refit == plan.train
    else:
        assert plan.trained_until == plan.recent.start


@given(specs(), specs(), INSTANT, INSTANT)
def test_models_are_compared_only_where_neither_was_trained(spec, other, as_of, earlier):
    plan, champion = split_plan(spec, as_of), split_plan(other, earlier)
    window = comparison_window(plan, champion)
    assert plan.recent.start <= window.start <= window.end == plan.recent.end
    for model, trained in ((spec, plan), (other, champion)):
        last = trained.train.end - timedelta(microseconds=1)
        assert not label_interval(model, last).overlaps(window)


@given(specs(), INSTANT)
def test_plans_survive_json(spec, as_of):
    plan = split_plan(spec, as_of)
    assert SplitPlan.model_validate_json(plan.model_dump_json()).recent == plan.recent
