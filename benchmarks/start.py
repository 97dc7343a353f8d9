"""Seconds and memory that commands take to start, and those of ``import mlflow`` for comparison.

    python benchmarks/start.py              five runs of each, into RESULTS.md
    python benchmarks/start.py --rows 1     one run of each, printed only

Each figure is the least of several runs in a fresh process, user and system time together. There
are no events, so that each command ends as soon as it has looked for them. Ours as a whole is the
retraining without events.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from parts.convention import Benchmark
from parts.measuring import Step, side_by_side

HERE = Path(__file__).resolve().parent
PYTHON = [sys.executable, "-c"]
GAUNTLET = [*PYTHON, "from pipelines.cli import main; main()"]
THEIRS, OURS = "import mlflow", "gauntlet retrain, no events"
COMMANDS = {
    THEIRS: [*PYTHON, "import mlflow"],
    "gauntlet --help": [*GAUNTLET, "--help"],
    "gauntlet champion": [*GAUNTLET, "champion", "demand"],
    "gauntlet ledger": [*GAUNTLET, "ledger", "demand"],
    "gauntlet features": [*GAUNTLET, "features", "demand"],
    "gauntlet check, a typo in YAML": [*GAUNTLET, "check", "mistaken"],
    "gauntlet retrain, a typo in YAML": [*GAUNTLET, "retrain", "mistaken"],
    "gauntlet check, no events": [*GAUNTLET, "check", "demand"],
    "gauntlet materialize, no events": [*GAUNTLET, "materialize", "demand"],
    OURS: [*GAUNTLET, "retrain", "demand"],
    "gauntlet release, no champion": [*GAUNTLET, "release", "demand"],
}
BENCHMARK = Benchmark(
    name="start",
    rows=5,
    unit="runs of each command",
    limited_by=(
        "Imports. Of the time to import the steps of a retraining, scipy.stats takes 45 % and "
        "the ensembles of scikit-learn 17 %."
    ),
)


def main() -> None:
    """Measure each command; the last line is the JSON object."""
    given = BENCHMARK.parser(__doc__).parse_args()
    lines = ["| command | CPU s | seconds | MiB |", "|---|---:|---:|---:|"]
    found: dict[str, Step] = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = prepare(Path(folder))
        for name, command in COMMANDS.items():
            runs = [measure(command, environment) for _ in range(given.rows)]
            found[name] = least = min(runs, key=lambda run: run.cpu_s)
            lines.append(
                f"| {name} | {least.cpu_s:.2f} | {least.wall_s:.2f} | {least.peak_mib:.0f} |"
            )
    load = f"{os.getloadavg()[0]:.1f} processes wanted a core at the end."
    answer = side_by_side(found[OURS], found[THEIRS])
    steps = {name: vars(step) for name, step in found.items()}
    title = "start of commands" if given.rows == BENCHMARK.rows else ""
    text = "\n".join([*lines, "", f"The least of {given.rows} runs each. {load}"])
    BENCHMARK.conclude(given, answer | {"commands": steps}, text, title)


def prepare(folder: Path) -> dict[str, str]:
    """A home without events, a sound declaration and one with a typo; the environment for them."""
    declared = (HERE.parent / "models" / "demand.yaml").read_text(encoding="utf-8")
    (folder / "demand.yaml").write_text(declared, encoding="utf-8")
    (folder / "mistaken.yaml").write_text(declared.replace("owner:", "onwer:"), encoding="utf-8")
    return os.environ | {
        "GAUNTLET_HOME": str(folder / "home"),
        "GAUNTLET_MODELS": str(folder),
        "GAUNTLET_EXPECTATIONS": str(HERE.parent / "expectations"),
    }


def measure(command: list[str], environment: dict[str, str]) -> Step:
    """One process from its start to its end; its exit code does not matter."""
    began = perf_counter()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Step(perf_counter() - began, used.ru_utime + used.ru_stime, peak)


if __name__ == "__main__":
    main()
