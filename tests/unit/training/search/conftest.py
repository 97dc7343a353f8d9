"""The declaration and the frame of the tests of training."""

from tests.support.training_frame import frame, regression, train

__all__ = ["frame", "regression", "train"]
