"""How the populations of two recipes differ: rows that left or entered, and their distance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from pipelines.core.arrays import Mask
from pipelines.core.names import internal
from pipelines.drift.describe_subgroup import describe_subgroup
from pipelines.drift.domain_classifier import Method, Sample, domain_scores
from pipelines.gates.audit.cross_scores import CrossEvaluation
from pipelines.gates.audit.record import (
    Columns,
    Distance,
    Movement,
    PopulationFacts,
    ShiftTerms,
    Weighted,
)
from pipelines.spec.features import CalendarFeature
from pipelines.stats.reweighting import importance_weights, outside_support, three_terms
from pipelines.stats.undefined import Undefined
from pipelines.training.row_sets import LABEL, SIDES, AuditData, Side, cluster_ids, row_ids

TIME_PARTS = ("day", "month", "day_of_year")  # they separate any two periods
SEED = 20260101  # of the classifiers; no decision depends on it
MISSING = "features missing"
_DAY = internal("day")
HERE_AND_LIVE: tuple[Side, Side] = ("candidate", "champion")
WHICH: tuple[Columns, Columns] = ("features", "surroundings")
METHODS: tuple[Method, Method] = ("trees", "logistic")


@dataclass(frozen=True)
class PopulationShift:
    """The populations of an audit. Classifiers read ``most`` rows of each."""

    data: AuditData
    most: int

    @property
    def keys(self) -> tuple[str, ...]:
        """The entity's columns."""
        return self.data.candidate.spec.points.keys

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Each population's rows, by name; equal populations of both recipes are listed once."""
        data = self.data
        found = {"champion_training": data.training["champion"]}
        if not self._same_training:
            found["candidate_training"] = data.training["candidate"]
        found["live"] = data.live
        if data.new_points:
            found["candidate_holdout"] = data.recent_rows("candidate", "candidate")
        return found

    @cached_property
    def _same_training(self) -> bool:
        first, second = (row_ids(self.keys, self.data.span(side)) for side in SIDES)
        return len(first) == len(second) and not len(np.setdiff1d(first, second))

    def facts(self) -> tuple[PopulationFacts, ...]:
        """Sizes; populations that are the champion's own are not repeated."""
        spans = {f"{side}_training": self.data.span(side) for side in SIDES}
        return tuple(
            PopulationFacts(
                name=name,
                rows=len(rows),
                labelled=int(rows["label"].notna().sum()),
                entities=int(rows.groupby(list(self.keys), dropna=False).ngroups),
                mean_label=_mean(rows["label"]),
            )
            for name, rows in ((name, spans.get(name, one)) for name, one in self.frames.items())
        )

    def movements(self) -> tuple[Movement, ...]:
        """Rows that left and entered the training and the scored rows."""
        data = self.data
        holdout = (data.live, data.recent_rows("candidate", "champion"))
        training = (data.training["champion"], data.training["candidate"])
        spans = (data.span("champion"), data.span("candidate"))
        return (
            self._movement("training", spans, *training),
            self._movement("holdout", holdout, *holdout),
        )

    def _movement(
        self,
        which: str,
        whole: tuple[pd.DataFrame, pd.DataFrame],
        old: pd.DataFrame,
        new: pd.DataFrame,
    ) -> Movement:
        """Rows are counted in the whole populations and described by those that were read."""
        before, after = (row_ids(self.keys, rows) for rows in whole)
        left, entered = ~np.isin(before, after), ~np.isin(after, before)
        return Movement.model_validate(
            {
                "population": which,
                "left_rows": int(left.sum()),
                "left_share": float(left.mean()) if len(left) else 0.0,
                "left": self._words(old, left),
                "entered_rows": int(entered.sum()),
                "entered_share": float(entered.mean()) if len(entered) else 0.0,
                "entered": self._words(new, entered),
            }
        )

    def _words(self, rows: pd.DataFrame, picked: Mask) -> str:
        if not picked.any():
            return ""
        if len(rows) < len(picked):  # a sample of the population
            picked = picked[np.asarray(rows.index)]
        if picked.all():
            return "all rows"
        features = {
            name: name
            for name in self._feature_columns
            if name not in self.data.descriptive_columns
        }
        columns = {**self.data.descriptive_columns, **{key: key for key in self.keys}, **features}
        shown = rows
        if "decision_time" not in columns:
            start = rows["decision_time"].min()
            days = (rows["decision_time"] - start) / pd.Timedelta(days=1)
            shown = rows.assign(**{_DAY: days})
            columns[_DAY] = f"days after {start:%Y-%m-%d}"
        there = {name: word for name, word in columns.items() if name in shown.columns}
        return describe_subgroup(shown, picked, there)

    @cached_property
    def _feature_columns(self) -> tuple[str, ...]:
        """Features of both recipes without keys and calendar features that reveal the date."""
        found = []
        for side in SIDES:
            arm = self.data.arm(side)
            found += [
                arm.column(feature.name)
                for feature in arm.spec.features
                if feature.name not in self.keys
                and not (isinstance(feature, CalendarFeature) and feature.part in TIME_PARTS)
            ]
        return tuple(dict.fromkeys(found))

    def _columns(self, which: Columns) -> tuple[str, ...]:
        if which == "features":
            return self._feature_columns
        known = {*self._feature_columns, LABEL}
        around = [name for name in self.data.descriptive_columns if name not in known]
        return (*self.keys, *around, MISSING)

    @cached_property
    def _samples(self) -> dict[str, Sample]:
        found = {}
        for name, rows in self.frames.items():
            thin = Sample(rows, cluster_ids(self.keys, rows)).subsample(self.most)
            missing = thin.rows[list(self._feature_columns)].isna().sum(axis=1)
            found[name] = Sample(thin.rows.assign(**{MISSING: missing}), thin.clusters)
        return found

    def distances(self) -> tuple[Distance, ...]:
        """Every pair of populations that differ, both classifiers, features and surroundings."""
        return tuple(self._distances())

    def _distances(self) -> Iterator[Distance]:
        for first, second in combinations(self.frames, 2):
            for which in WHICH:
                columns = self._columns(which)
                for method in METHODS:
                    if not columns:
                        continue
                    try:
                        scores = domain_scores(
                            self._samples[first], self._samples[second], columns, method, SEED
                        )
                    except Undefined:
                        continue  # the finding says that nothing was compared
                    yield Distance(
                        first=first,
                        second=second,
                        columns=which,
                        method=method,
                        auc=scores.auc,
                    )

    def weighted(
        self, cross: CrossEvaluation, clip: float
    ) -> tuple[Weighted | None, tuple[ShiftTerms, ...]]:
        """The candidate's own holdout against the live population, by its features.

        None where both are the same rows, nothing overlaps, or the metric is no mean over rows.
        """
        if not self.data.new_points or not cross.additive:
            return None, ()
        samples, known = [], []
        for points in HERE_AND_LIVE:
            rows = self.data.recent_rows(points, "candidate")
            labelled = cross.labelled(points, "candidate")
            whole = Sample(rows[labelled], cluster_ids(self.keys, rows[labelled]))
            keep = whole.subsample_mask(self.most)
            samples.append(Sample(whole.rows[keep], whole.clusters[keep]))
            known.append(keep)
        utility = {
            (model, points): cross.utilities(model, points, "candidate")[keep]
            for points, keep in zip(HERE_AND_LIVE, known, strict=True)
            for model in SIDES
        }
        try:
            scores = domain_scores(samples[0], samples[1], self._feature_columns, "trees", SEED)
            weights = importance_weights(scores.first, len(scores.second), clip)
            terms = three_terms(
                utility["candidate", "candidate"],
                utility["candidate", "champion"],
                (scores.first, scores.second),
            )
        except Undefined:
            return None, ()
        gain = utility["candidate", "candidate"] - utility["champion", "candidate"]
        found = Weighted(
            gain=float(weights.values @ gain),
            effective_share=weights.effective_share,
            clipped_share=weights.clipped_share,
            outside_share=outside_support(scores.first, scores.second),
        )
        return found, (ShiftTerms(model="candidate", terms=terms),)


def _mean(label: pd.Series) -> float | None:
    known = label.dropna()
    if not len(known) or not pd.api.types.is_numeric_dtype(known):
        return None
    return float(known.mean())
