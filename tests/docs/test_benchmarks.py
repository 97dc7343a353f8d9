"""Benchmarks run alone, take the same options, and end with one JSON object of the same keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pharmacy import ROOT

FOLDER = ROOT / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "run_all")
KEYS = {"benchmark", "rows", "ours_s", "theirs_s", "ratio", "ours_mib", "theirs_mib"}
# Options of the smallest size that still measures what the benchmark is for.
SMALLEST = {
    "backfill": "--rows 20000 --weeks 2 --without-training",
    "backtest": "--rows 40000 --weeks 2",
    "decision": "--rows 2000 --repeat 1 --no-audit",
    "drift": "--rows 2000",
    "features": "--rows 500",
    "journal": "--rows 64",
    "retrain_cycle": "--rows 20000 --repeat 1",
    "scale": "--rows 200000",
    "second_week": "--rows 20000",
    "serving": "--rows 100",
    "start": "--rows 1",
    "updates": "--rows 24000",
}
SECONDS = {"decision", "journal"}  # the others take up to some minutes
HELP = """
import contextlib, io, json, runpy, sys
found = {}
for path in sys.argv[1:]:
    sys.argv[:] = [path, "--help"]
    page = io.StringIO()
    with contextlib.redirect_stdout(page), contextlib.suppress(SystemExit):
        runpy.run_path(path, run_name="__main__")
    found[path] = page.getvalue()
print(json.dumps(found))
"""


def test_every_benchmark_has_a_smallest_size() -> None:
    assert sorted(SMALLEST) == NAMES


def test_every_benchmark_takes_rows_and_json() -> None:
    """In one process, because most of it would be imports."""
    paths = [str(FOLDER / f"{name}.py") for name in NAMES]
    done = run(["-c", HELP, *paths], PYTHONPATH=str(FOLDER))
    assert not done.returncode, done.stderr
    pages = json.loads(done.stdout)
    lacking = {
        Path(path).stem: option
        for path in paths
        for option in ("--rows ROWS", "--json")
        if option not in pages[path]
    }
    assert not lacking, "benchmarks that lack an option of all"


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=() if one in SECONDS else pytest.mark.proof) for one in NAMES],
)
def test_the_last_line_is_the_answer(name: str) -> None:
    page = (FOLDER / "RESULTS.md").read_bytes()
    done = run([str(FOLDER / f"{name}.py"), *SMALLEST[name].split()])
    if done.stderr.strip().startswith("skipped:"):
        pytest.skip(done.stderr.strip())
    assert not done.returncode, done.stderr[-3000:]
    *figures, last = done.stdout.strip().splitlines()
    answer = json.loads(last)
    assert answer.keys() >= KEYS
    assert answer["benchmark"] == name
    assert f"--rows {answer['rows']}" in SMALLEST[name]
    assert all(isinstance(answer[key], int | float) for key in KEYS - {"benchmark"})
    assert answer["limited_by"] in "".join(figures), "the figures do not say what limits them"
    assert (FOLDER / "RESULTS.md").read_bytes() == page, "only the usual size is for the page"


def test_json_alone_is_one_line() -> None:
    done = run([str(FOLDER / "journal.py"), "--rows", "64", "--json"])
    assert not done.returncode, done.stderr[-3000:]
    [line] = done.stdout.strip().splitlines()
    assert json.loads(line)["benchmark"] == "journal"


def test_the_page_has_what_limits_each_benchmark() -> None:
    sections = (FOLDER / "RESULTS.md").read_text(encoding="utf-8").split("\n## ")[1:]
    lacking = [
        section.splitlines()[0]
        for section in sections
        if "growth" not in section.splitlines()[0] and "**What limits it:**" not in section
    ]
    assert not lacking, "sections that do not say what limits the benchmark"


def test_the_page_of_costs_has_what_was_measured() -> None:
    """Its tables are those of the kept figures, and a slope is the power that costs grow with."""
    code = (
        "import json\n"
        "from parts import curve\n"
        "runs = [{'rows': rows} for rows in (10, 100, 1000)]\n"
        "slope = curve.slope(runs, [2 * one['rows'] ** 1.5 for one in runs])\n"
        "print(json.dumps([slope, curve.report(curve.kept())]))"
    )
    done = run(["-c", code], PYTHONPATH=str(FOLDER))
    assert not done.returncode, done.stderr
    slope, report = json.loads(done.stdout)
    assert slope == pytest.approx(1.5)
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert report in page, "run benchmarks/scale.py --page"


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    settled = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"} | environment
    return subprocess.run(
        [sys.executable, *words], env=settled, capture_output=True, text=True, check=False
    )
