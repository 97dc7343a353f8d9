"""A retraining as a run: its name, tags, parameters, metrics by day and slice, and files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from pipelines.core.findings import Interval, Verdict, reasons_against, slug
from pipelines.core.records import canonical_json
from pipelines.core.run_page import RETRAINING, PagePart, RunPage
from pipelines.gates.recent_window.record import Evaluation
from pipelines.release.ledger import LIVE, Entry
from pipelines.release.version_facts import AS_OF, GAIN, LINEAGE, OUTCOME
from pipelines.reporting.retraining.search_section import training_rows
from pipelines.reporting.retraining.sections import REPORT, VersionReview, backfill_words
from pipelines.reporting.retraining.version_page import run_text
from pipelines.stats.paired import PairedDifference
from pipelines.training.search.result import SearchResult

EVALUATION, CHECKS, HASHES = "evaluation.json", "checks.json", "hashes.json"
LEVEL = 0.9
_LONGEST_TAG = 250  # characters


@dataclass(frozen=True)
class RunFacts:
    """What only the run's page shows.

    Arguments:
        parameters: of the fit, by name.
        hashes: of everything that the decision is based on, by name.
        user: the person who started the run; "" if not known.
        source: what started it.
        started: when its first step began, by the wall clock.
        refit_rows: labelled rows of the refit; ``None`` if there is none.
    """

    parameters: Mapping[str, str]
    hashes: Mapping[str, str]
    user: str
    source: str
    started: datetime
    refit_rows: int | None


def retraining_page(about: VersionReview, entry: Entry, facts: RunFacts, report: str) -> RunPage:
    """Compose the page of a decided retraining, also of one that a gate stopped.

    Arguments:
        about: what its pages show.
        entry: of the ledger, with the decision.
        facts: about the run.
        report: the HTML report.
    """
    outcome = about.decision.outcome.words if about.decision else "not decided"
    reasons = reasons_against(about.findings) or entry.reasons
    tags = {
        AS_OF: f"{about.plan.as_of:%Y-%m-%d}",
        LINEAGE: about.lineage,
        OUTCOME: outcome,
        "reason": next(iter(reasons), "")[:_LONGEST_TAG],
        "origin": about.origin[:_LONGEST_TAG],
        "mlflow.source.name": facts.source,
        "mlflow.source.type": "JOB" if about.dag_run else "LOCAL",
        **({"mlflow.user": facts.user} if facts.user else {}),
    }
    evaluation = about.evaluation
    if evaluation is not None:
        tags |= gain_tag(evaluation)
    tables = {CHECKS: _checks(about)}
    if evaluation is not None:
        tables[EVALUATION] = _evaluated(evaluation)
    return RunPage(
        model=about.spec.name,
        lineage=about.lineage,
        key=(RETRAINING, about.run),
        content=entry.hash,
        title=_title(about, outcome),
        text=run_text(about),
        tags=tags,
        parameters=facts.parameters,
        metrics=dict(_metrics(about)),
        files={
            REPORT: report.encode(),
            HASHES: (canonical_json(dict(facts.hashes)) + "\n").encode(),
            **tables,
        },
        tables=tuple(tables),
        parts=tuple(_parts(about, facts)),
        started=facts.started,
    )


def gain_tag(evaluation: Evaluation) -> dict[str, str]:
    """The tag of the gain in the primary metric; none where there is none."""
    primary = evaluation.primary
    return {} if primary is None else {GAIN: f"{primary.gain:+.3g} {primary.metric}"}


def _title(about: VersionReview, outcome: str) -> str:
    day = f"{about.plan.as_of:%Y-%m-%d}"
    if about.lineage != LIVE and about.decision is not None:
        return f"{day} {about.version or 'backfill'}: {backfill_words(about, about.decision)}"
    title = f"{day} {outcome}"
    if about.version:
        return f"{title} v{about.version}"
    gates = about.decision.gates if about.decision else ()
    stopped = next((one.gate for one in gates if one.verdict is not Verdict.PASS), None)
    return f"{title} by {stopped.replace('_', ' ')}" if stopped else title


def _metrics(about: VersionReview) -> Iterator[tuple[str, list[tuple[datetime, float]]]]:
    """Checks by verdict, gains by slice, and the primary metric of both models by day."""
    at = about.plan.as_of
    for verdict in Verdict:
        count = sum(one.blocking and one.verdict is verdict for one in about.findings)
        yield f"checks/{verdict}", [(at, float(count))]
    evaluation = about.evaluation
    if evaluation is None or evaluation.primary is None:
        return
    for part in evaluation.slices:
        if part.difference is not None:
            name = f"{part.column} {slug(part.value)}"
            yield f"slice_gain/{name}", [(at, part.difference.estimate)]
            for model, value in (
                ("candidate", part.candidate),
                (evaluation.baseline, part.baseline),
            ):
                if value is not None:
                    yield f"slice/{model} {name}", [(at, value)]
    metric = evaluation.primary.metric
    days = [(datetime.combine(one.day, time.min, UTC), one) for one in evaluation.daily]
    yield f"day_gain/{metric}", [(at, one.difference) for at, one in days]
    for name, values in (
        ("candidate", [(at, one.candidate) for at, one in days]),
        (evaluation.baseline, [(at, one.baseline) for at, one in days]),
    ):
        yield f"day/{name}_{metric}", [(at, one) for at, one in values if one is not None]


def _parts(about: VersionReview, facts: RunFacts) -> Iterator[PagePart]:
    """The fits: one for each seed, and the refit."""
    if about.evaluation is None:
        return
    for gain, seed in zip(about.evaluation.seeds, about.spec.seeds, strict=False):
        name = "candidate" if gain.index == 0 else f"seed {seed}"
        parameters = {"seed": str(seed), "train": str(about.plan.train)}
        yield PagePart(name, parameters, {"gain": gain.gain})
    if facts.refit_rows is not None:
        parameters = {"seed": str(about.spec.seeds[0]), "train": str(about.plan.refit)}
        yield PagePart("refit", parameters, {"training_rows": float(facts.refit_rows)})
    yield from _search_parts(about.searches)


def _search_parts(searches: Mapping[str, SearchResult]) -> Iterator[PagePart]:
    """The combinations that each search compared."""
    for fit, search in searches.items():
        for place, one in enumerate(search.candidates):
            parameters = {name: str(value) for name, value in one.parameters.items()}
            parameters["chosen"] = "yes" if place == search.chosen else "no"
            parameters["training_rows"] = training_rows(one)
            metrics = {f"search_{search.metric}": one.value}
            yield PagePart(f"{fit} search {place + 1}", parameters, metrics)


def _evaluated(evaluation: Evaluation) -> bytes:
    """The evaluation as a table: overall, by slice, by day and by seed."""
    rows: list[list[object]] = [
        [
            "overall",
            one.metric,
            evaluation.labelled,
            one.candidate,
            one.baseline,
            *_gain(one.difference),
        ]
        for one in evaluation.comparisons
    ]
    for part in evaluation.slices:
        name = f"{part.column} = {part.value}"
        values = [part.candidate, part.baseline, *_gain(part.difference)]
        rows.append(["slice", name, part.rows, *values])
    for day in evaluation.daily:
        values = [day.candidate, day.baseline, day.difference, None, None]
        rows.append(["day", str(day.day), day.rows, *values])
    rows += [
        ["seed", str(seed.index), None, None, None, seed.gain, None, None]
        for seed in evaluation.seeds
    ]
    heads = ("part", "of", "rows", "candidate", evaluation.baseline, "gain", "low", "high")
    return _table(heads, rows)


def _gain(difference: PairedDifference | None) -> tuple[float | None, float | None, float | None]:
    if difference is None:
        return None, None, None
    interval = difference.interval(LEVEL)
    return difference.estimate, interval.low, interval.high


def _checks(about: VersionReview) -> bytes:
    """Every finding as a row of a table."""
    heads = (
        "gate",
        "finding",
        "verdict",
        "decides",
        "got",
        "low",
        "high",
        "wanted",
        "unit",
        "reason",
    )
    nothing = Interval(low=None, high=None, level=LEVEL)
    rows: list[list[object]] = []
    for one in about.findings:
        ends = one.interval or nothing
        numbers = [one.value, ends.low, ends.high, one.threshold, one.unit]
        rows.append(
            [one.gate.value, one.name, one.verdict.value, one.blocking, *numbers, one.reason]
        )
    return _table(heads, rows)


def _table(heads: tuple[str, ...], rows: list[list[object]]) -> bytes:
    """A table in the form that ``mlflow.load_table`` reads."""
    return json.dumps({"columns": heads, "data": rows}).encode()
