"""Fits candidates and keeps what they predict, by content, for every run and policy.

A candidate is scored on the weeks after its training in one piece, the *near* rows: those that the
record and the recent windows need. The same fit answers the newest rows that it was trained on, for
the comparison of a refit with its twin. One that stays in force for longer is fitted once more and
scored on all later rows. Models are not kept: a fit is repeatable, and its predictions are small.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipelines.backtest.history import History
from pipelines.backtest.versions import Candidate
from pipelines.core.arrays import Floats
from pipelines.core.errors import DataError
from pipelines.core.files import atomic_file, write_bytes
from pipelines.core.records import canonical_json, digest_of
from pipelines.core.time import Window, duration_text
from pipelines.core.weeks import WEEK
from pipelines.own_code.libraries import library_versions
from pipelines.spec.estimator import Estimator
from pipelines.spec.model import ModelSpec
from pipelines.training.baseline import baseline_predictions
from pipelines.training.columns import labelled_rows
from pipelines.training.fit import fit
from pipelines.training.score import predict

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

CACHE_SCHEMA = 1
OPEN_FILES = 256


@dataclass(frozen=True)
class _Part:
    """Rows that a candidate is scored on in one piece, and the file of its predictions."""

    rows: slice
    key: str


class _Parts(NamedTuple):
    """The rows after a candidate's training, and the newest ones of its training."""

    near: _Part
    far: _Part
    trained: _Part


