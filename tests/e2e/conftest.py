"""One pharmacy that answers, built once for all tests that serve."""

import pytest

from tests.support.pharmacy import Pharmacy


@pytest.fixture(scope="session")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """Two versions in MLflow and a filled online store. Copy it before changing anything."""
    from tests.support.running_service import build_answering

    return build_answering(tmp_path_factory.getbasetemp() / "answering")
