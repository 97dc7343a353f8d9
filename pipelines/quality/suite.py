"""Suites in the JSON format of Great Expectations, the runner interface, and its results."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.core.counts import counted
from pipelines.core.errors import SpecError
from pipelines.core.json_text import JsonError, read_json
from pipelines.core.records import Record
from pipelines.quality.arrival import DAY, HOUR, LAG
from pipelines.spec.model import ModelSpec

if TYPE_CHECKING:
    import ibis

Suite = Mapping[str, Any]
ExpectationValidator = Callable[[Mapping[str, Any]], list[str]]  # returns an expectation's mistakes
CANONICAL = ("event_time", "known_time", LAG, HOUR, DAY)
COLUMN_KEYS = ("column", "column_A", "column_B", "column_list", "column_set")


class ExpectationResult(Record):
    """The result of one expectation; ``broken`` is the reason if it could not be run.

    Counts follow Great Expectations: ``element_count`` is the number of all rows,
    ``missing_count`` of those that value checks leave out, and ``unexpected_count`` of those that
    violate the expectation.
    """

    index: int
    type: str
    success: bool
    broken: str | None = None
    observed: Any = None
    element_count: int | None = None
    missing_count: int | None = None
    unexpected_count: int | None = None
    note: str = ""

    @property
    def share(self) -> float | None:
        """Share of the considered rows for which the expectation holds; ``None`` without rows."""
        if self.element_count is None or self.unexpected_count is None:
            return None
        considered = self.element_count - (self.missing_count or 0)
        return (considered - self.unexpected_count) / considered if considered else None


class SuiteRunner(Protocol):
    """Runs the expectations of a suite over one table."""

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        """Return one result per expectation, in the order of the suite."""
        ...


class GroupedSuiteRunner(SuiteRunner, Protocol):
    """Runs the expectations of a suite over many groups of rows as well."""

    def run_each(
        self, table: ibis.Table, by: str, suite: Suite
    ) -> dict[Any, tuple[ExpectationResult, ...]]:
        """Return the results in each group that has rows.

        Arguments:
            table: the rows of all groups.
            by: the column that names the group; expectations do not see it.
            suite: the expectations.
        """
        ...


def streams_of(suite: Suite, default: str) -> dict[str, dict[str, Any]]:
    """Split a suite into one suite per stream (``meta.stream``, or ``default``)."""
    parts: dict[str, dict[str, Any]] = {}
    for expectation in suite["expectations"]:
        stream = (expectation.get("meta") or {}).get("stream", default)
        part = parts.setdefault(stream, {**suite, "expectations": []})
        part["expectations"].append(expectation)
    return parts


def merge_suites(name: str, suites: list[Suite], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Merge suites into one; each expectation must name its stream in ``meta``."""
    expectations = [expectation for suite in suites for expectation in suite["expectations"]]
    return {"name": name, "expectations": expectations, "meta": dict(meta)}


def load_suite(
    path: Path, spec: ModelSpec, validate: ExpectationValidator | None = None
) -> dict[str, Any]:
    """Load the hand-written suite in ``path`` and check it against the declared streams.

    Arguments:
        path: ``expectations/<name>.json``.
        spec: the declaration of the model.
        validate: optional check of the type and the arguments of one expectation.

    Raises:
        SpecError: the file is missing or not a valid suite. The error lists all mistakes, each
            with the file and the number of the expectation.
    """
    if not path.is_file():
        raise SpecError(
            f"there is no suite for model {spec.name!r}",
            where=str(path),
            wanted="a Great Expectations suite as JSON",
            hint='write {"name": ..., "expectations": [{"type": ..., "kwargs": {...}}]} there',
        )
    try:
        suite = read_json(path.read_bytes())
    except OSError as cause:
        raise SpecError("cannot read a suite", where=str(path), got=str(cause.strerror)) from cause
    except JsonError as cause:
        place = f"{path}:{cause.line}" if cause.line else str(path)
        raise SpecError("cannot read JSON", where=place, got=str(cause)) from cause
    if not isinstance(suite, dict) or not isinstance(suite.get("expectations"), list):
        raise SpecError(
            "a suite is an object with a name and a list of expectations",
            where=str(path),
            got=type(suite).__name__ if not isinstance(suite, dict) else f"keys {sorted(suite)}",
        )
    mistakes = [] if isinstance(suite.get("name"), str) else ["name: a suite needs one"]
    for index, expectation in enumerate(suite["expectations"]):
        problems = _problems(expectation, spec, validate)
        mistakes += [f"expectations[{index}]: {problem}" for problem in problems]
    if mistakes:
        raise SpecError(
            f"{counted(len(mistakes), 'mistake')} in a suite",
            where=str(path),
            got="\n" + "\n".join(f"    {path}: {mistake}" for mistake in mistakes),
            hint="mend the expectations above",
        )
    return suite


def columns_of(kwargs: Mapping[str, Any]) -> list[str]:
    """Return the columns named in the arguments of an expectation."""
    names: list[str] = []
    for key in COLUMN_KEYS:
        value = kwargs.get(key)
        names += value if isinstance(value, list) else [] if value is None else [value]
    return names


def _problems(
    expectation: Any, spec: ModelSpec, validate: ExpectationValidator | None
) -> list[str]:
    if not isinstance(expectation, dict) or not isinstance(expectation.get("type"), str):
        return ["an expectation is an object with a type and kwargs"]
    problems: list[str] = []
    kwargs, meta = expectation.get("kwargs") or {}, expectation.get("meta") or {}
    if not isinstance(kwargs, dict) or not isinstance(meta, dict):
        return ["kwargs and meta are objects"]
    stream = meta.get("stream", spec.points.stream)
    if not all(isinstance(name, str) for name in (stream, *columns_of(kwargs))):
        return ["the stream and the columns are texts"]
    if stream not in spec.streams:
        problems.append(f"stream {stream!r} is not declared; there are {sorted(spec.streams)}")
    else:
        there = [*spec.streams[stream].columns, *CANONICAL]
        problems += [
            f"stream {stream!r} declares no column {name!r}{closest(name, there)}"
            for name in columns_of(kwargs)
            if name not in there
        ]
    return problems + (validate(expectation) if validate is not None else [])


def closest(name: str, there: list[str]) -> str:
    """Return the end of a message about an unknown name: similar names, or all that exist."""
    close = difflib.get_close_matches(name, there, n=3)
    return f"; did you mean {close}?" if close else f"; there are {sorted(there)}"
