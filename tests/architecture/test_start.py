"""Each command loads only the heavy libraries that it uses: imports follow the use.

Compares what a fresh interpreter has loaded at its end; no time is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {
    *("duckdb", "fastapi", "great_expectations", "ibis", "matplotlib", "mlflow"),
    *("pandas", "pyarrow", "scipy", "skops", "sklearn"),
}
EVENTS = {"duckdb", "ibis", "pyarrow"}
SUITE = {"great_expectations", "pandas", "scipy"}  # Great Expectations loads the other two
LIGHT = {  # commands that load none of them, with their exit codes
    "--help": 0,
    "champion demand": 0,
    "ledger demand": 0,
    "features demand": 0,
    "check mistaken": 2,
    "retrain mistaken": 2,
    "release mistaken": 2,
    "effects mistaken": 2,
}
RUN = """
import json, pathlib, sys
from pipelines.cli import main
out, *commands = sys.argv[1:]
ended = {}
for command in commands:
    sys.argv[1:] = command.split()
    try:
        main()
    except SystemExit as end:
        loaded = sorted({name.partition(".")[0] for name in sys.modules})
        ended[command] = {"code": end.code, "loaded": loaded}
pathlib.Path(out).write_text(json.dumps(ended))
"""


def run(folder: Path, *commands: str) -> dict[str, tuple[int, set[str]]]:
    """Exit code of each command, and what one interpreter has loaded after it and those before."""
    models = folder / "models"
    models.mkdir()
    declared = (ROOT / "models" / "demand.yaml").read_text(encoding="utf-8")
    (models / "demand.yaml").write_text(declared, encoding="utf-8")
    (models / "mistaken.yaml").write_text(declared.replace("owner:", "onwer:"), encoding="utf-8")
    places = {"GAUNTLET_HOME": folder / "home", "GAUNTLET_MODELS": models}
    places |= {"GAUNTLET_EXPECTATIONS": ROOT / "expectations", "PYTHONPATH": ROOT}
    out = folder / "loaded.json"
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(out), *commands],
        env=os.environ | {name: str(path) for name, path in places.items()},
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert out.is_file(), done.stderr
    ended = json.loads(out.read_text(encoding="utf-8"))
    assert list(ended) == list(commands), done.stderr
    return {name: (one["code"], HEAVY & set(one["loaded"])) for name, one in ended.items()}


def test_light_commands_load_no_heavy_library(tmp_path: Path) -> None:
    """They run one after the other in one interpreter, because most of it would be its start."""
    assert run(tmp_path, *LIGHT) == {command: (code, set()) for command, code in LIGHT.items()}


@pytest.mark.parametrize(
    ("command", "code", "allowed"),
    [
        ("status", 0, {"duckdb", "pyarrow"}),
        ("import mistaken sales x.csv", 2, EVENTS),
        ("materialize demand", 3, EVENTS),
        ("check demand", 3, EVENTS | SUITE),
    ],
)
def test_a_command_loads_only_what_it_uses(
    command: str, code: int, allowed: set[str], tmp_path: Path
) -> None:
    [(ended, loaded)] = run(tmp_path, command).values()
    assert ended == code
    assert loaded <= allowed