class Predictions:
    """Predictions of candidates on the rows of a history, computed when they are first used.

    Arguments:
        history: the rows.
        folder: where predictions are kept; several runs and models can share it.
        near: weeks after its training on which a candidate is scored at once.
        progress: called with a short message for each fit.
        in_sample_span: how far back from the end of its training ``in_sample`` can answer.
    """

    def __init__(
        self,
        history: History,
        folder: Path,
        near: int,
        progress: Callable[[str], None] = lambda _: None,
        in_sample_span: timedelta = timedelta(0),
    ) -> None:
        self.history, self.folder, self.near, self.progress = history, folder, near, progress
        self.in_sample_span = in_sample_span
        self._parts: dict[Candidate, _Parts] = {}
        self._open: dict[str, Floats] = {}
        self._facts: dict[str, dict[str, float | str]] = {}

    def of(self, candidate: Candidate, rows: slice) -> Floats:
        """A candidate's predictions for some rows, shape as in ``training.score.Scored``.

        Raises:
            DataError: the candidate cannot be fitted, or the rows lie before the end of its
                training.
        """
        parts = self._split(candidate)
        near, far = parts.near, parts.far
        if rows.start < near.rows.start:
            raise DataError(
                "a candidate would be scored on rows that its labels were trained on",
                got=f"rows from {rows.start}, trained until row {near.rows.start}",
            )
        pieces = [
            self._predicted(candidate, part)[
                max(rows.start, part.rows.start) - part.rows.start : rows.stop - part.rows.start
            ]
            for part in (near, far)
            if rows.start < part.rows.stop and rows.stop > part.rows.start
        ]
        return np.concatenate(pieces) if pieces else np.empty(0)

    def in_sample(self, candidate: Candidate, rows: slice) -> Floats:
        """A candidate's predictions for some of the newest rows that it was trained on.

        Raises:
            DataError: the candidate cannot be fitted, or other rows were wanted.
        """
        part = self._split(candidate).trained
        if rows.start < part.rows.start or rows.stop > part.rows.stop:
            raise DataError(
                "other rows than the newest ones of its training were wanted of a candidate",
                got=f"rows {rows.start} to {rows.stop}",
                wanted=f"rows between {part.rows.start} and {part.rows.stop}",
            )
        first = part.rows.start
        return self._predicted(candidate, part)[rows.start - first : rows.stop - first]

    def can_fit(self, candidate: Candidate) -> bool:
        """Whether the training rows are enough for a fit; fits the candidate if it is new."""
        return "problem" not in self._known(candidate, self._split(candidate).near)

    def seconds(self, candidate: Candidate) -> float:
        """Seconds that the fit took when it was made."""
        return float(self._known(candidate, self._split(candidate).near).get("seconds", 0.0))

    def _split(self, candidate: Candidate) -> _Parts:
        if candidate not in self._parts:
            spec, history = self.history.spec, self.history
            train, start = history.part(candidate.train), candidate.trained_until
            border = start + (self.near + 1) * WEEK
            near = history.part(Window(start, border))
            far = slice(near.stop, len(history.rows))
            matured = start - spec.maturity
            trained = history.part(Window(matured - self.in_sample_span, matured))
            searched = spec.estimator.search is not None and not candidate.naive
            measured = candidate.naive or searched
            fitted = {
                "schema": CACHE_SCHEMA,
                "rows": history.digest_with_labels(train, candidate.labels_as_of),
                "points": spec.points.as_json(),
                "features": [feature.as_json() for feature in spec.features],
                "classes": spec.classes,
                "estimator": None if candidate.naive else spec.estimator.as_json(),
                "metric": spec.metric.as_json() if measured else None,
                **({"maturity": duration_text(spec.maturity)} if searched else {}),
                **({} if candidate.naive else _sample(spec)),
                "seed": None if candidate.naive else spec.seeds[0],
                "libraries": _libraries(spec.estimator, spec.metric.files if measured else {}),
            }
            self._parts[candidate] = _Parts(
                *(
                    _Part(rows, digest_of({**fitted, "scored": history.digest(rows)}))
                    for rows in (near, far, trained)
                )
            )
        return self._parts[candidate]

    def _predicted(self, candidate: Candidate, part: _Part) -> Floats:
        if part.key not in self._open:
            facts = self._known(candidate, part)
            if "problem" in facts:
                raise DataError("a candidate cannot be fitted", got=str(facts["problem"]))
            if len(self._open) >= OPEN_FILES:
                self._open.pop(next(iter(self._open)))
            self._open[part.key] = np.load(self._path(part, "npy"), mmap_mode="r")
        return self._open[part.key]

    def _known(self, candidate: Candidate, part: _Part) -> dict[str, float | str]:
        """Facts of a fit: seconds, or why there is none; made and written if they are new."""
        if part.key not in self._facts:
            path = self._path(part, "json")
            if not path.exists():
                self._make(candidate, self._together(candidate, part))
            self._facts[part.key] = json.loads(path.read_text(encoding="utf-8"))
        return self._facts[part.key]

    def _together(self, candidate: Candidate, part: _Part) -> list[_Part]:
        """The part, and the newest training rows where the same fit can answer them as well."""
        parts = self._split(candidate)
        also = self.in_sample_span and not candidate.naive and part is parts.near
        return [part, parts.trained] if also else [part]

    def _make(self, candidate: Candidate, parts: Sequence[_Part]) -> None:
        """Fit, predict, and write the predictions before the facts: a killed run repeats it."""
        self.progress(f"fitting {candidate.trained_until:%Y-%m-%d}")
        began = time.perf_counter()
        facts: dict[str, float | str]
        try:
            predicted, seconds = self._fit(candidate, [part.rows for part in parts], began)
        except DataError as problem:
            predicted, facts = [], {"problem": problem.summary}
        else:
            facts = {"seconds": round(seconds, 3)}
        for part in parts:
            self._path(part, "json").parent.mkdir(parents=True, exist_ok=True)
        for part, values in zip(parts, predicted, strict=False):
            with atomic_file(self._path(part, "npy")) as draft, draft.open("wb") as file:
                np.save(file, values)
        for part in parts:
            write_bytes(self._path(part, "json"), canonical_json(facts).encode())

    def _fit(
        self, candidate: Candidate, rows: Sequence[slice], began: float
    ) -> tuple[list[Floats], float]:
        spec, history = self.history.spec, self.history
        span = history.part(candidate.train), candidate.labels_as_of
        if candidate.naive:
            known = labelled_rows(history.points(*span))
            if not len(known):
                raise DataError("no training row has a label", where=str(candidate.train))
            predicted = [baseline_predictions(spec, known, history.rows.iloc[one]) for one in rows]
            return predicted, time.perf_counter() - began
        pipeline = fit(spec, history.training_rows(*span), spec.seeds[0]).pipeline
        seconds = time.perf_counter() - began
        return self._answers(pipeline, rows), seconds

    def _answers(self, pipeline: Pipeline, parts: Sequence[slice]) -> list[Floats]:
        """A pipeline's predictions for some parts, all computed at once."""
        spec = self.history.spec
        places = [np.arange(rows.start, max(rows.start, rows.stop)) for rows in parts]
        rows = np.concatenate(places)
        if not len(rows):
            many = len(spec.classes)
            return [np.empty((0, many) if many > 2 else 0) for _ in parts]
        predicted = predict(pipeline, spec, self.history.inputs(rows))
        return np.split(predicted, np.cumsum([len(one) for one in places])[:-1])

    def _path(self, part: _Part, suffix: str) -> Path:
        return self.folder / part.key[:2] / f"{part.key}.{suffix}"


def _sample(spec: ModelSpec) -> dict[str, list[str | int]]:
    """What a sample of the training rows depends on besides the rows; nothing without a limit."""
    most = spec.split.max_rows
    return {} if most is None else {"sample": [spec.name, most]}


def _libraries(estimator: Estimator, metric: Mapping[str, str]) -> dict[str, str]:
    """Versions of what fits a model: the same rows can give another model with others.

    Arguments:
        estimator: as declared.
        metric: source of the metric by file name, where the model depends on it.
    """
    names = {"numpy", "scikit-learn"}
    library = (estimator.path or "sklearn").partition(".")[0]
    if library != "sklearn":
        names.add(library)
    named = {name: version(name) for name in names}
    return named | library_versions(estimator.files, metric)
