"""Gauges of the newest monitoring report, of the service and in a textfile."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.adapters.http.metrics import PrometheusMetrics
from pipelines.adapters.http.report_metrics import ReportGauges, newest_reports, write_textfile
from pipelines.core.errors import Unavailable
from pipelines.monitoring.report import REPORT_FORMAT, Cause
from tests.support.monitor_reports import DAY, MONDAY, alarm, measured_report, report


def samples(page: str) -> dict[tuple[str, ...], float]:
    return {
        (one.name.removeprefix("gauntlet_monitor_"), *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(page)
        for one in family.samples
    }


def test_the_textfile_has_health_alarms_age_and_label_delay(tmp_path: Path) -> None:
    path = tmp_path / "gauntlet.prom"
    found = measured_report(alarm(Cause.MODEL, "mae", 2.0), alarm(Cause.FEED))
    write_textfile(path, found)
    write_textfile(path, found)
    assert [one.name for one in tmp_path.iterdir()] == ["gauntlet.prom"], "a draft was left"
    known = samples(path.read_text())
    assert known["health", "3", "broken_data", "demand"] == 1
    assert known["health", "3", "demand", "healthy"] == 0
    assert known["alarms", "demand"] == 2
    assert known["alarm_cost", "absolute_error", "demand", "model", "model.mae"] == 2.0
    assert len([one for one in known if one[0] == "alarm_cost"]) == 1, "unknown costs are no zero"
    assert known["alarm_size", "demand", "feed", "feed.sales.units", "share"] == 0.4
    assert known["age_seconds", "demand"] == 4 * 7 * 86400
    assert known["label_delay_seconds", "demand"] == 7 * 86400
    assert known["training_range_share", "demand", "points"] == 0.93
    assert known["as_of_seconds", "demand"] == MONDAY.timestamp()


def test_a_textfile_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="gone"):
        write_textfile(tmp_path / "gone" / "gauntlet.prom", report())


def test_the_service_shows_the_newest_report_and_does_without_a_damaged_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = ("demand", "never_monitored", "damaged")
    for model in models[::2]:
        (tmp_path / model).mkdir()
    for day in (0, 1):
        at = MONDAY + day * DAY
        text = REPORT_FORMAT.to_text(report(at=at))
        (tmp_path / "demand" / f"{at:%Y-%m-%dT%H%M%SZ}.json").write_text(text)
    (tmp_path / "damaged" / "2025-04-07T000000Z.json").write_text("{")
    gauges = ReportGauges(lambda: newest_reports(tmp_path, models))
    page = PrometheusMetrics(dict, dict, [gauges]).exposition()[0].decode()
    known = samples(page)
    assert known["as_of_seconds", "demand"] == (MONDAY + DAY).timestamp()
    assert "damaged" not in page
    assert "damaged cannot be read" in caplog.text
