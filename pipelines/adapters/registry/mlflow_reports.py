"""Pages of monitoring reports as runs in MLflow, below the run that trained the champion."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.adapters.registry.mlflow import artifact_folder
from pipelines.core.addresses import run_page
from pipelines.core.files import working_folder
from pipelines.core.markup import url_part
from pipelines.core.time import instant_text

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

    from pipelines.monitoring.page import ReportPage

INSTANT, CONTENT = "gauntlet.monitored", "gauntlet.report"
_AT_ONCE = 1000  # metrics in one request, MLflow's limit


class MlflowReports:
    """``ReportPages`` in an MLflow server or database: one run for each instant.

    A run that a killed process left is completed. It connects, and loads MLflow, on first use.

    Arguments:
        uri: ``http://...`` of a server, or ``sqlite:///...``.
        browser: address of MLflow's pages for people; "" for none.
    """

    def __init__(self, uri: str, browser: str) -> None:
        self._uri, self._artifacts, self._browser = uri, artifact_folder(uri), browser.rstrip("/")

    def publish(self, page: ReportPage) -> str:
        """See ``ReportPages``."""
        from pipelines.adapters.registry.mlflow_client import connected, write
        from pipelines.adapters.registry.mlflow_run import experiment_of

        with connected(self._uri) as client:
            experiment = experiment_of(client, page.model, self._artifacts)
            run = self._run(client, experiment, page)
            if run.data.tags.get(CONTENT) != page.content:
                self._fill(client, run.info.run_id, page)
                write(client.set_tag, run.info.run_id, CONTENT, page.content)
        return run_page(self._browser, experiment, run.info.run_id)

    def _run(self, client: MlflowClient, experiment: str, page: ReportPage) -> Run:
        """The run of the page's instant; one of other content is replaced."""
        from pipelines.adapters.registry.mlflow_client import find

        instant = instant_text(page.as_of)
        for run in client.search_runs([experiment], f"tags.`{INSTANT}` = '{instant}'"):
            if run.data.tags.get(CONTENT) in (None, page.content):
                return run
            client.delete_run(run.info.run_id)
        tags = {**page.tags, INSTANT: instant, "mlflow.runName": page.title}
        trained = find(client.get_model_version, page.model, page.version)
        if trained is not None and trained.run_id:
            tags["mlflow.parentRunId"] = trained.run_id
        return client.create_run(experiment, start_time=_ms(page.as_of), tags=tags)

    def _fill(self, client: MlflowClient, run: str, page: ReportPage) -> None:
        from pipelines.adapters.registry.mlflow_client import write

        with working_folder("gauntlet-report-") as folder:
            for name, content in page.files.items():
                (folder / name).write_bytes(content)
            client.log_artifacts(run, str(folder))
        metrics = list(_metrics(page))
        for start in range(0, len(metrics), _AT_ONCE):
            write(client.log_batch, run, metrics=metrics[start : start + _AT_ONCE])
        pictures = [
            f"![{name}](/get-artifact?path={url_part(name)}&run_uuid={run})"
            for name in page.files
            if name.endswith(".png")
        ]
        write(client.set_tag, run, "mlflow.note.content", "\n\n".join([page.text, *pictures]))
        write(client.set_terminated, run, "FINISHED", _ms(page.as_of))


def _metrics(page: ReportPage) -> list[Metric]:
    from mlflow.entities import Metric

    return [
        Metric(name, value, _ms(at), step)
        for name, values in page.metrics.items()
        for step, (at, value) in enumerate(values)
    ]


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
