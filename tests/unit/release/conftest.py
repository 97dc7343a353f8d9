"""A judged candidate on made-up rows, and a ledger in memory."""

from tests.support.release.reviewed_candidate import reviewed
from tests.support.release.rollout_book import book

__all__ = ["book", "reviewed"]
