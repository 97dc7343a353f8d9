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
RUN = """
import json, pathlib, sys
from pipelines.cli import main
out = pathlib.Path(sys.argv.pop(1))
try:
    main()
except SystemExit as end:
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    out.write_text(json.dumps({"code": end.code, "loaded": loaded}))
"""


@pytest.mark.parametrize(
    ("command", "code", "allowed"),
    [
        ("--help", 0, set()),
        ("champion demand", 0, set()),
        ("ledger demand", 0, set()),
        ("status", 0, {"duckdb", "pyarrow"}),
        ("features demand", 0, set()),
        ("check mistaken", 2, set()),
        ("retrain mistaken", 2, set()),
        ("release mistaken", 2, set()),
        ("effects mistaken", 2, set()),
        ("import mistaken sales x.csv", 2, EVENTS),
        ("materialize demand", 3, EVENTS),
        ("check demand", 3, EVENTS | SUITE),
    ],
)
def test_a_command_loads_only_what_it_uses(
    command: str, code: int, allowed: set[str], tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    declared = (ROOT / "models" / "demand.yaml").read_text(encoding="utf-8")
    (models / "demand.yaml").write_text(declared, encoding="utf-8")
    (models / "mistaken.yaml").write_text(declared.replace("owner:", "onwer:"), encoding="utf-8")
    places = {"GAUNTLET_HOME": tmp_path / "home", "GAUNTLET_MODELS": models}
    places |= {"GAUNTLET_EXPECTATIONS": ROOT / "expectations", "PYTHONPATH": ROOT}
    out = tmp_path / "loaded.json"
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(out), *command.split()],
        env=os.environ | {name: str(path) for name, path in places.items()},
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert out.is_file(), done.stderr
    ended = json.loads(out.read_text(encoding="utf-8"))
    assert ended["code"] == code, done.stderr
    assert HEAVY & set(ended["loaded"]) <= allowed
