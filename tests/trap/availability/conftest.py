"""A champion that reads an online store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.live.served_champion import served_champion
from tests.support.pharmacy import Pharmacy


@pytest.fixture(scope="session")
def served() -> Pharmacy:
    """The champion and the quiet week after it. Only to be copied."""
    return served_champion()


@pytest.fixture
def pharmacy(served: Pharmacy, tmp_path: Path) -> Pharmacy:
    """A copy with a store of its own, for a log to be written to."""
    return served.twin(tmp_path)
