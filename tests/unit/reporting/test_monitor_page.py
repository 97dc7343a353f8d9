"""The page of a monitoring report: what MLflow shows."""

from __future__ import annotations

from pipelines.monitoring.report import REPORT_FORMAT, Cause
from pipelines.reporting.monitor_page import report_page
from tests.support.monitor_reports import MONDAY, alarm, measured_report, report

PNG = b"\x89PNG"


def test_the_page_has_the_screen_the_plots_and_the_report_itself() -> None:
    found = measured_report(alarm(Cause.FEED))
    page = report_page(found)
    assert page.title == "2025-04-07 monitor v3: broken data"
    assert "Action: fix the feed" in page.text
    plots = {name for name, content in page.files.items() if content.startswith(PNG)}
    assert plots == {"performance.png", "drift.png", "training_range.png"}
    assert REPORT_FORMAT.from_text(page.files["report.json"], "page") == found


def test_metrics_have_names_that_mlflow_accepts() -> None:
    metrics = report_page(measured_report(alarm(Cause.MODEL, "mae", 2.0))).metrics
    assert [value for _, value in metrics["drift/price_ net"]] == [0.05, 0.2]
    assert metrics["cost/model.mae"] == [(MONDAY, 2.0)]
    assert metrics["alarms"] == [(MONDAY, 1.0)]


def test_a_report_without_measurements_has_no_plots() -> None:
    bare = report()
    bare = bare.model_copy(
        update={"performance": bare.performance.model_copy(update={"weeks": ()})}
    )
    assert set(report_page(bare).files) == {"report.json", "report.txt"}
