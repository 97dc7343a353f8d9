"""How far two populations are from each other, as far as classifiers can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pipelines.core.arrays import Floats, Hashes, Mask
from pipelines.stats.two_sample_auc import TwoSampleAuc, two_sample_auc
from pipelines.stats.undefined import TooFewRows

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

Method = Literal["trees", "logistic"]

FOLDS = 2
FEWEST_ROWS = 40  # of either population
MOST_ONE_HOT = 20


@dataclass(frozen=True)
class Sample:
    """Rows of one population for a classifier, and the cell that each belongs to."""

    rows: pd.DataFrame
    clusters: Hashes

    def subsample_mask(self, most: int) -> Mask:
        """At most about so many rows, in whole clusters; the same clusters of every population.

        Cells are taken in the order of their hashes: a row of two populations is kept in both.
        """
        if len(self.clusters) <= most:
            return np.ones(len(self.clusters), dtype=bool)
        return np.asarray(self.clusters <= np.sort(self.clusters)[most - 1])

    def subsample(self, most: int) -> Sample:
        """The rows that ``kept`` keeps."""
        keep = self.subsample_mask(most)
        return Sample(self.rows[keep], self.clusters[keep])


@dataclass(frozen=True)
class DomainScores:
    """What a classifier says of each row: its chance of being of the second population."""

    first: Floats
    second: Floats
    auc: TwoSampleAuc


def domain_scores(
    first: Sample, second: Sample, columns: Sequence[str], method: Method, seed: int
) -> DomainScores:
    """Chances of every row from a classifier that was fitted without the row's cell.

    Arguments:
        first: one population, thinned before if it is large.
        second: the other.
        columns: what the classifier may look at.
        method: boosted trees see everything that features say together; logistic regression only
            what each says by itself.
        seed: of the trees.

    Raises:
        TooFewRows: when a population or a fold of it is too small to fit a classifier on.

    Source: Lopez-Paz, Oquab (2017), ICLR, section 3; cross-fitted as in Kim, Ramdas, Singh,
    Wasserman (2021), Annals of Statistics 49, section 9.
    """
    rows = pd.concat([first.rows[list(columns)], second.rows[list(columns)]], ignore_index=True)
    clusters = np.concatenate([first.clusters, second.clusters])
    side = np.r_[np.zeros(len(first.clusters), bool), np.ones(len(second.clusters), bool)]
    fold = (clusters >> np.uint64(17)) % np.uint64(FOLDS)
    matrix = _coded(rows) if method == "trees" else _spread(rows)
    chance = np.empty(len(rows))
    for part in range(FOLDS):
        train, test = fold != part, fold == part
        counts = [int(np.sum(train & (side == value))) for value in (False, True)]
        if min(counts) < FEWEST_ROWS / FOLDS or not test.any():
            raise TooFewRows(
                "two populations are too small for a classifier between them",
                got=f"{len(first.clusters)} and {len(second.clusters)} rows",
                wanted=f"at least {FEWEST_ROWS} of each",
            )
        model = _classifier(method, seed).fit(matrix[train], side[train])
        chance[test] = model.predict_proba(matrix[test])[:, 1]
    auc = two_sample_auc(chance, side, clusters)
    return DomainScores(chance[~side], chance[side], auc)


def _classifier(method: Method, seed: int) -> ClassifierMixin:
    if method == "logistic":
        return LogisticRegression(C=0.5, max_iter=300)
    return HistGradientBoostingClassifier(
        max_iter=40,
        learning_rate=0.15,
        max_leaf_nodes=15,
        min_samples_leaf=30,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )


def _coded(rows: pd.DataFrame) -> Floats:
    """Numbers as they are; texts by how frequent they are, which trees can cut anywhere."""
    return np.column_stack([_ranked(rows[name]) for name in rows.columns]).astype(np.float64)


def _ranked(column: pd.Series) -> Floats:
    if _is_number(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    codes, values = pd.factorize(column.astype(object), sort=False)
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    place = np.empty(len(values) + 1)
    place[np.argsort(-counts, kind="stable")] = np.arange(len(values))
    place[-1] = np.nan
    return place[codes]


def _spread(rows: pd.DataFrame) -> Floats:
    """Numbers scaled, with a column for what is missing; a column for each frequent text."""
    parts: list[Floats] = []
    for name in rows.columns:
        column = rows[name]
        if _is_number(column):
            numbers = column.to_numpy(np.float64, na_value=np.nan)
            missing = np.isnan(numbers)
            middle = float(np.median(numbers[~missing])) if not missing.all() else 0.0
            parts.append(np.where(missing, middle, numbers))
            if missing.any():
                parts.append(missing.astype(np.float64))
        else:
            codes, values = pd.factorize(column.astype(object), sort=False)
            counts = np.bincount(codes[codes >= 0], minlength=len(values))
            frequent = np.argsort(-counts, kind="stable")[:MOST_ONE_HOT]
            parts += [(codes == code).astype(np.float64) for code in frequent]
    return np.asarray(StandardScaler().fit_transform(np.column_stack(parts)))


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))
