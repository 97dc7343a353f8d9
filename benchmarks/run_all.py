"""Every benchmark, one after the other, and their figures in RESULTS.md beside this file.

python benchmarks/run_all.py                  the sizes named below
python benchmarks/run_all.py --rows 1000000   every benchmark at this size only
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from parts.measuring import machine

HERE = Path(__file__).resolve().parent
NOT_HERE = {Path(__file__).stem, "real_backtest"}  # the latter takes an hour and has its own page
# What is not named here runs at its own default size. The other side takes minutes at ten million.
SIZES: dict[str, list[list[str]]] = {
    "retrain_cycle": [["--rows", "1000000"], ["--rows", "10000000", "--repeat", "1"]],
}


def main() -> None:
    """Run all, write the page; end with an error when a benchmark did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="one size for all")
    rows = parser.parse_args().rows
    answers, broken = [], []
    for script in sorted(HERE.glob("*.py")):
        if script.stem in NOT_HERE:
            continue
        sizes = [["--rows", str(rows)]] if rows else SIZES.get(script.stem, [[]])
        for arguments in sizes:
            print(f"{script.stem} {' '.join(arguments)}", flush=True)
            answer = run(script, arguments)
            if answer is None:
                broken.append(script.stem)
            else:
                answers.append(answer)
    if answers:
        (HERE / "RESULTS.md").write_text(page(answers), encoding="utf-8")
    if broken:
        raise SystemExit(f"did not come to an end: {', '.join(broken)}")


def run(script: Path, arguments: list[str]) -> dict[str, Any] | None:
    """One benchmark's figures: the JSON object in its last line."""
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONWARNINGS": "ignore"}, check=False, stdout=subprocess.PIPE
    )
    text = done.stdout.decode()
    print(text, flush=True)
    if done.returncode or not text.strip():
        return None
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


def page(answers: list[dict[str, Any]]) -> str:
    """All figures as Markdown."""
    lines = [
        "# Benchmarks",
        "",
        f"`make bench` writes this page. Machine: {machine()}.",
        "Seconds are wall clock; ratios are the other side's seconds by ours. CPU seconds say more",
        "than wall clock on a machine that does other things as well.",
        "",
        "| benchmark | rows | ours, s | other, s | ratio | ours, MiB | other, MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [f"| {_row(a['benchmark'], a['rows'], a)} |" for a in answers]
    for answer in answers:
        if "steps" in answer:
            lines += ["", f"## {answer['benchmark']}, {answer['rows']:,} rows", "", *_steps(answer)]
    for first, last in pairwise(answers):
        if first["benchmark"] == last["benchmark"] and "steps" in first:
            lines += ["", *_growth(first, last)]
    return "\n".join(lines) + "\n"


def _steps(answer: dict[str, Any]) -> list[str]:
    heads = "step | ours, s | other, s | ratio | ours, MiB | other, MiB"
    lines = [
        f"| {heads} | ours, CPU s | other, CPU s | CPU ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for step in [*answer["steps"], {"step": "**together**", **answer}]:
        cpu = f"{step['ours_cpu_s']:.1f} | {step['theirs_cpu_s']:.1f} | {step['cpu_ratio']:.1f}"
        lines.append(f"| {_row(step['step'].strip(), None, step)} | {cpu} |")
    ours, other = answer["repetitions"]
    told = f"Repetitions: {ours} of ours, {other} of the other side."
    return [*lines, "", told, "The same answer from both, checked.", *answer.get("notes", [])]


def _growth(first: dict[str, Any], last: dict[str, Any]) -> list[str]:
    """By how much each step's CPU time and memory grew with the rows."""
    title = f"## {first['benchmark']}: growth from {first['rows']:,} to {last['rows']:,} rows"
    lines = [title, "", "| step | ours, CPU | other, CPU | ours, memory | other, memory |"]
    lines += ["|---|---:|---:|---:|---:|"]
    keys = ("ours_cpu_s", "theirs_cpu_s", "ours_mib", "theirs_mib")
    for small, large in zip(
        [*first["steps"], {"step": "**together**", **first}],
        [*last["steps"], {"step": "**together**", **last}],
        strict=True,
    ):
        cells = [f"{large[key] / small[key]:.1f} x" if small[key] else "" for key in keys]
        lines.append(f"| {small['step'].strip()} | {' | '.join(cells)} |")
    return lines


def _row(name: str, rows: int | None, figures: dict[str, Any]) -> str:
    cells = [name] if rows is None else [name, f"{rows:,}"]
    cells += [f"{figures[key]:,.1f}" for key in ("ours_s", "theirs_s", "ratio")]
    cells += [f"{figures[key]:,.0f}" if figures[key] else "" for key in ("ours_mib", "theirs_mib")]
    return " | ".join(cells)


if __name__ == "__main__":
    main()
