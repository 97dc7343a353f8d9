"""A small autoencoder: a network that has to repeat its input through a few values in the middle.

It follows curved relations between columns, which a plane of principal components cannot. It is
stored as numbers and applied with NumPy.
"""

from __future__ import annotations

import warnings

import numpy as np
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from pipelines.core.arrays import Floats
from pipelines.core.records import Record

HIDDEN = 8  # units of the layers before and after the middle
PENALTY = 1.0  # on squared weights: keeps errors of fitted rows like those of fresh ones
MOST_STEPS = 200
DIGITS = 6


class Layer(Record):
    """Weights from one layer to the next."""

    weights: tuple[tuple[float, ...], ...] = Field(description="a line for each input")
    biases: tuple[float, ...] = Field(description="one for each output")


class Autoencoder(Record):
    """The layers of a fitted network; all but the last end with a hyperbolic tangent."""

    layers: tuple[Layer, ...]

    def repeat(self, matrix: Floats) -> Floats:
        """What the network makes of standardised rows, shape (rows, columns)."""
        *hidden, last = [(np.array(layer.weights), np.array(layer.biases)) for layer in self.layers]
        for weights, biases in hidden:
            matrix = np.tanh(matrix @ weights + biases)
        weights, biases = last
        return np.asarray(matrix @ weights + biases)


def fit_autoencoder(matrix: Floats, middle: int, seed: int) -> Autoencoder:
    """Fit scikit-learn's ``MLPRegressor`` to repeat its input.

    It ends after 200 steps of L-BFGS, converged or not: it has to follow the rows closely, not as
    closely as possible. The result is the same each time with one thread of linear algebra.

    Arguments:
        matrix: standardised rows, shape (rows, columns).
        middle: wanted number of values in the middle, fewer than columns; more than seven become
            seven, so that the middle is narrower than the layers next to it.
        seed: of the first weights.
    """
    model = MLPRegressor(
        hidden_layer_sizes=(HIDDEN, min(middle, HIDDEN - 1), HIDDEN),
        activation="tanh",
        solver="lbfgs",
        alpha=PENALTY,
        max_iter=MOST_STEPS,
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix, matrix)
    layers = zip(model.coefs_, model.intercepts_, strict=True)
    return Autoencoder(layers=tuple(_layer(weights, biases) for weights, biases in layers))


def _layer(weights: Floats, biases: Floats) -> Layer:
    lines = np.round(weights, DIGITS).tolist()
    return Layer(
        weights=tuple(tuple(line) for line in lines),
        biases=tuple(np.round(biases, DIGITS).tolist()),
    )
