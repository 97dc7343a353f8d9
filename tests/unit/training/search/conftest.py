"""The declaration and the frame of the tests of training."""

from tests.support.training_frame import classifier, frame, regression, train

__all__ = ["classifier", "frame", "regression", "train"]
