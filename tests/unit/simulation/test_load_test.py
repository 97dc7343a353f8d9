"""The figures of a load."""

from __future__ import annotations

from pipelines.simulation.load_test import LoadReport


def test_waits_are_counted_in_the_second_in_which_a_request_was_due() -> None:
    report = LoadReport(waits_s=[0.002, 0.5, 0.004, 0.003], due_s=[0.1, 2.9, 2.1, 0.2])
    first, second, third = report.as_json()["by_second_ms"]
    assert 2.9 < first <= 3.0
    assert second is None
    assert 490 < third <= 500
    assert LoadReport().as_json()["by_second_ms"] == []
