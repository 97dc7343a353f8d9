"""Pages as runs in MLflow: of retrainings and of monitoring reports."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.adapters.registry.mlflow import ABOVE, artifact_folder
from pipelines.core.addresses import run_page
from pipelines.core.files import working_folder
from pipelines.core.markup import url_part
from pipelines.core.version_id import registered_version

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

    from pipelines.core.run_page import PagePart, RunPage, Values

CONTENT = "gauntlet.report"
_PART = "gauntlet.part"  # tag of a run that is a part of a page
_DAY_S = 24 * 3600
_AT_ONCE = 900  # metrics in one request; MLflow's limit is 1,000 entities


class MlflowPages:
    """``RunPages`` in an MLflow server or database: one run for each key.

    A run that a killed process left is completed. It connects, and loads MLflow, on first use.

    Arguments:
        uri: ``http://...`` of a server, or ``sqlite:///...``.
        browser: address of MLflow's pages for people; "" for none.
    """

    def __init__(self, uri: str, browser: str) -> None:
        self._uri, self._artifacts, self._browser = uri, artifact_folder(uri), browser.rstrip("/")

    def publish(self, page: RunPage) -> str:
        """See ``RunPages``."""
        from pipelines.adapters.registry.mlflow_client import connected, write
        from pipelines.adapters.registry.mlflow_run import experiment_for

        with connected(self._uri) as client:
            experiment = experiment_for(client, page.model, page.lineage, self._artifacts)
            run = self._run(client, experiment, page)
            if run.data.tags.get(CONTENT) != page.content:
                self._fill(client, run, page)
                for part in _missing(client, run, page):
                    _add(client, run, part, page)
                write(client.set_tag, run.info.run_id, CONTENT, page.content)
        return run_page(self._browser, experiment, run.info.run_id)

    def continue_charts(self, model: str, version: str, values: Values) -> None:
        """See ``RunPages``. The step of a value is the number of its day."""
        from mlflow.entities import Metric

        from pipelines.adapters.registry.mlflow_client import connected, write

        metrics = [
            Metric(name, value, _ms(at), int(at.timestamp() // _DAY_S))
            for name, series in values.items()
            for at, value in series
        ]
        if not metrics:
            return
        with connected(self._uri) as client:
            run = _trained_by(client, model, version)
            if run:
                write(client.log_batch, run, metrics=metrics)

    def charts(self, model: str, version: str, prefix: str) -> Values:
        """See ``RunPages``."""
        from pipelines.adapters.registry.mlflow_client import connected

        with connected(self._uri) as client:
            run = _trained_by(client, model, version)
            names = client.get_run(run).data.metrics if run else {}
            return {
                name: sorted(
                    (datetime.fromtimestamp(one.timestamp / 1000, UTC), one.value)
                    for one in client.get_metric_history(run, name)
                )
                for name in names
                if name.startswith(prefix)
            }

    def text_file(self, model: str, version: str, name: str) -> str:
        """See ``RunPages``."""
        with self._file(model, version, name) as (_, _, file):
            return "" if file is None else file.read_text(encoding="utf-8", errors="replace")

    def change_file(
        self, model: str, version: str, name: str, change: Callable[[str], str]
    ) -> None:
        """See ``RunPages``."""
        with self._file(model, version, name) as (client, run, file):
            if file is None:
                return
            text = file.read_text(encoding="utf-8")
            if (changed := change(text)) != text:
                file.write_text(changed, encoding="utf-8")
                client.log_artifact(run, str(file))

    @contextmanager
    def _file(
        self, model: str, version: str, name: str
    ) -> Iterator[tuple[MlflowClient, str, Path | None]]:
        """The run that trained a version, and a copy of one of its files if it is there."""
        from pipelines.adapters.registry.mlflow_client import connected, transferring_files

        with (
            connected(self._uri) as client,
            working_folder("gauntlet-page-") as folder,
            transferring_files(),
        ):
            run = _trained_by(client, model, version)
            there = run and name in {one.path for one in client.list_artifacts(run)}
            yield (
                client,
                run,
                Path(client.download_artifacts(run, name, str(folder))) if there else None,
            )

    def _run(self, client: MlflowClient, experiment: str, page: RunPage) -> Run:
        """The run of the page's key; a report of other content is replaced."""
        name, value = page.key
        for run in client.search_runs([experiment], f"tags.`{name}` = '{value}'"):
            has_model = run.outputs is not None and run.outputs.model_outputs
            if has_model or run.data.tags.get(CONTENT) in (None, page.content):
                return run
            client.delete_run(run.info.run_id)
        tags = {name: value, "mlflow.runName": page.title}
        if page.version and (above := _trained_by(client, page.model, page.version)):
            tags[ABOVE] = above
        return client.create_run(experiment, start_time=_ms_or_now(page.started), tags=tags)

    def _fill(self, client: MlflowClient, own: Run, page: RunPage) -> None:
        from mlflow.entities import Param, RunTag

        from pipelines.adapters.registry.mlflow_client import write
        from pipelines.adapters.registry.mlflow_run import with_run_links

        run = own.info.run_id
        with working_folder("gauntlet-page-") as folder:
            for name, content in page.files.items():
                (folder / name).write_bytes(content)
            client.log_artifacts(run, str(folder))
        tables = [{"path": name, "type": "table"} for name in page.tables]
        tags = {
            **({} if "mlflow.user" in page.tags else _user()),
            **page.tags,
            "mlflow.note.content": with_run_links(_note(page, run), own),
            **({"mlflow.loggedArtifacts": json.dumps(tables)} if tables else {}),
        }
        metrics = list(_metrics(page))
        for start in range(0, max(len(metrics), 1), _AT_ONCE):
            first = start == 0
            write(
                client.log_batch,
                run,
                metrics=metrics[start : start + _AT_ONCE],
                params=[Param(*one) for one in page.parameters.items()] if first else (),
                tags=[RunTag(*one) for one in tags.items()] if first else (),
            )
        write(client.update_run, run, name=page.title)
        write(client.set_terminated, run, "FINISHED", _ms_or_now(page.ended))


