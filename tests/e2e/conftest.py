"""One pharmacy that answers, built once for all tests that serve."""

import pytest

from tests.support.pharmacy import Pharmacy
from tests.support.shared_worlds import built_once


@pytest.fixture(scope="session")
def answering() -> Pharmacy:
    """Two versions in MLflow and a filled online store. Copy it before changing anything."""
    from tests.support.services.running import build_serving_home

    folder = built_once("answering", build_serving_home)
    return Pharmacy(folder / "home", str(folder / "store"))
