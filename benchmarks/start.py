"""Processor seconds that commands take to start, and those of ``import mlflow`` for comparison.

python benchmarks/start.py [--repeat 5]

Each figure is the least of several runs in a fresh process, user and system time together. There
are no events, so that each command ends as soon as it has looked for them.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = [sys.executable, "-c"]
GAUNTLET = [*PYTHON, "from pipelines.cli import main; main()"]
COMMANDS = {
    "import mlflow": [*PYTHON, "import mlflow"],
    "gauntlet --help": [*GAUNTLET, "--help"],
    "gauntlet champion": [*GAUNTLET, "champion", "demand"],
    "gauntlet ledger": [*GAUNTLET, "ledger", "demand"],
    "gauntlet features": [*GAUNTLET, "features", "demand"],
    "gauntlet check, a typo in YAML": [*GAUNTLET, "check", "mistaken"],
    "gauntlet retrain, a typo in YAML": [*GAUNTLET, "retrain", "mistaken"],
    "gauntlet check, no events": [*GAUNTLET, "check", "demand"],
    "gauntlet materialize, no events": [*GAUNTLET, "materialize", "demand"],
    "gauntlet retrain, no events": [*GAUNTLET, "retrain", "demand"],
    "gauntlet release, no champion": [*GAUNTLET, "release", "demand"],
}


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="runs of each command")
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as folder:
        environment = prepare(Path(folder))
        print("| command | CPU s |\n|---|---:|")
        for name, command in COMMANDS.items():
            least = min(cpu_seconds(command, environment) for _ in range(repeat))
            print(f"| {name} | {least:.2f} |", flush=True)


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


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    """User and system time of one process; its exit code does not matter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
