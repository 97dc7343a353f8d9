"""A judged candidate on made-up rows."""

from tests.support.release.reviewed_candidate import reviewed

__all__ = ["reviewed"]
