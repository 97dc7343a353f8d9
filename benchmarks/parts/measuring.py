"""Time and peak memory of steps, each side in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass
class Step:
    """One step of one side: wall clock and CPU seconds, and the process's peak while it ran."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0
    counted: bool = True  # in the side's total


def side_by_side(one: Step, two: Step, ratio_digits: int = 2) -> dict[str, float]:
    """Ours and theirs, and how many times ours theirs takes."""
    return {
        "ours_s": round(one.wall_s, 2),
        "theirs_s": round(two.wall_s, 2),
        "ratio": round(two.wall_s / one.wall_s, ratio_digits),
        "ours_mib": round(one.peak_mib),
        "theirs_mib": round(two.peak_mib),
        "ours_cpu_s": round(one.cpu_s, 2),
        "theirs_cpu_s": round(two.cpu_s, 2),
        "cpu_ratio": round(two.cpu_s / one.cpu_s, ratio_digits),
    }


@dataclass
class Meter:
    """Steps in order; parts are stretches inside a step, wall and CPU only."""

    steps: dict[str, Step] = field(default_factory=dict)
    parts: dict[str, Step] = field(default_factory=dict)
    timed: set[str] = field(default_factory=set)

    @contextmanager
    def step(self, name: str, *, counted: bool = True) -> Iterator[None]:
        """Measure a step; several of one name add up, with the highest of their peaks.

        The mark of highest memory is set back first, where Linux allows it.
        """
        _forget_peak()
        known = self.steps.setdefault(name, Step(counted=counted))
        began, cpu = perf_counter(), _cpu_seconds()
        yield
        known.wall_s += perf_counter() - began
        known.cpu_s += _cpu_seconds() - cpu
        known.peak_mib = max(known.peak_mib, peak_mib())

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a stretch of a step; several of one name add up."""
        began, cpu = perf_counter(), _cpu_seconds()
        yield
        known = self.parts.setdefault(name, Step(counted=False))
        known.wall_s += perf_counter() - began
        known.cpu_s += _cpu_seconds() - cpu

    def as_json(self) -> dict[str, Any]:
        """For the parent process.

        Raises:
            RuntimeError: a function that ``timed`` measures was never called.
        """
        if never := self.timed - self.parts.keys():
            raise RuntimeError(f"nothing called what is measured as {sorted(never)}")
        return self.so_far()

    def so_far(self) -> dict[str, Any]:
        """As ``as_json``, before all steps have ended."""
        return {
            "steps": {name: vars(step) for name, step in self.steps.items()},
            "parts": {name: vars(step) for name, step in self.parts.items()},
        }


def timed(meter: Meter, part: str, owner: Any, name: str) -> None:
    """Measure a function of a module or a class as a part of the steps that call it.

    Arguments:
        meter: gets the part.
        part: its name.
        owner: the module or the class, whose function is replaced.
        name: of the function.
    """
    function = getattr(owner, name)

    def measured(*arguments: Any, **named: Any) -> Any:
        with meter.part(part):
            return function(*arguments, **named)

    setattr(owner, name, measured)
    meter.timed.add(part)


def timed_fits() -> list[float]:
    """Processor seconds of each fit of a pipeline from now on."""
    from sklearn.pipeline import Pipeline

    whole: Callable[..., Any] = Pipeline.fit
    found: list[float] = []

    def fit(self: Any, *arguments: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return whole(self, *arguments, **named)
        finally:
            found.append(time.thread_time() - began)

    vars_of: Any = Pipeline
    vars_of.fit = fit
    return found


def run_side(script: Path, side: str, *arguments: str) -> dict[str, Any]:
    """Run ``script --side <side> --out <file> ...`` in a fresh process; what it wrote there.

    One OpenMP thread for both sides alike: on few cores they wait for each other longer than
    they work.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, str(script), "--side", side, "--out", str(out), *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            command, env=environment, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if done.returncode:
            text = done.stderr.decode(errors="replace")[-4000:]
            raise SystemExit(f"{side} ended with code {done.returncode}:\n{text}")
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def median_steps(runs: list[dict[str, Any]], kind: str = "steps") -> dict[str, Step]:
    """By step: medians of the times, the largest peak."""
    return {
        name: Step(
            statistics.median(run[kind][name]["wall_s"] for run in runs),
            statistics.median(run[kind][name]["cpu_s"] for run in runs),
            max(run[kind][name]["peak_mib"] for run in runs),
            runs[0][kind][name]["counted"],
        )
        for name in runs[0][kind]
    }


def total(steps: dict[str, Step]) -> Step:
    """The counted steps together."""
    counted = [step for step in steps.values() if step.counted]
    return Step(
        sum(step.wall_s for step in counted),
        sum(step.cpu_s for step in counted),
        max(step.peak_mib for step in counted),
    )


def latencies(read: Callable[[list[int]], Any], users: list[int]) -> dict[str, Any]:
    """How long a lookup of 1 and of 100 entities takes, and the first answer for a comparison."""
    found: dict[str, Any] = {"answer": read(users[:100])}
    for size, times in ((1, 2000), (100, 300)):
        took = []
        for number in range(times):
            batch = [users[(number * size + i) % len(users)] for i in range(size)]
            began = perf_counter()
            read(batch)
            took.append(1000 * (perf_counter() - began))
        took.sort()
        found[f"read_{size}_ms"] = [took[len(took) // 2], took[len(took) * 99 // 100]]
    return found


def peak_mib() -> float:
    """Highest resident memory since the last reset, or since the process began."""
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _forget_peak() -> None:
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:
        return  # the peak then is the highest so far, which is an upper bound


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def machine() -> str:
    """Cores and memory, for the reader of a table."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB of memory, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )
