"""Small worlds of one stream."""

from tests.support.feature_frame import frame_of

__all__ = ["frame_of"]
