"""The small stream ``sales``; an S3 server, a bucket that keeps versions and one that does not."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.adapters.objects.local import LocalStore
from pipelines.flows.explore import Exploration
from pipelines.spec.model import ModelSpec
from tests.support.explored_home import Rows, declare, fill
from tests.support.sales import sales_model, sales_rows

__all__ = ["sales_model", "sales_rows"]

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_environment(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return s3_server


def _bucket(versioned: bool) -> str:
    name = f"events-{next(_numbers)}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    if versioned:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def versioned_bucket(s3_environment: str) -> str:
    return _bucket(versioned=True)


@pytest.fixture
def plain_bucket(s3_environment: str) -> str:
    return _bucket(versioned=False)


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
