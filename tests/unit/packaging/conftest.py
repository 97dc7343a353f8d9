"""A small declaration and a frame with a known truth."""

from tests.support.training_frame import (
    _one_thread,
    binary,
    classifier,
    frame,
    recent,
    regression,
    train,
)

__all__ = ["_one_thread", "binary", "classifier", "frame", "recent", "regression", "train"]
