"""The status of all models as one page of HTML, which needs no other request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.core.addresses import version_page
from pipelines.core.counts import counted
from pipelines.core.markup import html_text, url_part
from pipelines.core.time import instant_text
from pipelines.reporting.status.model_status import ModelStatus, Overview
from pipelines.reporting.status.status_text import age_text, ago, freshness, rollout_text

_STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.25rem; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; }
p.when { margin: 0 0 1rem; opacity: .75; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .5rem .6rem; border-top: 1px solid #8886; }
th { font-weight: 600; border-top: 0; }
td:first-child { min-width: 8.5rem; }
td:last-child { min-width: 6rem; }
td p { margin: 0 0 .3rem; overflow-wrap: anywhere; }
code { font-size: .92em; overflow-wrap: anywhere; }
small { opacity: .75; }
.due { border-left: 4px solid #c60; padding-left: .45rem; }
@media (max-width: 900px) {
  thead { position: absolute; left: -9999px; }
  table, tbody, tr, td { display: block; }
  tr { border-top: 2px solid #8888; padding: .5rem 0; }
  td { border: 0; padding: .2rem 0; }
  td:empty { display: none; }
  td[data-label]::before { content: attr(data-label); display: block; font-weight: 600; }
}
"""
# The job whose newest run reports on each, or renews it.
_FRESH_BY = {"newest rows": "monitor", "online features": "materialize", "scores": "score"}
_JOBS = ("retrain", "update", "release", "materialize", "score", "monitor")
_COLUMNS = ("Model", "Champion", "Last decision", "Due", "Live traffic", "Freshness", "Next run")


@dataclass(frozen=True)
class DagState:
    """A DAG of a model, as Airflow has it.

    Arguments:
        next_run: when it runs next, as text.
        newest_run: id of its newest run; "" before the first.
    """

    next_run: str
    newest_run: str = ""


@dataclass(frozen=True)
class PageLinks:
    """Where the page leads to.

    Arguments:
        airflow: path of Airflow's pages; "" where they are at the root of the server.
        mlflow: address of MLflow's pages; "" where it has none.
        dags: the DAGs that Airflow has, by id, ``<job>__<model>``.
        decided: ids of the DAG and of its run that decided about a model as of an instant.
    """

    airflow: str = ""
    mlflow: str = ""
    dags: Mapping[str, DagState] = field(default_factory=dict)
    decided: Mapping[tuple[str, datetime], tuple[str, str]] = field(default_factory=dict)

    def dag(self, job: str, model: str) -> str:
        """The page of a model's DAG; "" where there is none."""
        return self._dag(f"{job}__{model}")

    def newest_run(self, job: str, model: str) -> str:
        """The page of the newest run of a model's DAG, before the first one that of the DAG."""
        state = self.dags.get(f"{job}__{model}")
        return self._run(f"{job}__{model}", state.newest_run if state else "")

    def decision(self, model: str, as_of: datetime) -> str:
        """The page of the run that decided; that of the retraining's DAG if a shell did."""
        return self._run(*self.decided.get((model, as_of), (f"retrain__{model}", "")))

    def version(self, model: str, version: str) -> str:
        """The page of a version; "" where MLflow has no address."""
        return version_page(self.mlflow, model, version)

    def _dag(self, dag_id: str) -> str:
        return f"{self.airflow}/dags/{url_part(dag_id)}" if dag_id in self.dags else ""

    def _run(self, dag_id: str, run_id: str) -> str:
        page = self._dag(dag_id)
        return f"{page}/runs/{url_part(run_id)}" if page and run_id else page


def status_page(overview: Overview, links: PageLinks) -> str:
    """The whole page: one row for each model.

    Arguments:
        overview: the status of the models that the reader may see.
        links: where its cells lead to.
    """
    rows = "\n".join(_row(status, overview, links) for status in overview.models)
    heads = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Gauntlet: models</title><style>{_STYLE}</style></head><body>"
        f'<h1>Models</h1><p class="when">as of {instant_text(overview.at)[:16]}Z</p>'
        f"{table if overview.models else '<p>No model is declared, or you may read none.</p>'}"
        "</body></html>"
    )


