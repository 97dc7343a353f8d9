"""The overview page: one row a model, links out of the frame, and texts that cannot become tags."""

from pipelines.reporting.status.model_status import ModelStatus, Overview
from pipelines.reporting.status.status_page import PageLinks, status_page
from tests.unit.reporting.status.test_status_text import BUSY, NOW

LINKS = PageLinks(
    airflow="http://airflow", mlflow="http://mlflow", next_runs={"demand": "2026-01-26 06:00 UTC"}
)


def test_each_cell_leads_to_its_page() -> None:
    page = status_page(Overview(at=NOW, models=(BUSY,)), LINKS)
    for address in (
        "http://airflow/dags/retrain__demand",
        "http://airflow/dags/monitor__demand/runs",
        "http://airflow/dags/release__demand/runs",
        "http://mlflow/#/models/demand/versions/3?workflowType=machine_learning",
        "http://mlflow/#/models/demand/versions/4?workflowType=machine_learning",
    ):
        assert f'href="{address}" target="_top"' in page
    for text in (
        "fix feed",
        "version 4 awaits approval",
        "2026-01-26 06:00 UTC",
        "stock none STALE",
    ):
        assert text in page


def test_texts_are_escaped_and_a_model_without_links_is_plain() -> None:
    odd = ModelStatus(model="x", owner="<b>", problems=("<script>alert(1)</script>",))
    page = status_page(Overview(at=NOW, models=(odd,)), PageLinks())
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
