"""Benchmarks that have another side, one after the other; figures in RESULTS.md beside this file.

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
    answers, broken, loads = [], [], []
    for name, sizes in SIZES.items():
        for arguments in [["--rows", str(rows)]] if rows else sizes:
            print(f"{name} {' '.join(arguments)}", flush=True)
            loads.append(os.getloadavg()[0])
            answer = run(HERE / f"{name}.py", arguments)
            if answer is None:
                broken.append(name)
            else:
                answers.append(answer)
    if answers:
        (HERE / "RESULTS.md").write_text(page(answers, max(loads)), encoding="utf-8")
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


def page(answers: list[dict[str, Any]], load: float) -> str:
    """All figures as Markdown; ``load`` is how many processes wanted a core when they began."""
    lines = [
        "# Benchmarks",
        "",
        f"`make bench` writes this page. Machine: {machine()}.",
        "Seconds are wall clock; ratios are the other side's seconds by ours. CPU seconds say more",
        "than wall clock on a machine that does other things as well.",
        _load(load),
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


def _load(load: float) -> str:
    told = f"up to {load:.1f} processes wanted a core when a benchmark began"
    if load <= (os.cpu_count() or 1):
        return f"Load: {told}."
    return f"**The machine was busy**: {told}, so that wall clock is too long."


def _steps(answer: dict[str, Any]) -> list[str]:
    heads = "step | ours, s | other, s | ratio | ours, MiB | other, MiB"
    lines = [
        f"| {heads} | ours, CPU s | other, CPU s | CPU ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for step in [*answer["steps"], {"step": "**together**", **answer}]:
        cpu = _cells(step, ("ours_cpu_s", "theirs_cpu_s", "cpu_ratio"))
        lines.append(f"| {_row(step['step'].strip(), None, step)} | {' | '.join(cpu)} |")
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
        cells = [f"{large[key] / small[key]:.1f} x" if small.get(key) else "" for key in keys]
        lines.append(f"| {small['step'].strip()} | {' | '.join(cells)} |")
    return lines


def _row(name: str, rows: int | None, figures: dict[str, Any]) -> str:
    cells = [name] if rows is None else [name, f"{rows:,}"]
    cells += _cells(figures, ("ours_s", "theirs_s", "ratio"))
    return " | ".join(cells + _cells(figures, ("ours_mib", "theirs_mib"), digits=0))


def _cells(figures: dict[str, Any], keys: tuple[str, ...], digits: int = 1) -> list[str]:
    """Numbers; empty where a step has no other side, or no memory of its own."""
    return [_cell(figures.get(key), digits) for key in keys]


def _cell(value: float | None, digits: int) -> str:
    if not value:
        return ""
    return f"{value:,.{2 if digits and value < 1 else digits}f}"


if __name__ == "__main__":
    main()
