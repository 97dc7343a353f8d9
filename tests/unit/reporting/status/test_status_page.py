"""The overview page: one row a model, links out of the frame, and texts that cannot become tags."""

import re
from dataclasses import replace

from pipelines.reporting.status.model_status import ModelStatus, Overview
from pipelines.reporting.status.status_page import DagState, PageLinks, status_page
from tests.unit.reporting.status.test_status_text import BUSY, NOW, WEEK

JOBS = ("retrain", "release", "materialize", "monitor")
LINKS = PageLinks(
    airflow="http://airflow",
    mlflow="http://mlflow",
    dags={f"{job}__demand": DagState("2026-01-26 06:00 UTC", f"{job} 1") for job in JOBS},
    decided={("demand", NOW): ("retrain__demand", "by hand")},
)
CELL = re.compile(r'<td data-label="([^"]+)">(.*?)</td>')
ADDRESS = re.compile(r'<a href="([^"]+)" target="_top">')


def cells(page: str) -> dict[str, list[str]]:
    """The addresses that each cell of the only row leads to."""
    return {name: ADDRESS.findall(text) for name, text in CELL.findall(page)}


def test_each_cell_leads_to_the_version_or_the_run_that_it_is_about() -> None:
    dags, models = "http://airflow/dags", "http://mlflow/#/models/demand/versions"
    view = "?workflowType=machine_learning"
    page = status_page(Overview(at=NOW, models=(BUSY,)), LINKS)
    assert cells(page) == {
        "Model": [f"{dags}/retrain__demand"],
        "Champion": [f"{models}/3{view}"],
        "Last decision": [f"{dags}/retrain__demand/runs/by%20hand", f"{models}/4{view}"],
        "Due": [
            f"{models}/4{view}",
            f"{dags}/monitor__demand/runs/monitor%201",
            f"{dags}/retrain__demand",
        ],
        "Live traffic": [f"{dags}/release__demand/runs/release%201", f"{models}/2{view}"],
        "Freshness": [
            f"{dags}/monitor__demand/runs/monitor%201",
            f"{dags}/materialize__demand/runs/materialize%201",
        ],
        "Next run": [f"{dags}/{job}__demand" for job in JOBS],
    }
    for text in (
        "fix feed",
        "version 4 awaits approval",
        "retrain</a>: 2026-01-26 06:00 UTC",
        "stock none STALE",
    ):
        assert text in page


def test_the_versions_that_answer_segments_stand_with_the_champion() -> None:
    assert BUSY.champion is not None
    own = BUSY.champion.model_copy(update={"segments": "line <7>: version 2 since 2026-01-12"})
    answering = BUSY.model_copy(update={"champion": own})
    champion = dict(CELL.findall(status_page(Overview(at=NOW, models=(answering,)), LINKS)))
    assert "line &lt;7&gt;: version 2 since 2026-01-12" in champion["Champion"]


def test_a_decision_of_a_shell_leads_to_no_run() -> None:
    links = replace(LINKS, decided={("demand", NOW - WEEK): ("retrain__demand", "another")})
    page = status_page(Overview(at=NOW, models=(BUSY,)), links)
    assert cells(page)["Last decision"][0] == "http://airflow/dags/retrain__demand"


def test_a_decision_about_an_update_leads_to_the_run_of_updates() -> None:
    hourly = DagState("2026-01-19 07:00 UTC", "hourly 1")
    links = replace(
        LINKS,
        dags={**LINKS.dags, "update__demand": hourly},
        decided={("demand", NOW): ("update__demand", "hourly 1")},
    )
    found = cells(status_page(Overview(at=NOW, models=(BUSY,)), links))
    assert found["Last decision"][0] == "http://airflow/dags/update__demand/runs/hourly%201"
    assert found["Next run"][1] == "http://airflow/dags/update__demand"


def test_texts_are_escaped_and_a_model_without_links_is_plain() -> None:
    odd = ModelStatus(model="x", owner="<b>", problems=("<script>alert(1)</script>",))
    page = status_page(Overview(at=NOW, models=(odd,)), PageLinks())
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page
