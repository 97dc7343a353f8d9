"""Reconstruction by principal components against that by an autoencoder, which is left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from pipelines.core.arrays import Floats
from pipelines.drift.multivariate import ERROR, fit_space, joint_rows
from tests.montecarlo.row import Row

SEED = 350
COLUMNS, FACTORS, CURVED = 10, 3, 9
REFERENCE, WINDOW, WINDOWS = 4000, 500, 20
NAMES = [f"x{number}" for number in range(COLUMNS)]
LAYERS = (8, FACTORS, 8)

Change = Callable[[Floats, np.random.Generator], Floats]


def _one_moves(rows: Floats, _: np.random.Generator) -> Floats:
    return rows + 0.5 * np.eye(COLUMNS)[0]


def _one_flips(rows: Floats, _: np.random.Generator) -> Floats:
    return rows * (1 - 2 * np.eye(COLUMNS)[0])


def _some_move(rows: Floats, rng: np.random.Generator) -> Floats:
    return rows + 1.0 * (rng.random((len(rows), 1)) < 0.1)


def _curve_breaks(rows: Floats, rng: np.random.Generator) -> Floats:
    changed = rows.copy()
    changed[:, CURVED] = rng.permutation(rows[:, CURVED])
    return changed


CHANGES: tuple[tuple[str, Change], ...] = (
    ("none", lambda rows, _: rows),
    ("one column changes its sign", _one_flips),
    ("all columns times 1.2", lambda rows, _: 1.2 * rows),
    ("one column moves by 0.5", _one_moves),
    ("10 % of the rows move by 1", _some_move),
    ("a curved relation is broken", _curve_breaks),
)


def drift_reconstruction(replications: int) -> Iterator[Row]:
    """Windows of 500 rows whose mean reconstruction error is far from that of the reference.

    Ten columns come from three factors, one of them from the square of a factor. Far is more than
    three standard deviations of 20 windows without a change. The autoencoder is scikit-learn's
    `MLPRegressor` with layers of 8, 3 and 8.
    """
    rng = np.random.default_rng(SEED)
    loadings = rng.normal(size=(FACTORS, COLUMNS))
    reference = _draw(rng, loadings, REFERENCE)
    for method, error in (
        ("principal components", _components(reference)),
        ("autoencoder", _autoencoder(reference)),
    ):
        usual = [error(_draw(rng, loadings, WINDOW)) for _ in range(WINDOWS)]
        mean, spread = float(np.mean(usual)), float(np.std(usual, ddof=1))
        for what, change in CHANGES:
            windows = (change(_draw(rng, loadings, WINDOW), rng) for _ in range(replications))
            hits = sum(abs(error(window) - mean) > 3 * spread for window in windows)
            yield Row(f"far from the reference: {what}", method, hits, replications)


def _draw(rng: np.random.Generator, loadings: Floats, rows: int) -> Floats:
    factors = rng.normal(size=(rows, FACTORS))
    found = factors @ loadings + 0.5 * rng.normal(size=(rows, COLUMNS))
    found[:, CURVED] = factors[:, 0] ** 2 + 0.5 * rng.normal(size=rows)
    return found


def _components(reference: Floats) -> Callable[[Floats], float]:
    """The mean error of a window from the monitor's own plane."""
    space = fit_space(pd.DataFrame(reference, columns=NAMES), NAMES)
    if space is None:
        raise ValueError("the columns do not vary")

    def error(rows: Floats) -> float:
        frame = pd.DataFrame(rows, columns=NAMES).assign(decision_time=pd.Timestamp("2026-01-05"))
        return float(joint_rows(space, frame)[ERROR].mean())

    return error


def _autoencoder(reference: Floats) -> Callable[[Floats], float]:
    """The mean error of a window from what the autoencoder makes of it."""
    means, deviations = reference.mean(axis=0), reference.std(axis=0)
    standard = (reference - means) / deviations
    model = MLPRegressor(hidden_layer_sizes=LAYERS, activation="tanh", random_state=0, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(standard, standard)

    def error(rows: Floats) -> float:
        scaled = (rows - means) / deviations
        return float(np.linalg.norm(scaled - model.predict(scaled), axis=1).mean())

    return error