def _row(status: ModelStatus, overview: Overview, links: PageLinks) -> str:
    cells = (
        _model(status, links),
        _champion(status, overview, links),
        _decision(status, links),
        _due(status, links),
        _live(status, overview, links),
        _freshness(status, overview, links),
        _next_runs(status, links),
    )
    marked = " ".join(
        f'<td data-label="{name}">{"".join(lines)}</td>'
        for name, lines in zip(_COLUMNS, cells, strict=True)
    )
    return f"<tr>{marked}</tr>"


def _model(status: ModelStatus, links: PageLinks) -> Iterator[str]:
    yield _linked(links.dag("retrain", status.model), status.model)
    yield f"<p><small>{html_text(status.owner)}</small></p>" if status.owner else ""


def _champion(status: ModelStatus, overview: Overview, links: PageLinks) -> Iterator[str]:
    champion = status.champion
    if champion is None:
        yield _text("none")
        return
    page = links.version(status.model, champion.version)
    yield _linked(page, f"version {champion.version}")
    yield _text(f"since {champion.since:%Y-%m-%d}, {ago(champion.since, overview.at)}")
    yield _text(champion.segments)
    age = age_text(status)
    yield _text(f"age {age}" if age else "")


def _decision(status: ModelStatus, links: PageLinks) -> Iterator[str]:
    decision = status.decision
    if decision is None:
        return
    outcome = decision.outcome.replace("_", " ")
    run = links.decision(status.model, decision.as_of)
    yield _linked(run, f"{decision.as_of:%Y-%m-%d} {outcome}")
    yield from map(_text, decision.reasons)
    if decision.candidate:
        page = links.version(status.model, decision.candidate)
        yield _linked(page, f"version {decision.candidate}")


def _due(status: ModelStatus, links: PageLinks) -> Iterator[str]:
    """What needs a person: a problem, an answer, or the action that monitoring recommends."""
    for problem in status.problems:
        yield f'<p class="due">Problem: {html_text(problem)}</p>'
    for task in status.pending:
        page = links.version(status.model, task.version) if task.version else ""
        step = f"<code>{html_text(task.next_step)}</code>"
        yield f'<p class="due">To do: {_link(page, task.what)}: {step}</p>'
    report = status.monitoring
    if report is not None:
        action = report.action.replace("_", " ")
        text = f"{report.health.replace('_', ' ')}, {counted(report.alarms, 'alarm')}: {action}"
        css = ' class="due"' if report.action != "none" else ""
        yield f"<p{css}>{_link(links.newest_run('monitor', status.model), text)}</p>"
        yield _text(report.reason) if report.action != "none" else ""
    if status.budget is not None:
        budget = status.budget
        runs = links.dag("retrain", status.model)
        yield _linked(runs, f"error budget: {budget.left} tries left in {budget.year}")


def _live(status: ModelStatus, overview: Overview, links: PageLinks) -> Iterator[str]:
    if status.rollout is not None:
        yield _linked(links.newest_run("release", status.model), status.rollout.stage)
        yield _text(rollout_text(status.rollout, overview.at))
        challenger = status.rollout.challenger
        yield _linked(links.version(status.model, challenger), f"version {challenger}")


def _freshness(status: ModelStatus, overview: Overview, links: PageLinks) -> Iterator[str]:
    for label, value in freshness(status, overview.at):
        page = links.newest_run(_FRESH_BY[label], status.model)
        text = html_text(value).replace("_", "_<wbr>")
        yield f"<p>{_link(page, label)}: {text}</p>"


def _next_runs(status: ModelStatus, links: PageLinks) -> Iterator[str]:
    """When each DAG of the model runs next, the retraining's first."""
    for job in _JOBS:
        state = links.dags.get(f"{job}__{status.model}")
        if state is not None:
            page = _link(links.dag(job, status.model), job)
            yield f"<p>{page}: {html_text(state.next_run)}</p>"


def _text(text: str) -> str:
    return f"<p>{html_text(text)}</p>" if text else ""


def _linked(address: str, text: str) -> str:
    """A paragraph with a link."""
    return f"<p>{_link(address, text)}</p>"


def _link(address: str, text: str) -> str:
    """A link; Airflow shows this page in a frame, so it opens outside of that."""
    if not address:
        return html_text(text)
    return f'<a href="{html_text(address)}" target="_top">{html_text(text)}</a>'
