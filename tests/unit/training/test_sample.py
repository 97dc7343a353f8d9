"""A sample of rows keeps their spread over time and every class."""

from __future__ import annotations

from pipelines.training.sample import ROWS_OF_A_CLASS, spread_rows


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
