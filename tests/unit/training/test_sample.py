"""A small sample keeps the spread over time and every class; a fitted one stays the same."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import DataError
from pipelines.core.time import Window
from pipelines.training.fit import ClassWithoutRows, SingleClass, fit
from pipelines.training.sample import ROWS_OF_A_CLASS, limited_rows, point_ranks, spread_rows
from pipelines.training.split import inside


def test_rows_are_evenly_spaced(regression, frame, train) -> None:
    rows = frame(train)
    chosen = spread_rows(regression(), rows, 100)
    assert len(chosen) == 100
    assert chosen["decision_time"].is_monotonic_increasing
    assert {*chosen.index[:1], *chosen.index[-1:]} == {0, len(rows) - 1}
    assert spread_rows(regression(), rows, len(rows)) is rows


def test_a_rare_class_is_kept(classifier, frame, train) -> None:
    spec = classifier(label={**classifier().label.model_dump(mode="json"), "classes": ["0", "1"]})
    rows = frame(train)
    rows["label"] = (rows.index < 40) * 1.0
    assert (spread_rows(spec, rows, 100)["label"] == 1).sum() == ROWS_OF_A_CLASS


def limit(most: int) -> dict[str, object]:
    return {"split": {"train": "56d", "recent": "28d", "max_rows": most}}


def test_a_limit_that_is_not_reached_changes_nothing(regression, frame, train) -> None:
    rows = frame(train)
    assert limited_rows(regression(), rows) is rows
    assert limited_rows(regression(**limit(len(rows))), rows) is rows


def test_a_limit_is_kept_and_a_sample_is_its_own_sample(regression, frame, train) -> None:
    spec, rows = regression(**limit(700)), frame(train)
    chosen = limited_rows(spec, rows)
    assert len(chosen) == 700
    assert chosen.index.is_monotonic_increasing
    assert limited_rows(spec, chosen) is chosen


def test_neither_order_nor_features_nor_numbers_of_another_width_change_a_sample(
    regression, frame, train
) -> None:
    spec, rows = regression(**limit(700)), frame(train)
    chosen = set(limited_rows(spec, rows).index)
    other = rows.assign(size=0.0, label=1.0, decision_time=rows["decision_time"].dt.as_unit("ns"))
    assert set(limited_rows(spec, other.sample(frac=1, random_state=1)).index) == chosen


def test_missing_keys_elsewhere_change_no_rank(regression, frame, train) -> None:
    """A yes/no column with a missing value has another type than one without."""
    spec = regression().model_copy(
        update={"points": regression().points.model_copy(update={"keys": ("open",)})}
    )
    rows = frame(train).assign(open=lambda rows: rows.index % 2 == 0)
    whole = rows.astype({"open": object})
    whole.loc[len(whole) - 1, "open"] = None
    assert np.array_equal(point_ranks(spec, whole)[:-1], point_ranks(spec, rows)[:-1])
    assert len(np.unique(point_ranks(spec, whole.assign(decision_time=train.start)))) == 3


def test_another_model_has_another_sample(regression, frame, train) -> None:
    rows = frame(train)
    one, other = (
        set(limited_rows(regression(name=name, **limit(len(rows) // 2)), rows).index)
        for name in ("toy", "boy")
    )
    # A point of one sample is in the other one half of the time: hypergeometric, 5 deviations.
    half = len(rows) // 2
    assert abs(len(one & other) - half / 2) < 5 * math.sqrt(half) / 4 * math.sqrt(2)


def test_points_stay_sampled_from_week_to_week(regression, frame, train) -> None:
    """Of the points that two spans have in common, one span's sample includes the other's."""
    spec, rows = regression(**limit(700)), frame(train)
    first, last = train.start + timedelta(days=7), train.end - timedelta(days=7)
    before, after = (
        set(limited_rows(spec, rows[inside(rows, part)]).index)
        for part in (Window(train.start, last), Window(first, train.end))
    )
    common = set(rows.index[inside(rows, Window(first, last))])
    a, b = before & common, after & common
    assert a <= b or b <= a
    # 600 of 700 are common if points are spread evenly over the 7 weeks of a span; 5 deviations
    assert abs(len(a & b) - 600) < 5 * math.sqrt(700 * 6 / 49)


def test_rows_of_one_point_are_taken_together(regression, frame, train) -> None:
    rows = frame(train)
    twice = pd.concat([rows, rows.assign(size=1.0)], ignore_index=True)
    chosen = limited_rows(regression(**limit(701)), twice)
    assert len(chosen) == 700
    assert (chosen.groupby(["shop", "decision_time"]).size() % 2 == 0).all()


def test_ranks_are_those_of_the_releases_before(regression) -> None:
    """Else each release would draw another sample. The numbers are those of the first one."""
    rows = pd.DataFrame(
        {"shop": ["s001", "s002"], "decision_time": pd.to_datetime(["2026-01-05", "2026-01-06"])}
    )
    assert point_ranks(regression(), rows).tolist() == [
        7783208880049160060,
        9794810268005836486,
    ]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_each_entity_and_week_is_sampled_at_the_same_rate(
    regression, frame, train, share: float
) -> None:
    rows = frame(train, per_day=200, shops=10)
    chosen = limited_rows(regression(**limit(round(share * len(rows)))), rows)
    groups = {"shop": rows["shop"], "week": rows["decision_time"].dt.to_period("W").astype(str)}
    for codes in groups.values():
        every, taken = codes.value_counts(), codes[chosen.index].value_counts()
        deviation = np.sqrt(every * share * (1 - share))
        assert (
            (taken.reindex(every.index, fill_value=0) - every * share).abs() < 5 * deviation
        ).all()


def test_a_fit_uses_the_sample(regression, frame, recent, train) -> None:
    rows = frame(train)
    spec = regression(**limit(700))
    limited, again = fit(spec, rows, 1), fit(regression(), limited_rows(spec, rows), 1)
    assert limited.rows == 700
    inputs = frame(recent)[list(spec.input_names)]
    assert np.array_equal(limited.pipeline.predict(inputs), again.pipeline.predict(inputs))


def test_a_class_that_a_sample_has_lost_is_an_error_that_names_the_limit(
    classifier, frame, train
) -> None:
    rows = frame(train)
    label = {**classifier().label.model_dump(mode="json"), "classes": ["0", "1", "2"]}
    spec = classifier(
        label=label, metric={"name": "log_loss", "minimum_effect": 0.01}, **limit(700)
    )
    left_out = rows.index.difference(limited_rows(spec, rows).index)
    rows["label"] = (rows.index % 2) * 1.0
    rows.loc[left_out[0], "label"] = 2.0
    with pytest.raises(ClassWithoutRows, match=r"raise split\.max_rows"):
        fit(spec, rows, 1)


def test_a_sample_with_one_class_of_two_is_an_error_that_names_the_limit(
    classifier, frame, train
) -> None:
    spec, rows = classifier(**limit(700)), frame(train)
    rows["label"] = 0.0
    rows.loc[rows.index.difference(limited_rows(spec, rows).index), "label"] = 1.0
    with pytest.raises(SingleClass) as raised:
        fit(spec, rows, 1)
    assert "raise split.max_rows" in str(raised.value.hint)


def test_a_point_with_more_rows_than_the_limit_is_an_error(regression, frame, train) -> None:
    rows = frame(train)
    rows = rows.assign(shop="s001", decision_time=rows["decision_time"].iloc[0])
    with pytest.raises(DataError, match=f"{len(rows):,} rows with the same keys and time"):
        fit(regression(**limit(700)), rows, 1)
