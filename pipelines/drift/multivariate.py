"""Drift of numbers together: columns that are made of all of them and then judged as any other.

``reconstruction_error`` is how far a row is from the plane of the first principal components: it
grows when columns no longer move together, though each looks as before. ``autoencoder_error`` is
how far a row is from what a small autoencoder makes of it, which also follows curved relations.
``segment`` is the nearest of a few centres: its shares show which kind of row has become more
frequent.

Reconstruction does not notice a movement inside the plane, such as a shift of all columns along
their common direction; the columns by themselves do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from pipelines.core.arrays import Floats, Integers
from pipelines.core.records import Record
from pipelines.drift.autoencoder import Autoencoder, fit_autoencoder
from pipelines.drift.profile import Profile, reference_profile
from pipelines.drift.univariate import shares
from pipelines.spec.monitor import Reconstruction

ERROR, AUTOENCODER_ERROR, SEGMENT = "reconstruction_error", "autoencoder_error", "segment"
ERRORS: Mapping[Reconstruction, str] = {"pca": ERROR, "autoencoder": AUTOENCODER_ERROR}
EXPLAINED = 0.65  # share of the variance that the kept components explain
SEGMENTS = 8
FITTED_ROWS = 5000  # at most
AUTOENCODER_ROWS = 1000  # at least: fewer would be learnt by heart
FARTHEST = 5.0  # standard deviations: values beyond are clipped
DIGITS = 6
SEED = 0


class JointSpace(Record):
    """Principal components and centres of the reference's numbers, after standardisation.

    Spaces cannot be merged, as those of two samples differ. Profiles of rows in one space can.
    """

    columns: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...] = Field(description="all above zero")
    components: tuple[tuple[float, ...], ...] = Field(description="orthonormal, largest first")
    centres: tuple[tuple[float, ...], ...] = Field(description="of segment 1, segment 2, ...")
    autoencoder: Autoencoder | None = Field(
        default=None, description="None: not declared, or too few rows"
    )


class SegmentShift(NamedTuple):
    """A segment's share of the reference and of the newest week."""

    segment: str
    before_share: float
    now_share: float

    def __str__(self) -> str:
        verb = "grew" if self.now_share >= self.before_share else "shrank"
        return f"segment {self.segment} {verb} from {self.before_share:.0%} to {self.now_share:.0%}"


def fit_space(
    rows: pd.DataFrame, columns: Sequence[str], *, autoencoder: bool = False
) -> JointSpace | None:
    """The space of reference rows; ``None`` with fewer than two columns of numbers that vary.

    It is fitted on at most 5,000 rows, drawn at random.

    Arguments:
        rows: reference rows in a reproducible order.
        columns: candidates; texts and constants are left out. Missing values count as the mean.
        autoencoder: whether to fit one. It has as many values in the middle as there are kept
            components, at most seven, and is left out with fewer than 1,000 rows.
    """
    some = rows if len(rows) <= FITTED_ROWS else rows.sample(FITTED_ROWS, random_state=SEED)
    numbers = {name: _numbers(some[name]) for name in columns if _is_number(some[name])}
    known = {name: values[~np.isnan(values)] for name, values in numbers.items()}
    spread = {name: float(np.std(values)) for name, values in known.items() if len(values)}
    names = tuple(name for name, deviation in spread.items() if 0 < deviation < np.inf)
    if len(names) < 2:
        return None
    means = [float(np.mean(known[name])) for name in names]
    deviations = [spread[name] for name in names]
    matrix = _standardised(some, names, means, deviations)
    with threadpool_limits(1):  # the sums of several threads differ in the last digits
        values, vectors = np.linalg.eigh(matrix.T @ matrix)
        explained = np.cumsum(values[::-1]) / values.sum()
        kept = min(int(np.searchsorted(explained, EXPLAINED)) + 1, len(names) - 1)
        clusters = min(SEGMENTS, len(np.unique(matrix, axis=0)))
        model = KMeans(clusters, n_init=1, random_state=SEED).fit(matrix)
        network = autoencoder and len(matrix) >= AUTOENCODER_ROWS
        repeats = fit_autoencoder(matrix, kept, SEED) if network else None
    return JointSpace(
        columns=names,
        means=tuple(means),
        deviations=tuple(deviations),
        components=_rounded(vectors[:, ::-1][:, :kept].T),
        centres=_rounded(model.cluster_centers_),
        autoencoder=repeats,
    )


def joint_rows(space: JointSpace, rows: pd.DataFrame) -> pd.DataFrame:
    """The decision time, reconstruction errors and segment of each row."""
    matrix, centres = _matrix(space, rows), np.array(space.centres)
    errors = {ERROR: _from_plane(space, matrix)}
    if space.autoencoder is not None:
        errors[AUTOENCODER_ERROR] = _lengths(matrix - space.autoencoder.repeat(matrix))
    squares = (centres**2).sum(axis=1) - 2 * matrix @ centres.T
    names = pd.Index([str(number) for number in range(1, len(centres) + 1)])
    nearest = pd.Categorical.from_codes(squares.argmin(axis=1), names)
    return pd.DataFrame({"decision_time": rows["decision_time"], **errors, SEGMENT: nearest})


def reconstruction_errors(space: JointSpace, rows: pd.DataFrame) -> Floats:
    """Of ``joint_rows`` the distance of each row from the plane of the components alone."""
    return _from_plane(space, _matrix(space, rows))


def joint_profile(space: JointSpace, rows: pd.DataFrame) -> Profile:
    """The profile of ``joint_rows`` of reference rows."""
    joint = joint_rows(space, rows)
    return reference_profile(joint, [str(name) for name in joint if name != "decision_time"])


def segment_changes(reference: Profile, fresh: Profile) -> tuple[SegmentShift, ...]:
    """How each segment's share of the newest week differs from the reference, most changed first.

    Arguments:
        reference: profile of ``joint_rows``.
        fresh: ``profile_like`` it, with at least one week.
    """
    column, newest = reference.columns[SEGMENT], fresh.columns[SEGMENT].counts[-1]
    before, now = _segment_shares(column.total), _segment_shares(newest)
    names = getattr(column.bins, "texts", ())
    found = (SegmentShift(*change) for change in zip(names, before, now, strict=False))
    return tuple(sorted(found, key=lambda one: -abs(one.now_share - one.before_share)))


def _segment_shares(counts: Integers) -> list[float]:
    found: list[float] = shares(counts).tolist()
    return found


def _matrix(space: JointSpace, rows: pd.DataFrame) -> Floats:
    return _standardised(rows, space.columns, space.means, space.deviations)


def _from_plane(space: JointSpace, matrix: Floats) -> Floats:
    components = np.array(space.components)
    return _lengths(matrix - matrix @ components.T @ components)


def _standardised(
    rows: pd.DataFrame, names: Sequence[str], means: Sequence[float], deviations: Sequence[float]
) -> Floats:
    columns = [
        (_numbers(rows[name]) - mean) / deviation
        for name, mean, deviation in zip(names, means, deviations, strict=True)
    ]
    return np.clip(np.nan_to_num(np.column_stack(columns), nan=0.0), -FARTHEST, FARTHEST)


def _numbers(column: pd.Series) -> Floats:
    return column.to_numpy(np.float64, na_value=np.nan)


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _lengths(rows: Floats) -> Floats:
    return np.asarray(np.linalg.norm(rows, axis=1))


def _rounded(table: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(line) for line in np.round(table, DIGITS).tolist())