def _trained_by(client: MlflowClient, model: str, version: str) -> str:
    """The id of the run that trained a version; "" if the version was removed."""
    from pipelines.adapters.registry.mlflow_client import find

    found = find(client.get_model_version, *registered_version(model, version))
    return "" if found is None else str(found.run_id or "")


def _missing(client: MlflowClient, run: Run, page: RunPage) -> Iterator[PagePart]:
    """The parts that no complete run below the page's run has; removes those that are unfinished.

    Other runs below it are pages of their own, such as monitoring reports.
    """
    if not page.parts:
        return
    query = f"tags.`{ABOVE}` = '{run.info.run_id}' AND tags.`{_PART}` != ''"
    below = client.search_runs([run.info.experiment_id], query)
    complete = {one.info.run_name for one in below if one.info.status == "FINISHED"}
    for one in below:
        if one.info.status != "FINISHED":
            client.delete_run(one.info.run_id)
    yield from (part for part in page.parts if part.name not in complete)


def _add(client: MlflowClient, run: Run, part: PagePart, page: RunPage) -> None:
    from mlflow.entities import Metric, Param

    from pipelines.adapters.registry.mlflow_client import write

    tags = {ABOVE: run.info.run_id, _PART: part.name}
    below = client.create_run(
        run.info.experiment_id,
        start_time=_ms_or_now(page.started),
        tags=tags,
        run_name=part.name,
    ).info
    metrics = [Metric(key, value, below.start_time, 0) for key, value in part.metrics.items()]
    params = [Param(*one) for one in part.parameters.items()]
    write(client.log_batch, below.run_id, metrics=metrics, params=params)
    write(client.set_terminated, below.run_id, "FINISHED", _ms_or_now(page.ended))


def _user() -> dict[str, str]:
    """The tag with the account of this process; none for a user id without an account."""
    try:
        return {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):  # the latter since Python 3.13
        return {}


def _note(page: RunPage, run: str) -> str:
    pictures = [
        f"![{name}](/get-artifact?path={url_part(name)}&run_uuid={run})"
        for name in page.files
        if name.endswith(".png")
    ]
    return "\n\n".join([page.text, *pictures])


def _metrics(page: RunPage) -> list[Metric]:
    from mlflow.entities import Metric

    return [
        Metric(name, value, _ms(at), step)
        for name, values in page.metrics.items()
        for step, (at, value) in enumerate(values)
    ]


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _ms_or_now(at: datetime | None) -> int | None:
    """Milliseconds; ``None`` makes MLflow take the present instant."""
    return None if at is None else _ms(at)
