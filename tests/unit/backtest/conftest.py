from pathlib import Path

import pytest

from pipelines.backtest.losses import Losses
from tests.support.backtest.small_history import small_losses


@pytest.fixture(scope="session")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Losses:
    """Losses on the small history, fitted once for all tests."""
    folder: Path = tmp_path_factory.mktemp("fits")
    return small_losses(folder)
