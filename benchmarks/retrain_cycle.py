"""One whole retraining by Gauntlet and one written by hand, step by step, on the same events.

    python benchmarks/retrain_cycle.py --rows 1000000

The events are a simulated pharmacy chain's first 52 weeks; the model is ``models/demand.yaml``,
trained on 36 weeks so that nearly every event counts. Each side runs in a process of its own,
the two in turns. A step's seconds are medians over the repetitions, with everything imported
before; its memory is the process's peak while the step ran.

Ours starts with nothing: no cache, no champion, so every event is pulled, hashed and verified.
The first version is not replayed in past weeks, because that fits the model once for each of them.
The other side reads the same files straight into memory, and keeps them there. The row "a week
later" has our next retraining, which finds what the one before has left, and the other side again:
it starts with nothing each week. Steps that fit models are left out of it.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import second_week
from parts.chain import AS_OF, HOME, declare, store
from parts.convention import Benchmark
from parts.measuring import Meter, Step, median_steps, run_side, side_by_side, timed, total

ALL_ROWS = "validate every row"
FROM_FILES = "  from the files"
NO_PROBE = "  without our leak probe"
LATER = "a week later, without fits"
ROWS_OF_STEPS = (
    # what the table calls it, our steps, theirs
    ("read events", ("snapshot",), ("load",)),
    ("validate the fresh week", ("contract",), ("validate fresh",)),
    ("features and labels", ("features",), ("features",)),
    ("train, three seeds", ("train",), ("train",)),
    ("evaluate", ("evaluate",), ("evaluate",)),
    # the three before it have nothing to do in a first week without a service and a replay
    (
        "register and decide",
        ("availability", "record", "audit", "register", "decide"),
        ("register",),
    ),
    (ALL_ROWS, (ALL_ROWS,), (ALL_ROWS,)),
)
BENCHMARK = Benchmark(
    name="retrain_cycle",
    rows=1_000_000,
    unit="prescriptions in 52 weeks",
    limited_by=(
        "Training takes half of the CPU seconds at ten million rows, and features and labels a "
        "quarter. At a million rows, features and labels (with the leak probe) and plots and "
        "files at the registration weigh more."
    ),
)
TOLERANCE = 1e-6  # packs; the other side's rolling sums carry rounding errors along
DIFFERENCES = (
    "Only ours: every object pinned by its hash, a snapshot that can be read again, sampled points",
    "rebuilt from what was known (leak probe), an envelope suite of the training window, paired",
    "intervals, slices and refits, plots and all evidence in the version, a recorded decision.",
    "Only theirs: events and frame stay in memory between steps.",
    "'validate every row' holds all events, not the fresh week, against the same suite; it is no",
    "step of the cycle and not in the total. Ours reads the files for it; 'from the files' adds",
    "the reading to the other side as well.",
)


def ours(rows: int, work: Path) -> dict[str, Any]:
    """The product's own flow; what it answered, for the comparison."""
    meter, home = Meter(), work / "ours"
    shutil.rmtree(home, ignore_errors=True)
    declare(home, replayed_weeks=0)  # by hand there is no replay
    with meter.step("imports", counted=False):
        import matplotlib.pyplot  # noqa: F401
        import mlflow.sklearn  # noqa: F401
        import sklearn.ensemble  # noqa: F401

        from pipelines.core.findings import Verdict
        from pipelines.core.time import FixedClock
        from pipelines.flows.frames import FRAME
        from pipelines.flows.retrain import register as registration
        from pipelines.flows.retrain.request import STEPS, Request
        from pipelines.flows.retrain.steps import retrain, run_step
        from pipelines.gates.availability.kept_probes import KeptProbes
        from pipelines.gates.contract.findings import contract_findings
        from pipelines.settings import Settings
        from pipelines.wiring import connect

    timed(meter, "leak probe", KeptProbes, "probe")
    timed(meter, "envelope", registration, "envelope_of")
    settings = Settings(
        home=home,
        models=home / "models",
        expectations=home / "expectations",
        store=str(store(rows)),
    )
    with meter.step("connect", counted=False):
        parts = connect(settings, clock=FixedClock(AS_OF))
    request = Request(model="demand", as_of=AS_OF, reason="benchmark")
    for step in STEPS:
        with meter.step(step):
            run_step(step, request, parts.retraining)
    done = retrain(request, parts.retraining)
    run, evidence = done.run, done.evidence
    with (
        meter.step(ALL_ROWS, counted=False),
        run.events.tables(evidence.snapshot, run.common.streams) as tables,
    ):
        found = contract_findings(
            {"suite": run.suite}, tables, parts.suite_runner, run.spec.points.stream
        )
    if evidence.contract is None:
        raise SystemExit("the contract step has left no evidence")
    return meter.as_json() | {
        "frame": str(run.workspace.path(FRAME)),
        "fresh": [[f.verdict is Verdict.PASS, f.value] for f in evidence.contract.findings],
        "every": [[f.verdict is Verdict.PASS, f.value] for f in found],
        "names": [f.name for f in found],
        "events": {name: part.rows for name, part in evidence.snapshot.streams.items()},
        "points": evidence.frame.rows if evidence.frame else 0,
        "error": evidence.evaluation.primary.candidate
        if evidence.evaluation and evidence.evaluation.primary
        else None,
        "outcome": str(done.decision.outcome),
    }


