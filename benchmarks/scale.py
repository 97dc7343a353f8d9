"""A whole retraining of more and more events: time and memory of each step.

    python benchmarks/scale.py --rows 1000000      one of the sizes of docs/scale.md, into that page
    python benchmarks/scale.py --rows 200000       other sizes, printed only
    python benchmarks/scale.py --page              the page again, from what was measured

The events are a simulated pharmacy chain's first 52 weeks; more events are more pharmacies. The
model is ``models/demand.yaml``, trained on 36 weeks with one seed. Ours is one retraining, which
starts with nothing and is not replayed in past weeks. Theirs is ten times the retraining of a tenth
of the events: a ratio below 1 is worse than linear. Each is in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parts import curve
from parts.chain import AS_OF, HOME, declare, store
from parts.convention import Benchmark
from parts.measuring import Meter, Step, run_side, side_by_side, timed, timed_fits, total

PART = 10  # the other side has this part of the events
BENCHMARK = Benchmark(
    name="scale",
    rows=1_000_000,
    unit="prescriptions in 52 weeks",
    limited_by="",  # follows from each run
)


def measure(given: Namespace) -> None:
    """One retraining; what is known so far is written after each step."""
    home, meter = HOME / f"scale-{given.rows}", Meter()
    shutil.rmtree(home, ignore_errors=True)
    declare(home, replayed_weeks=0, seeds=1)
    with meter.step("imports", counted=False):
        import ibis.backends.duckdb  # noqa: F401
        import matplotlib.pyplot  # noqa: F401
        import mlflow.sklearn  # noqa: F401
        import sklearn.ensemble  # noqa: F401

        from pipelines.core.time import FixedClock
        from pipelines.data import snapshot
        from pipelines.flows.retrain import register
        from pipelines.flows.retrain.request import STEPS, Request
        from pipelines.flows.retrain.steps import retrain, run_step
        from pipelines.gates.availability.kept_probes import KeptProbes
        from pipelines.settings import Settings
        from pipelines.wiring import connect

    timed(meter, "scan", snapshot, "scan_objects")
    timed(meter, "leak probe", KeptProbes, "probe")
    timed(meter, "envelope", register, "envelope_of")
    settings = Settings(
        home=home,
        models=home / "models",
        expectations=home / "expectations",
        store=str(store(given.rows)),
    )
    with meter.step("connect", counted=False):
        parts = connect(settings, clock=FixedClock(AS_OF)).retraining
    found: dict[str, Any] = {
        "rows": given.rows,
        "memory": settings.memory,
        "load": round(os.getloadavg()[0], 1),
        "day": datetime.now(UTC).date().isoformat(),
    }
    fits = timed_fits()
    request = Request(model="demand", as_of=AS_OF, reason="benchmark")
    for step in STEPS:
        with meter.step(step):
            run_step(step, request, parts)
        found |= meter.so_far() | {"fits_s": sum(fits), "home_mib": _mebibytes(home)}
        given.out.write_text(json.dumps(found), encoding="utf-8")
    done = retrain(request, parts)
    evidence = done.evidence
    found |= meter.as_json() | {
        "events": {name: one.rows for name, one in evidence.snapshot.streams.items()},
        "points": evidence.frame.rows if evidence.frame else 0,
        "training_rows": evidence.trained.rows if evidence.trained else 0,
        "outcome": str(done.decision.outcome),
    }
    given.out.write_text(json.dumps(found), encoding="utf-8")
    shutil.rmtree(home)


def _mebibytes(folder: Path) -> int:
    """What the files in a folder take on the disk."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) >> 20


def main() -> None:
    """Measure both, and write the page; the last line is the JSON object."""
    parser = BENCHMARK.parser(__doc__, sides=("one",))
    parser.add_argument("--page", action="store_true", help="only write the page again")
    given = parser.parse_args()
    if given.page:
        curve.write_page()
        return
    if given.side:
        measure(given)
        return
    script = Path(__file__).resolve()
    few, many = (given.rows // PART, given.rows)
    small, large = (run_side(script, "one", "--rows", str(rows)) for rows in (few, many))
    if given.rows in curve.SIZES:
        curve.keep(large)
        curve.write_page()
    whole, tenth = (
        total({n: Step(**s) for n, s in one["steps"].items()}) for one in (large, small)
    )
    in_proportion = Step(PART * tenth.wall_s, PART * tenth.cpu_s, PART * tenth.peak_mib)
    answer = side_by_side(whole, in_proportion) | {"steps": large["steps"], "tenth": small["steps"]}
    measured = replace(BENCHMARK, limited_by=curve.limited_by(large))
    measured.conclude(given, answer, curve.table([small, large]))


if __name__ == "__main__":
    main()
