"""The decision on recent rows, and the audit of a changed recipe, in seconds and memory.

    python benchmarks/decision.py --rows 1000000

Ours: the analytic paired comparison, and 2,000 resamples of blocks of days times entities. The
other side: ``scipy.stats.bootstrap`` of the mean of the same rows' difference, 2,000 resamples,
percentile, in batches that fit into memory. Each side runs in a process of its own, in turns.

The two do not answer the same question: SciPy resamples rows as if each stood for itself. So the
estimates must be equal, and the errors are shown side by side. Whether the errors agree
is checked where rows are independent: there the analytic one must equal SciPy's.

The audit (two recipes fitted, populations compared, refits) has no other side. A third of its
rows are judged, the others are trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from parts.convention import Benchmark
from parts.measuring import Meter, Step, median_steps, run_side, side_by_side, total

RESAMPLES = 2000
DAYS = 28
ROWS_OF_AN_ENTITY = 50
BATCH_CELLS = 10_000_000  # row numbers that SciPy draws at once: 80 MB, and as much of values
SEED = 20260105
BENCHMARK = Benchmark(
    name="decision",
    rows=1_000_000,
    unit="rows judged; of the audit: trained on or judged",
    limited_by=(
        "The resampling takes 0.54 of 0.77 CPU seconds at a million rows. In the audit, the "
        "classifiers that tell two populations apart take 60 % and the refits of both recipes "
        "20 %."
    ),
)
TOLERANCE = 0.1  # of the errors of independent rows: 500 resamples tell 3 %


def errors(rows: int, *, dependent: bool) -> tuple[np.ndarray, ...]:
    """Labels, two models' predictions, entities and days; about as good as each other."""
    rng = np.random.default_rng(SEED)
    entities = max(50, rows // ROWS_OF_AN_ENTITY)
    activity = rng.pareto(2.5, entities) + 0.3
    entity = rng.choice(entities, rows, p=activity / activity.sum())
    if not dependent:
        entity = np.arange(rows)
    day = rng.integers(0, DAYS, rows)
    label = rng.normal(10, 3, rows)
    lasting = 0.3 * rng.normal(size=rows if not dependent else entities) * dependent
    shift = 0.05 * rng.normal(size=DAYS) * dependent
    candidate = label + rng.normal(size=rows) * 0.98 + lasting[entity] + shift[day]
    return label, candidate, label + rng.normal(size=rows), entity, day


def ours(rows: int) -> dict[str, Any]:
    """Influence values and comparison, then the bootstrap."""
    from pipelines.stats.influence import absolute_error
    from pipelines.stats.paired import paired_difference
    from tests.montecarlo.two_way_bootstrap import bootstrap_difference

    meter = Meter()
    label, candidate, champion, entity, day = errors(rows, dependent=True)
    with meter.step("paired comparison"):
        a, b = absolute_error(label, candidate), absolute_error(label, champion)
        analytic = paired_difference(a, b, entity, day, strict=False)
    with meter.step("2,000 resamples"):
        resampled = bootstrap_difference(
            a, b, entity, day, np.random.default_rng(1), resamples=RESAMPLES
        )
    label, candidate, champion, entity, day = errors(rows, dependent=False)
    a, b = absolute_error(label, candidate), absolute_error(label, champion)
    alone = paired_difference(a, b, entity, day, strict=False)
    return meter.as_json() | {
        "estimate": analytic.estimate,
        "error_analytic": analytic.standard_error,
        "error": resampled.standard_error,
        "interval": [resampled.interval.low, resampled.interval.high],
        "error_independent": math.sqrt(alone.variance_cell),
        "entities": analytic.entities,
    }


def theirs(rows: int) -> dict[str, Any]:
    """SciPy's bootstrap of the mean of the same difference."""
    from scipy.stats import bootstrap

    meter = Meter()
    label, candidate, champion, *_ = errors(rows, dependent=True)
    with meter.step("2,000 resamples"):
        difference = np.abs(label - champion) - np.abs(label - candidate)
        found = _scipy(bootstrap, difference, RESAMPLES)
    label, candidate, champion, *_ = errors(rows, dependent=False)
    alone = np.abs(label - champion) - np.abs(label - candidate)
    return meter.as_json() | {
        "estimate": float(difference.mean()),
        "error": float(found.standard_error),
        "interval": [float(end) for end in found.confidence_interval],
        "error_independent": float(_scipy(bootstrap, alone, RESAMPLES // 4).standard_error),
    }


def _scipy(bootstrap: Any, difference: np.ndarray, resamples: int) -> Any:
    return bootstrap(
        (difference,),
        np.mean,
        n_resamples=resamples,
        batch=max(1, BATCH_CELLS // len(difference)),
        confidence_level=0.90,
        method="percentile",
        rng=np.random.default_rng(1),
    )


def audit(rows: int) -> dict[str, Any]:
    """A candidate that trims its training rows, compared with the recipe that does not."""
    import sklearn.ensemble  # noqa: F401
    from parts.toy_audit import AS_OF, audit_data

    from pipelines.gates.audit.audit import audit

    meter = Meter()
    found = audit_data(rows, SEED)
    with meter.step("audit"):
        audited = audit(found, as_of=AS_OF, against="the recipe that trims nothing")
    return meter.as_json() | {
        "findings": [f"{f.name} {f.verdict.value}" for f in audited.findings],
        "training_rows": {side: len(part) for side, part in found.training.items()},
        "scored_rows": len(found.live),
    }


def main() -> None:
    """Measure, compare, tell."""
    arguments = _arguments()
    if arguments.side:
        measure = {"ours": ours, "theirs": theirs, "audit": audit}[arguments.side]
        arguments.out.write_text(json.dumps(measure(arguments.rows)), encoding="utf-8")
        return

    def run(side: str) -> dict[str, Any]:
        if not arguments.json:
            print(f"{side} ...", file=sys.stderr, flush=True)
        return run_side(Path(__file__).resolve(), side, "--rows", str(arguments.rows))

    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "theirs": []}
    for number in range(arguments.repeat):
        for side in ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours"):
            runs[side].append(run(side))
    answer = summary(runs, None if arguments.no_audit else run("audit"))
    BENCHMARK.conclude(arguments, answer, report(arguments.rows, answer))
    if not answer["answers"]["same"]:
        raise SystemExit("the two sides did not give the same answer")


def summary(
    runs: dict[str, list[dict[str, Any]]], audited: dict[str, Any] | None
) -> dict[str, Any]:
    """The figures as one JSON object."""
    steps = {side: median_steps(found) for side, found in runs.items()}
    one, two = total(steps["ours"]), total(steps["theirs"])
    resampling = steps["ours"]["2,000 resamples"].wall_s
    mine, other = runs["ours"][0], runs["theirs"][0]
    answer: dict[str, Any] = {
        **side_by_side(one, two, ratio_digits=1),
        "parts_of_ours": {name: round(step.wall_s, 2) for name, step in steps["ours"].items()},
        "resampling_ratio": round(two.wall_s / resampling, 1),
        "repetitions": [len(found) for found in runs.values()],
        "spread_s": {
            side: [round(sum(s["wall_s"] for s in run["steps"].values()), 2) for run in found]
            for side, found in runs.items()
        },
        "resamples": RESAMPLES,
        "entities": mine["entities"],
        "answers": {
            "same": math.isclose(mine["estimate"], other["estimate"], rel_tol=1e-9)
            and math.isclose(
                mine["error_independent"], other["error_independent"], rel_tol=TOLERANCE
            ),
            "estimate": [mine["estimate"], other["estimate"]],
            "interval": [mine["interval"], other["interval"]],
            "error": [mine["error"], other["error"]],
            "error_analytic": mine["error_analytic"],
            "error_of_independent_rows": [mine["error_independent"], other["error_independent"]],
        },
    }
    if audited is not None:
        step = audited["steps"]["audit"]
        answer["audit"] = {
            "s": round(step["wall_s"], 1),
            "cpu_s": round(step["cpu_s"], 1),
            "mib": round(step["peak_mib"]),
            "training_rows": audited["training_rows"],
            "scored_rows": audited["scored_rows"],
            "findings": audited["findings"],
        }
    answer["steps"] = _table(steps, answer)
    answer["notes"] = _notes(answer)
    return answer


def _table(steps: dict[str, dict[str, Step]], answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Each step; the audit last, which is in no total."""
    rows: list[dict[str, Any]] = []
    for name, ours_took in steps["ours"].items():
        row = {"step": name, **_figures("ours", ours_took)}
        if name in steps["theirs"]:
            took = steps["theirs"][name]
            row |= _figures("theirs", took)
            row |= {
                "ratio": took.wall_s / ours_took.wall_s,
                "cpu_ratio": took.cpu_s / ours_took.cpu_s,
            }
        rows.append(row)
    if "audit" in answer:
        took = answer["audit"]
        named = {"ours_s": took["s"], "ours_cpu_s": took["cpu_s"], "ours_mib": took["mib"]}
        rows.append({"step": "audit, in no total", **named})
    return rows


def _figures(side: str, took: Step) -> dict[str, float]:
    return {f"{side}_s": took.wall_s, f"{side}_cpu_s": took.cpu_s, f"{side}_mib": took.peak_mib}


def _notes(answer: dict[str, Any]) -> list[str]:
    """What the reader has to know of the two sides."""
    answers, alone = answer["answers"], answer["answers"]["error_of_independent_rows"]
    both = f"resampled {answers['error'][0]:.5f}, analytic {answers['error_analytic']:.5f}"
    notes = [
        f"The other side is `scipy.stats.bootstrap`, {RESAMPLES:,} resamples of the difference.",
        f"Standard error with {answer['entities']:,} entities and {DAYS} days as noise: {both};",
        f"with rows that stand for themselves, as SciPy takes them: {answers['error'][1]:.5f}.",
        f"Where rows do stand for themselves: analytic {alone[0]:.5f}, SciPy {alone[1]:.5f}.",
    ]
    if "audit" in answer:
        scored, trained = answer["audit"]["scored_rows"], answer["audit"]["training_rows"]
        notes.append(
            f"The audit, its refits included, has no other side: {trained['champion']:,} and "
            f"{trained['candidate']:,} rows to train on, {scored:,} to score."
        )
    return notes


def report(rows: int, answer: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [
        f"decision: {rows:,} rows of {answer['entities']:,} entities on {DAYS} days",
        f"medians of {answer['repetitions'][0]} runs a side",
        "",
        *(f"ours, {name:20} {took:8.2f} s" for name, took in answer["parts_of_ours"].items()),
        f"ours, together             {answer['ours_s']:8.2f} s {answer['ours_mib']:8,} MiB",
        f"scipy.stats.bootstrap      {answer['theirs_s']:8.2f} s {answer['theirs_mib']:8,} MiB",
        f"ratio {answer['ratio']}; of the resampling alone {answer['resampling_ratio']}",
        "",
        *answer["notes"],
    ]
    if "audit" in answer:
        lines.append(f"audit: {answer['audit']['s']} s, {answer['audit']['mib']:,} MiB")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = BENCHMARK.parser(__doc__, sides=("ours", "theirs", "audit"))
    parser.add_argument("--repeat", type=int, default=3, help="runs of each side; one audit")
    parser.add_argument("--no-audit", action="store_true", help="only the comparison")
    return parser.parse_args()


if __name__ == "__main__":
    main()
