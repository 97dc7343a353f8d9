"""Benchmarks that have another side, one after the other; figures in RESULTS.md in this folder.

python benchmarks/run_all.py                  the sizes named below
python benchmarks/run_all.py --rows 1000000   every benchmark at this size only
python benchmarks/run_all.py drift            this benchmark only; figures of others are kept
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from parts.page import PAGE, limit, page, sections

HERE = Path(__file__).resolve().parent
# Those with another side to compare with; it takes minutes at ten million.
SIZES: dict[str, list[list[str]]] = {
    "decision": [["--rows", "1000000"]],
    "drift": [["--rows", "1000000"], ["--rows", "10000000"]],
    "features": [["--rows", "200000"]],
    "retrain_cycle": [
        ["--rows", "1000000"],
        ["--rows", "10000000", "--repeat", "1", "--no-second-week"],
    ],
}


def main() -> None:
    """Run all, write the page after each; end with an error when a benchmark did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="one size for all; figures of others are kept")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SIZES)}; default: all")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(SIZES))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    found, broken = sections(), []
    for name in given.names or SIZES:
        answers = []
        for arguments in _sizes(name, given.rows):
            print(f"{name} {' '.join(arguments)}", flush=True)
            load = os.getloadavg()[0]
            answer = run(HERE / f"{name}.py", arguments)
            if answer is None:
                broken.append(name)
                continue
            answers.append(answer)
            found[f"{name}, {answer['rows']:,} rows"] = _report(answer, load)
            for former in [title for title in found if title.startswith(f"{name}: growth")]:
                del found[former]  # of other figures than these
            if len(answers) > 1:
                first, last = answers[-2:]
                title = f"{name}: growth from {first['rows']:,} to {last['rows']:,} rows"
                found[title] = "\n".join(_growth(first, last))
            PAGE.write_text(page(found), encoding="utf-8")
    if broken:
        raise SystemExit(f"did not come to an end: {', '.join(broken)}")


def _sizes(name: str, rows: int | None) -> list[list[str]]:
    """The options of a benchmark's runs; those of one size, if only that is wanted."""
    if rows is None:
        return SIZES[name]
    size = ["--rows", str(rows)]
    return [one for one in SIZES[name] if one[:2] == size] or [size]


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


def _report(answer: dict[str, Any], load: float) -> str:
    """One benchmark's table, and how many processes wanted a core when it began."""
    heads = "step | ours, s | other, s | ratio | ours, MiB | other, MiB"
    lines = [
        f"| {heads} | ours, CPU s | other, CPU s | CPU ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for step in [*answer["steps"], {"step": "**together**", **answer}]:
        cells = _cells(step, ("ours_s", "theirs_s", "ratio"))
        cells += _cells(step, ("ours_mib", "theirs_mib"), digits=0)
        cells += _cells(step, ("ours_cpu_s", "theirs_cpu_s", "cpu_ratio"))
        lines.append(f"| {step['step'].strip()} | {' | '.join(cells)} |")
    ours, other = answer["repetitions"]
    busy = f"{load:.1f} processes wanted a core when it began"
    if load > (os.cpu_count() or 1):
        busy = f"**The machine was busy**: {busy}, so that wall clock is too long"
    summary = f"Repetitions: {ours} of ours, {other} of the other side. {busy}."
    notes = ["The same answer from both, checked.", *answer.get("notes", [])]
    return "\n".join((*lines, "", summary, *notes, "", limit(answer["limited_by"])))


def _growth(first: dict[str, Any], last: dict[str, Any]) -> list[str]:
    """By how much each step's CPU time and memory grew with the rows."""
    lines = ["| step | ours, CPU | other, CPU | ours, memory | other, memory |"]
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


def _cells(figures: dict[str, Any], keys: tuple[str, ...], digits: int = 1) -> list[str]:
    """Numbers; empty where a step has no other side, or no memory of its own."""
    return [_cell(figures.get(key), digits) for key in keys]


def _cell(value: float | None, digits: int) -> str:
    if not value:
        return ""
    return f"{value:,.{2 if digits and value < 1 else digits}f}"


if __name__ == "__main__":
    main()
