"""The cost of a retraining by the number of events: its tables, its plot, and docs/scale.md."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parts.page import limit, write_section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER = Path(__file__).resolve().parents[1]
DATA, DOCS = FOLDER / "scale.json", FOLDER.parent / "docs"
PAGE, PLOT = DOCS / "scale.md", DOCS / "scale.svg"
SIZES = (1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)
BEGIN, END = "<!-- measured: benchmarks/scale.py -->", "<!-- end of what was measured -->"
CLUSTER_ROWS, CLUSTER_CORES, CLUSTER_FACTOR = 10_000_000_000, 200, 5
ONE_SECOND = 1.0  # a step that takes less at every size has no slope
_TOGETHER = "**together**"

Run = Mapping[str, Any]
STEPS: dict[str, tuple[str, ...]] = {
    # a line of the tables, and the steps of a retraining in it
    "pull and scan": ("snapshot",),
    "contract": ("contract",),
    "points, features, labels": ("features",),
    "train": ("train",),
    "gates": ("availability", "evaluate", "record", "audit"),
    "register": ("register",),
    "decide": ("decide",),
}
PARTS: dict[str, str] = {
    # parts of the lines above, as a benchmark times them
    "of it scan": "scan",
    "of it leak probe": "leak probe",
    "of it fits": "fits",
    "of it envelope": "envelope",
}
_AFTER = {
    "pull and scan": "of it scan",
    "points, features, labels": "of it leak probe",
    "train": "of it fits",
    "register": "of it envelope",
}


def keep(run: Run) -> None:
    """Put one size into the file of what was measured."""
    runs = {one["rows"]: one for one in kept()} | {run["rows"]: run}
    text = json.dumps([runs[rows] for rows in sorted(runs)], indent=1)
    DATA.write_text(text + "\n", encoding="utf-8")


def kept() -> list[dict[str, Any]]:
    """What was measured, by size."""
    found: list[dict[str, Any]] = (
        json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else []
    )
    return found


def write_page() -> None:
    """Write the plot, the measured part of docs/scale.md, and the section of RESULTS.md."""
    runs = kept()
    PLOT.write_bytes(plot(runs))
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{report(runs)}\n\n{END}{after}", encoding="utf-8")
    last = runs[-1]
    text = "CPU seconds; memory and wall clock are in [docs/scale.md](../docs/scale.md).\n\n"
    write_section("scale", f"{text}{table(runs)}\n\n{limit(limited_by(last))}")


def report(runs: Sequence[Run]) -> str:
    """All tables, as Markdown."""
    return "\n\n".join(
        (
            "### CPU seconds\n\n" + table(runs),
            "### Peak memory, MiB\n\n" + _memory(runs),
            "### The runs\n\n" + _facts(runs),
            "### By extrapolation: ten billion events\n\n" + _cluster(runs),
        )
    )


def table(runs: Sequence[Run]) -> str:
    """CPU seconds of each step and size, and by which power of the events they grow."""
    return _table(runs, [(name, [cpu(one, name) for one in runs]) for name in _lines()], ".1f")


def limited_by(run: Run) -> str:
    """What takes the most CPU seconds of a run, as a sentence."""
    shares = sorted(((cpu(run, name) or 0.0, name) for name in STEPS), reverse=True)
    whole = cpu(run, _TOGETHER) or math.nan
    parts = ", ".join(f"{name} {seconds / whole:.0%}" for seconds, name in shares[:3])
    return f"At {run['rows']:,} prescriptions, of all CPU seconds: {parts}."


def cpu(run: Run, name: str) -> float | None:
    """CPU seconds of a line of the table; ``None`` where it was not reached."""
    steps = run["steps"]
    if name in PARTS:
        if PARTS[name] == "fits":
            return float(run["fits_s"]) if "train" in steps else None
        part = run["parts"].get(PARTS[name])
        return None if part is None else float(part["cpu_s"])
    wanted = _steps() if name == _TOGETHER else STEPS[name]
    if not all(one in steps for one in wanted):
        return None
    return math.fsum(steps[one]["cpu_s"] for one in wanted)


def slope(runs: Sequence[Run], values: Sequence[float | None]) -> float | None:
    """The power of the number of events that values grow with: least squares of the logarithms."""
    pairs = [
        (math.log(one["rows"]), math.log(value))
        for one, value in zip(runs, values, strict=True)
        if value
    ]
    if len(pairs) < 2:
        return None
    x, y = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    both = math.fsum((a - x) * (b - y) for a, b in pairs)
    return both / math.fsum((a - x) ** 2 for a, _ in pairs)


def plot(runs: Sequence[Run]) -> bytes:
    """CPU seconds of the steps by events, on logarithmic scales, as an SVG file."""
    from matplotlib.ticker import NullLocator

    from pipelines.reporting.plots import GREY, Plot

    rows = [one["rows"] for one in runs]

    def draw(axes: Axes) -> None:
        for name, marker in zip((*STEPS, _TOGETHER), "osv^DPX*", strict=True):
            values: Any = [cpu(one, name) for one in runs]
            axes.plot(rows, values, marker=marker, markersize=4, label=name.strip("*"))
        first = cpu(runs[0], _TOGETHER) or math.nan
        linear = [first * one / rows[0] for one in rows]
        axes.plot(rows, linear, color=GREY, linewidth=0.8, linestyle=":", label="linear")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(rows, [_short(one) for one in rows])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("prescriptions")
        axes.set_ylabel("CPU seconds")
        axes.legend(fontsize=8, framealpha=0.8, edgecolor="none", ncols=2)

    whole = slope(runs, [cpu(one, _TOGETHER) for one in runs]) or math.nan
    title = f"CPU seconds of a retraining grow with the events to the power of {whole:.2f}"
    return Plot(title, draw, height=4.6).svg_file()


def _steps() -> list[str]:
    return [one for own in STEPS.values() for one in own]


def _lines() -> Iterator[str]:
    for name in STEPS:
        yield name
        if name in _AFTER:
            yield _AFTER[name]
    yield _TOGETHER


def _memory(runs: Sequence[Run]) -> str:
    def peak(run: Run, steps: Sequence[str]) -> float | None:
        found = [run["steps"][one]["peak_mib"] for one in steps if one in run["steps"]]
        return max(found) if len(found) == len(steps) else None

    lines = [(name, [peak(one, own) for one in runs]) for name, own in STEPS.items()]
    return _table(runs, [*lines, (_TOGETHER, [peak(one, _steps()) for one in runs])], ",.0f")


def _facts(runs: Sequence[Run]) -> str:
    def wall(run: Run) -> float:
        return math.fsum(one["wall_s"] for one in run["steps"].values() if one["counted"])

    lines: list[tuple[str, Callable[[Run], str]]] = [
        ("prescriptions, and counts of stock", lambda one: _each(one.get("events"))),
        ("decision points", lambda one: _number(one.get("points"))),
        ("rows that the twin is trained on", lambda one: _number(one.get("training_rows"))),
        ("wall clock, seconds", lambda one: f"{wall(one):,.0f}"),
        ("processes that wanted a core at the start", lambda one: f"{one['load']}"),
        ("home folder at the end, MiB", lambda one: f"{one['home_mib']:,}"),
        ("`GAUNTLET_MEMORY`", lambda one: one["memory"]),
    ]
    head = ["| |" + "|".join(f" {_short(one['rows'])} " for one in runs) + "|"]
    head += ["|---" * (len(runs) + 1) + "|"]
    return "\n".join(
        [*head, *(f"| {name} | " + " | ".join(map(of, runs)) + " |" for name, of in lines)]
    )


def _cluster(runs: Sequence[Run]) -> str:
    """CPU hours at ten billion events, from the largest size and the slope of the last two."""
    complete = [one for one in runs if cpu(one, _TOGETHER) is not None]
    if len(complete) < 2:
        return "Too few sizes were measured."
    last = complete[-2:]
    factor = CLUSTER_ROWS / last[-1]["rows"]
    now, before = (_short(one["rows"]) for one in reversed(last))
    head = f"step | CPU s at {now} | slope from {before} | CPU hours, linear | with the slope"
    cluster = f"hours on {CLUSTER_CORES} cores, with the slope, Spark at {CLUSTER_FACTOR} times"
    lines = [f"| {head} | {cluster} |", "|---|---:|---:|---:|---:|---:|"]
    for name in ("pull and scan", "contract", "points, features, labels", "of it envelope"):
        values = [cpu(one, name) for one in last]
        power, seconds = slope(last, values), values[-1] or 0.0
        if power is None:
            continue
        linear, steeper = (seconds * factor**one / 3600 for one in (1.0, max(1.0, power)))
        cells = [f"{seconds:,.1f}", f"{power:.2f}", f"{linear:,.1f}", f"{steeper:,.1f}"]
        cells.append(f"{steeper * CLUSTER_FACTOR / CLUSTER_CORES:,.2f}")
        lines.append(f"| {name.removeprefix('of it ')} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _table(
    runs: Sequence[Run], lines: Sequence[tuple[str, Sequence[float | None]]], form: str
) -> str:
    sizes = " | ".join(_short(one["rows"]) for one in runs)
    text = [f"| step | {sizes} | slope | last slope |", "|---|" + "---:|" * (len(runs) + 2)]
    for name, values in lines:
        cells = ["" if value is None else format(value, form) for value in values]
        small = max((value or 0.0 for value in values), default=0.0) < ONE_SECOND
        slopes = (None, None) if small else (slope(runs, values), slope(runs[-2:], values[-2:]))
        cells += ["" if one is None else f"{one:.2f}" for one in slopes]
        text.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(text)


def _each(counts: Mapping[str, int] | None) -> str:
    return " and ".join(f"{count:,}" for count in (counts or {}).values())


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _short(rows: int) -> str:
    return f"{rows / 1e6:g} M"
