"""The recent window of each Monday, judged by the product's own gate on kept predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.backtest.history import labelled
from pipelines.backtest.predictions import Predictions
from pipelines.backtest.versions import Candidate, Version, naive_of
from pipelines.core.findings import Finding
from pipelines.gates.recent_window.evaluate import WindowPredictions, evaluate
from pipelines.gates.recent_window.record import Evaluation
from pipelines.gates.recent_window.refit import ANSWERS, refit_findings
from pipelines.spec.model import ModelSpec
from pipelines.stats.undefined import Undefined
from pipelines.training.metrics import primary_metric
from pipelines.training.score import Scored, rows_digest
from pipelines.training.split import split_plan

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Window:
    """The rows of a recent window, with labels as known at the Monday of the run."""

    part: slice
    rows: pd.DataFrame
    digest: str


class RecentWindows:
    """Evaluations of candidates against a champion or the naive forecast, each made once.

    Arguments:
        predictions: of every candidate.
        spec: the declaration with the settings of the gates.
    """

    def __init__(self, predictions: Predictions, spec: ModelSpec) -> None:
        self.predictions, self.spec = predictions, spec
        self._window_of: tuple[datetime, _Window] | None = None
        self._digests: dict[datetime, str] = {}
        self._changes: dict[Version, float | None] = {}
        self._checked: dict[tuple[Version, tuple[float, ...]], tuple[Finding, ...]] = {}
        self._done: dict[tuple[datetime, Candidate, Candidate | None, bool], Evaluation] = {}

    def gain(self, version: Version, champion: Version) -> float | None:
        """Mean utility of a version's held-out fit minus the champion's; no error is needed.

        ``None`` without labels, or where the metric does not exist for them.
        """
        window, metric = self._window(version.as_of), primary_metric(self.spec)
        numbers = self.predictions.history.numbers(window.part, version.as_of)
        there = labelled(numbers)
        if not there.any():
            return None
        rows = window.rows[there].assign(label=numbers[there])
        means = []
        try:
            for judged in (version.judged, champion.judged):
                predicted = self.predictions.of(judged, window.part)[there]
                means.append(float(metric.utilities(numbers[there], predicted, rows).mean()))
        except Undefined:
            return None
        return means[0] - means[1]

    def evaluation(
        self, version: Version, champion: Version | None, *, refresh: bool = False
    ) -> Evaluation:
        """The gate's evaluation of a version's held-out fit as of its Monday.

        Arguments:
            version: the candidate.
            champion: the version in force; ``None``: the naive forecast.
            refresh: the window bounds harm only, and tests nothing for being better.
        """
        at, judged = version.as_of, version.judged
        against = None if champion is None else champion.judged
        key = at, judged, against, refresh
        if key not in self._done:
            window = self._window(at)
            self._done[key] = evaluate(
                self.spec,
                split_plan(self.spec, at).recent,
                window.rows,
                WindowPredictions(
                    candidates=[self._scored(judged, window)],
                    champion=None if against is None else self._scored(against, window),
                    naive=self._scored(naive_of(judged), window),
                ),
                refresh=refresh,
            )
        return self._done[key]

    def refit_check(self, version: Version, earlier: Sequence[Version]) -> tuple[Finding, ...]:
        """The gate's comparison of a refit with its twin; nothing where the twin itself serves.

        Arguments:
            version: the candidate.
            earlier: candidates of earlier Mondays, whose refits show what is usual.
        """
        if version.serves == version.judged:
            return ()
        changes = (self._answer_change(one) for one in earlier)
        past = tuple(value for value in changes if value is not None)
        if (version, past) not in self._checked:
            self._checked[version, past] = self._refit_findings(version, past)
        found = self._checked[version, past]
        self._changes.setdefault(version, _answers(found))
        return found

    def _refit_findings(self, version: Version, past: Sequence[float]) -> tuple[Finding, ...]:
        window = self._window(version.as_of)
        predicted = self.predictions.in_sample(version.serves, window.part)
        refit = Scored(predicted, window.digest, self.spec.classes)
        twin = self._scored(version.judged, window)
        return refit_findings(self.spec, window.rows, twin, refit, past)

    def _answer_change(self, version: Version) -> float | None:
        """How much a refit's answers differed from its twin's; ``None`` if it is not known."""
        if version not in self._changes:
            self._changes[version] = _answers(self._refit_findings(version, ()))
        return self._changes[version]

    def _window(self, at: datetime) -> _Window:
        """The window of a Monday; the newest one is kept, and the digests of all."""
        if self._window_of is None or self._window_of[0] != at:
            history = self.predictions.history
            part = history.part(split_plan(self.spec, at).recent)
            rows = history.frame(part, at)
            if at not in self._digests:
                self._digests[at] = rows_digest(self.spec, rows)
            self._window_of = at, _Window(part, rows, self._digests[at])
        return self._window_of[1]

    def _scored(self, candidate: Candidate, window: _Window) -> Scored:
        predicted = self.predictions.of(candidate, window.part)
        return Scored(predicted, window.digest, self.spec.classes)


def _answers(findings: Sequence[Finding]) -> float | None:
    """How much the answers of a refit differ from its twin's."""
    return next(finding.value for finding in findings if finding.name == ANSWERS)