def theirs(rows: int, work: Path) -> dict[str, Any]:
    """The same by hand."""
    meter, home = Meter(), work / "theirs"
    shutil.rmtree(home, ignore_errors=True)
    declare(home)
    with meter.step("imports", counted=False):
        import numpy as np
        from parts import by_hand

        from pipelines.spec.load import load_model
        from pipelines.training.split import split_plan

    spec = load_model(home / "models" / "demand.yaml")
    plan = split_plan(spec, AS_OF)
    suite = json.loads((home / "expectations" / "demand.json").read_text(encoding="utf-8"))
    by_stream: dict[str, list[dict[str, Any]]] = {}
    for each in suite["expectations"]:
        by_stream.setdefault(each["meta"]["stream"], []).append(each)
    with meter.step("connect", counted=False):
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
        mlflow.set_experiment("demand")
    with meter.step("load"):
        frames = by_hand.load(store(rows), AS_OF)
    start = np.datetime64((AS_OF - spec.gates.contract.lookback).replace(tzinfo=None))
    with meter.step("validate fresh"):
        fresh = [
            answer
            for name, expectations in by_stream.items()
            for answer in by_hand.validate(
                frames[name][frames[name]["known_time"] > start], expectations
            )
        ]
    with meter.step("features"):
        table = by_hand.features(frames, plan.train.start, AS_OF)
    frame = home / "frame.parquet"
    table.to_parquet(frame)
    times = table["decision_time"]

    labelled = table["label"].notna()

    def inside(window: Any) -> Any:
        begin, end = (np.datetime64(t.replace(tzinfo=None)) for t in (window.start, window.end))
        return labelled & (times >= begin) & (times < end)

    with meter.step("train"):
        training = table[inside(plan.train)]
        models = [by_hand.fit(training, seed) for seed in spec.seeds]
        refit = by_hand.fit(table[inside(plan.refit or plan.train)], spec.seeds[0])
    with meter.step("evaluate"):
        constant = float(training["label"].median())
        recent = table[inside(plan.recent)]
        errors = [by_hand.evaluate(model, recent, constant) for model in models]
    with meter.step("register"):
        example = by_hand.matrix(training.head(5))
        by_hand.register(refit, example, errors[0], f"sqlite:///{home}/mlflow.db")
    del table, training, recent, models, refit
    with meter.step(ALL_ROWS, counted=False):
        every = [
            answer
            for name, expectations in by_stream.items()
            for answer in by_hand.validate(frames[name], expectations)
        ]
    return meter.as_json() | {
        "frame": str(frame),
        "fresh": fresh,
        "every": every,
        "error": errors[0]["absolute_error"],
    }


