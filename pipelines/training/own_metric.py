"""The losses that an own function gives labels and predictions."""

from __future__ import annotations

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.core.errors import SpecError
from pipelines.own_code.declared import OwnFunction
from pipelines.own_code.load import errors_of_code, load_function

TOLERANCE = 1e-9  # relative; arrays of other lengths may be computed by other instructions
_WHERE = "metric.function"


def own_losses(own: OwnFunction, label: Floats, prediction: Floats) -> Floats:
    """The loss of each row, lower is better; shape (n,).

    The function is called with arrays of shape (n,), and once more with every second row in
    reverse: a loss that depends on other rows, or on chance, has no mean over rows.

    Arguments:
        own: with a function of labels and predictions.
        label: numbers, or 0 and 1; shape (n,).
        prediction: numbers, or probabilities of 1; shape (n,).

    Raises:
        SpecError: the function fails, or its losses are not one finite number for each row.
    """
    losses = _call(own, label, prediction)
    some = slice(None, None, -2)
    again = _call(own, label[some], prediction[some])
    if not np.allclose(losses[some], again, rtol=TOLERANCE, atol=0.0):
        raise SpecError(
            "an own metric is not a mean over rows",
            where=f"{_WHERE} {own.function}",
            got="other losses of the same rows among fewer rows in another order",
            wanted="a loss of each row that follows from its label and its prediction alone",
        )
    return losses


def _call(own: OwnFunction, label: Floats, prediction: Floats) -> Floats:
    function = load_function(own, _WHERE)
    wanted = "a function of two arrays, label and prediction"
    with errors_of_code(f"{own.function} fails", _WHERE, wanted=wanted):
        losses = np.asarray(function(label.copy(), prediction.copy()), dtype=np.float64)
    if losses.shape != label.shape or not np.isfinite(losses).all():
        raise SpecError(
            "an own metric gives no loss for each row",
            where=f"{_WHERE} {own.function}",
            got=f"shape {losses.shape}, {int(np.sum(~np.isfinite(losses)))} missing or infinite",
            wanted=f"finite numbers of shape {label.shape}",
        )
    return losses
