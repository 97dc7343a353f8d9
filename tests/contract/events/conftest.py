"""The small stream ``sales``; an S3 server, a bucket that keeps versions and one that does not."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.flows.explore import Exploration
from pipelines.spec.model import ModelSpec
from tests.support.explored_home import Rows, declare, fill
from tests.support.sales import sales_model, sales_rows
from tests.support.servers import new_bucket, running_s3

__all__ = ["sales_model", "sales_rows"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[dict[str, str]]:
    with running_s3() as environment:
        yield environment


@pytest.fixture
def s3_environment(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def versioned_bucket(s3_environment: None) -> str:
    return new_bucket(f"events-{next(_numbers)}", versioned=True)


@pytest.fixture
def plain_bucket(s3_environment: None) -> str:
    return new_bucket(f"events-{next(_numbers)}", versioned=False)


@pytest.fixture(scope="module")
def look(
    tmp_path_factory: pytest.TempPathFactory,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Rows,
) -> Iterator[tuple[Exploration, Path]]:
    folder = tmp_path_factory.mktemp("explore")
    fill(LocalStore(folder / "store"), sales_rows(range(20)))
    (folder / "secret").write_text("secret")
    world = declare(folder / "home", sales_model(), store=str(folder / "store"))
    with world.explore() as open_look:
        yield open_look, folder
