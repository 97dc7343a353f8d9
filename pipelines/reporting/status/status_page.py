"""The status of all models as one page of HTML, which needs no other request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipelines.core.addresses import version_page
from pipelines.core.markup import html_text, url_part
from pipelines.core.time import instant_text
from pipelines.reporting.status.model_status import ModelStatus, Overview
from pipelines.reporting.status.status_text import age_text, ago, freshness_text, rollout_text

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
_COLUMNS = ("Model", "Champion", "Last decision", "Due", "Live traffic", "Freshness", "Next run")


@dataclass(frozen=True)
class PageLinks:
    """Where the page leads to.

    Arguments:
        airflow: path of Airflow's pages; "" where they are at the root of the server.
        mlflow: address of MLflow's pages; "" where it has none.
        next_runs: when each model is retrained next, as text.
    """

    airflow: str = ""
    mlflow: str = ""
    next_runs: Mapping[str, str] | None = None

    def dag(self, job: str, model: str) -> str:
        """The page of a model's DAG."""
        return f"{self.airflow}/dags/{job}__{url_part(model)}"

    def version(self, model: str, version: str) -> str:
        """The page of a version; "" where MLflow has no address."""
        return version_page(self.mlflow, model, version)


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
        (_text(line) for line in freshness_text(status, overview.at)),
        (_text((links.next_runs or {}).get(status.model, "")),),
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
    age = age_text(status)
    yield _text(f"age {age}" if age else "")


def _decision(status: ModelStatus, links: PageLinks) -> Iterator[str]:
    decision = status.decision
    if decision is None:
        return
    outcome = decision.outcome.replace("_", " ")
    runs = f"{links.dag('retrain', status.model)}/runs"
    yield _linked(runs, f"{decision.as_of:%Y-%m-%d} {outcome}")
    yield from map(_text, decision.reasons)
    if decision.candidate:
        page = links.version(status.model, decision.candidate)
        yield _linked(page, f"version {decision.candidate}")


def _due(status: ModelStatus, links: PageLinks) -> Iterator[str]:
    """What needs a person: a problem, an answer, or the action that monitoring recommends."""
    for problem in status.problems:
        yield f'<p class="due">Problem: {html_text(problem)}</p>'
    for task in status.pending:
        step = f"<code>{html_text(task.next_step)}</code>"
        yield f'<p class="due">To do: {html_text(task.what)}: {step}</p>'
    report = status.monitoring
    if report is not None:
        action = report.action.replace("_", " ")
        text = f"{report.health.replace('_', ' ')}, {report.alarms} alarm(s): {action}"
        css = ' class="due"' if report.action != "none" else ""
        page = f"{links.dag('monitor', status.model)}/runs"
        yield f'<p{css}><a href="{html_text(page)}" target="_top">{html_text(text)}</a></p>'
        yield _text(report.reason) if report.action != "none" else ""
    if status.budget is not None:
        budget = status.budget
        yield _text(f"error budget: {budget.left} tries left in {budget.year}")


def _live(status: ModelStatus, overview: Overview, links: PageLinks) -> Iterator[str]:
    if status.rollout is not None:
        yield _linked(f"{links.dag('release', status.model)}/runs", status.rollout.stage)
        yield _text(rollout_text(status.rollout, overview.at))


def _text(text: str) -> str:
    return f"<p>{html_text(text)}</p>" if text else ""


def _linked(address: str, text: str) -> str:
    """A paragraph with a link; Airflow shows this page in a frame, so it opens outside of that."""
    if not address:
        return _text(text)
    return f'<p><a href="{html_text(address)}" target="_top">{html_text(text)}</a></p>'
