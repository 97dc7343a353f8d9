"""Weekly retrains of real sets through the real flow, and what four gates make of them.

    python benchmarks/real_backtest.py                               all sets, into the page
    python benchmarks/real_backtest.py --set pnw_flights --weeks 12  one set, its table
    python benchmarks/real_backtest.py --page a.json b.json          the page from kept answers

All gates see the same candidates, those of the flow's own runs; a gate only says which of them
goes into force. A week's points are answered by the model then in force. Gates: ``never`` (the
first candidate for ever), ``usual`` (the candidate's metric above the champion's on the recent
window), ``always``, ``ours``; ``naive`` is no model at all, each entity's own constant. A promotion
is lost when the model that it replaced did better in the four weeks that followed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before anything heavy is imported
from parts.gates import compare
from parts.real_weeks import DATA, ROOT, SETS, opened, retrain_weekly

PAGE = ROOT / "docs" / "real-backtest.md"
PLOT = ROOT / "docs" / "real-backtest.png"
BEGIN, END = "<!-- tables: make real-backtest -->", "<!-- end of tables -->"
SMOOTHED = 4  # weeks of a point of the plot


def backtest(name: str, weeks: int, place: Path) -> dict[str, Any]:
    """The answer of one set, measured in a home of its own below ``place``."""
    home = opened(name, place)
    retrain_weekly(home, weeks)
    return compare(home)


def table(found: dict[str, Any]) -> str:
    """One set's tables as Markdown."""
    first = found["first_version"] or "none: no candidate beat the naive forecast"
    refused = found["refused"]
    days = f" ({', '.join(refused)})" if refused else ""
    facts = [
        f"{found['retrains']} Mondays, {found['candidates']} candidates",
        f"Our first version: {first}",
        f"Mondays that the contract refused, so that no gate had a candidate: {len(refused)}{days}",
    ]
    lines = [f"### {found['set']}: {found['metric']}, {' to '.join(found['span'])}", ""]
    lines += [". ".join(facts) + "."]
    for part in found["parts"]:
        counts = f"{part['retrains']} further candidates, {part['points']:,} points"
        lines += [
            "",
            f"{part['title'].capitalize()} ({part['from']}): {counts}.",
            "",
            f"| gate | promotions | lost | live {found['metric']} | worse than ours by (SE) |",
            "|---|---:|---:|---:|---:|",
        ]
        for line in part["gates"]:
            gap = "same models"
            if line["gate"] == "ours":
                gap = ""
            elif line["se"] is not None:
                gap = f"{line['worse_than_ours']:+.4g} ({line['se']:.2g})"
            counts = f"{line['promotions']} | {line['lost']} of {line['followed']}"
            counts = "| " if line["gate"] == "naive" else counts
            lines.append(f"| {line['gate']} | {counts} | {line['metric']:.4f} | {gap} |")
    return "\n".join(lines) + "\n"


def draw(answers: list[dict[str, Any]], path: Path) -> None:
    """Each gate's live metric by week, a mean of four, as the difference to ``never``."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt
    import numpy as np

    drawn = [found for found in answers if found["parts"]]
    figure, axes = plt.subplots(len(drawn), 1, figsize=(8, 2.6 * len(drawn)), squeeze=False)
    for axis, found in zip(axes[:, 0], drawn, strict=True):
        series = found["parts"][0]["weekly"]
        weeks = np.array(series["week"], dtype="datetime64[D]")
        for gate, style in (("usual", "-"), ("always", ":"), ("ours", "-"), ("naive", "--")):
            gap = np.array(series[gate]) - np.array(series["never"])
            window = np.ones(min(SMOOTHED, len(gap))) / min(SMOOTHED, len(gap))
            late = len(gap) - len(window) + 1
            width = 2.0 if gate == "ours" else 1.0
            smooth = np.convolve(gap, window, "valid")
            axis.plot(weeks[-late:], smooth, style, label=gate, linewidth=width)
        axis.axhline(0.0, color="black", linewidth=0.5)
        axis.set_title(f"{found['set']}: {found['metric']} minus that of never", fontsize=9)
        axis.tick_params(labelsize=7)
        axis.legend(fontsize=7, ncols=4, frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)


def write_page(answers: list[dict[str, Any]]) -> None:
    """Put the tables between the page's marks, and the plot beside it; the words stay."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    tables = "\n".join(table(found) for found in answers)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n{END}{after}", encoding="utf-8")
    draw(answers, PLOT)


def main() -> None:
    """Measure one set and print its table, or all of them into the page."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--set", choices=sorted(SETS), help="this one only, and no page")
    ask.add_argument("--weeks", type=int, help="fewer Mondays than the set allows")
    ask.add_argument("--out", type=Path, help="keep the answer as JSON")
    ask.add_argument("--page", type=Path, nargs="+", help="write the page from kept answers")
    arguments = ask.parse_args()
    if arguments.page:
        write_page([json.loads(path.read_text(encoding="utf-8")) for path in arguments.page])
        return
    wanted = [arguments.set] if arguments.set else list(SETS)
    absent = [SETS[name].folder for name in wanted if not (DATA / SETS[name].folder).is_dir()]
    if absent:
        print(f"not in ../shared/data: {', '.join(absent)}; nothing was measured")
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if arguments.set:
            found = backtest(arguments.set, arguments.weeks or SETS[arguments.set].weeks, place)
            if arguments.out:
                arguments.out.write_text(json.dumps(found), encoding="utf-8")
            print(table(found))
            return
        answers = [place / f"{name}.json" for name in wanted]
        for name, answer in zip(wanted, answers, strict=True):
            words = ["--set", name, "--out", str(answer)]
            words += ["--weeks", str(arguments.weeks)] if arguments.weeks else []
            subprocess.run([sys.executable, __file__, *words], check=True)
        write_page([json.loads(path.read_text(encoding="utf-8")) for path in answers])


if __name__ == "__main__":
    main()
