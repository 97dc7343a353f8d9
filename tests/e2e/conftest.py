"""One pharmacy with a champion, built once for all tests that retrain."""

import pytest

from tests.pharmacy import Pharmacy, shared


@pytest.fixture(scope="session")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """A first version made on ``FIRST``. Copy it before changing anything."""
    return shared(tmp_path_factory.getbasetemp() / "pharmacy")


@pytest.fixture(scope="session")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """Two versions in MLflow and a filled online store. Copy it before changing anything."""
    from tests.answering import build_answering

    return build_answering(tmp_path_factory.getbasetemp() / "answering")