def compare(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Whether both sides gave the same answer: frame value by value, verdicts, error."""
    import pandas as pd

    keys = ["decision_time", "pharmacy", "medicine"]
    left, right = (
        pd.read_parquet(side["frame"])
        .astype(dict.fromkeys(keys[1:], "str"))
        .sort_values(keys, ignore_index=True)
        for side in (one, other)
    )
    same_points = len(left) == len(right) and all((left[k] == right[k]).all() for k in keys)
    largest: dict[str, float] = {}
    for name in [n for n in right.columns if n not in keys] if same_points else []:
        a, b = left[name].astype("float64"), right[name].astype("float64")
        same_missing = bool((a.isna() == b.isna()).all())
        largest[name] = float((a - b).abs().max()) if same_missing else math.inf
    verdicts = {
        kind: sum(a[0] != b[0] for a, b in zip(one[kind], other[kind], strict=True))
        for kind in ("fresh", "every")
    }
    error = one["error"]
    return {
        "points": len(left),
        "same_points": same_points,
        "largest_difference": max(largest.values(), default=math.inf),
        "by_column": largest,
        "verdicts": len(one["fresh"]),
        "verdicts_that_differ": verdicts["fresh"] + verdicts["every"],
        "error_ours": error,
        "error_theirs": other["error"],
        "same": same_points
        and max(largest.values(), default=math.inf) <= TOLERANCE
        and not any(verdicts.values())
        and error is not None
        and math.isclose(error, other["error"], rel_tol=1e-9),
    }


def main() -> None:
    """Measure and compare both sides, and show the figures."""
    arguments = _arguments()
    work = HOME / f"cycle-{arguments.rows}"
    if arguments.side:
        found = {"ours": ours, "theirs": theirs}[arguments.side](arguments.rows, work)
        arguments.out.write_text(json.dumps(found), encoding="utf-8")
        return
    report: Callable[[str], None] = (lambda _: None) if arguments.json else _report
    report(f"events of {arguments.rows:,} prescriptions ...")
    store(arguments.rows)
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "theirs": []}
    times = {"ours": arguments.repeat, "theirs": arguments.repeat_theirs}
    for number in range(max(times.values())):
        for side in ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours"):
            if number < times[side]:
                report(f"run {number + 1} of {times[side]}: {side} ...")
                runs[side].append(
                    run_side(Path(__file__).resolve(), side, "--rows", str(arguments.rows))
                )
    later = None
    if not arguments.no_second_week:
        report("a week later ...")
        later = second_week.run(arguments.rows)["second"]
    answer = summary(runs, later)
    BENCHMARK.conclude(arguments, answer, show(answer))
    if not answer["answers"]["same"]:
        raise SystemExit("the two sides did not give the same answer")


def summary(runs: dict[str, list[dict[str, Any]]], later: dict[str, Any] | None) -> dict[str, Any]:
    """The figures as one JSON object; ``later`` is the retraining a week later, if it was run."""
    steps = {side: median_steps(found) for side, found in runs.items()}
    parts = median_steps(runs["ours"], "parts")
    one, two = total(steps["ours"]), total(steps["theirs"])
    table = []
    for name, our_steps, their_steps in ROWS_OF_STEPS:
        a = _together([steps["ours"][step] for step in our_steps])
        b = _together([steps["theirs"][step] for step in their_steps])
        table.append({"step": name} | side_by_side(a, b))
        if name == "features and labels":
            a = Step(a.wall_s - parts["leak probe"].wall_s, a.cpu_s - parts["leak probe"].cpu_s)
            table.append({"step": NO_PROBE} | side_by_side(a, b))
        if name == ALL_ROWS:
            b = _together([steps["theirs"]["load"], b])
            table.append({"step": FROM_FILES} | side_by_side(a, b))
    if later is not None:
        a = _together([Step(**later["steps"][name]) for name in second_week.counted(later)])
        theirs = [step for name, _, own in ROWS_OF_STEPS if name != ALL_ROWS for step in own]
        b = _together([steps["theirs"][step] for step in theirs if step != "train"])
        table.append({"step": LATER} | side_by_side(a, b))
    by_name = {row["step"]: row for row in table}
    whole = side_by_side(one, two)
    return {
        **whole,
        "steps": table,
        "features_ratio": by_name[NO_PROBE]["ratio"],
        "features_cpu_ratio": by_name[NO_PROBE]["cpu_ratio"],
        "validation_ratio": by_name[ALL_ROWS]["ratio"],
        "validation_cpu_ratio": by_name[ALL_ROWS]["cpu_ratio"],
        "validation_from_files_ratio": by_name[FROM_FILES]["ratio"],
        "notes": list(DIFFERENCES),
        "parts_of_ours": {name: round(part.wall_s, 2) for name, part in parts.items()},
        "imports_s": [round(steps[s]["imports"].wall_s, 2) for s in ("ours", "theirs")],
        "repetitions": [len(found) for found in runs.values()],
        "events": runs["ours"][0]["events"],
        "outcome": runs["ours"][0]["outcome"],
        "answers": compare(runs["ours"][-1], runs["theirs"][-1]),
    }


def show(answer: dict[str, Any]) -> str:
    """The figures as a table."""
    events = ", ".join(f"{count:,} of {name}" for name, count in answer["events"].items())
    sides = f"{'ours':>9}{'by hand':>10}"
    lines = [
        f"retrain_cycle: events {events}; {answer['answers']['points']:,} decision points",
        f"repetitions (ours, by hand) {tuple(answer['repetitions'])}",
        "",
        f"{'':32}{'seconds':^19}{'':7}{'CPU seconds':^19}{'':7}{'peak MiB':^19}",
        f"{'step':32}{sides}{'ratio':>7}{sides}{'ratio':>7}{sides}",
    ]
    for row in [*answer["steps"], {"step": "the cycle", **answer}]:
        numbers = f"{row['ours_s']:9.1f}{row['theirs_s']:10.1f}{row['ratio']:7.1f}"
        numbers += f"{row['ours_cpu_s']:9.1f}{row['theirs_cpu_s']:10.1f}{row['cpu_ratio']:7.1f}"
        if row["ours_mib"]:
            numbers += f"{row['ours_mib']:9,.0f}{row['theirs_mib']:10,.0f}"
        lines.append(f"{row['step']:32}{numbers}")
    inner = ", ".join(f"{name} {took} s" for name, took in answer["parts_of_ours"].items())
    same = answer["answers"]
    lines += [
        "",
        f"of our seconds: {inner}; imports before the clock: {answer['imports_s']} s",
        f"same answer: {same['same']} (points equal: {same['same_points']}; largest difference of",
        f"any value {same['largest_difference']:.2g}, allowed {TOLERANCE:g};",
        f"{same['verdicts_that_differ']} of 2 x {same['verdicts']} verdicts differ;",
        f"error {same['error_ours']} and {same['error_theirs']})",
        *DIFFERENCES,
    ]
    return "\n".join(lines)


def _together(steps: list[Step]) -> Step:
    return total({str(i): Step(s.wall_s, s.cpu_s, s.peak_mib) for i, s in enumerate(steps)})


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = BENCHMARK.parser(__doc__, sides=("ours", "theirs"))
    parser.add_argument("--repeat", type=int, default=3, help="runs of our side")
    parser.add_argument("--repeat-theirs", type=int, help="runs of the other; default: as ours")
    help_of_week = f"without the row {LATER!r}, whose first week fits a replay of past weeks"
    parser.add_argument("--no-second-week", action="store_true", help=help_of_week)
    found = parser.parse_args()
    found.repeat_theirs = found.repeat_theirs or found.repeat
    return found


if __name__ == "__main__":
    main()
