"""Every engine, opened as the setting opens it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.objects.s3 import S3Store
from pipelines.data.engines.port import Engine
from pipelines.data.engines.tables import open_engine
from pipelines.data.events import FileEvents
from pipelines.data.objects import ObjectStore
from pipelines.data.reader import EventReader
from tests.support.servers import free_port, running_s3
from tests.support.services.spark_servers import standalone_cluster

PORT = free_port()  # of the master of a standalone cluster
SPARK = os.environ.get("ENGINE") or "local-cluster[2,1,2048]"  # two workers, each a process
if SPARK == "standalone":
    SPARK = f"spark://127.0.0.1:{PORT}"
DATABASE = "GAUNTLET_ENGINES_DATABASE"
# Tables are small. With 200 partitions, the default, most of the time goes to tasks without rows.
OPTIONS = """\
spark.driver.memory 2g
spark.sql.shuffle.partitions 2
spark.ui.enabled false
"""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the session of Spark, of which a process has one."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """On an S3 server whose address executors find in the environment that they start with."""
    with running_s3("events") as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield "s3://events"


@pytest.fixture(scope="session")
def database(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Address of a database, which executors find in ``DATABASE``; none without PostgreSQL."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            url: str = request.getfixturevalue("new_postgres_database")()
        except pytest.skip.Exception:
            yield None
            return
        patch.setenv(DATABASE, url)
        yield url


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A standalone cluster, whose executors have the environment of this moment."""
    with standalone_cluster(PORT, tmp_path_factory.mktemp("cluster")):
        yield


@pytest.fixture(scope="module")
def spark(
    shared: Path, bucket: str, database: str | None, request: pytest.FixtureRequest
) -> Iterator[Engine]:
    """Spark, where it is installed: see `make spark-test`."""
    if find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed here: see `make spark-test`")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java, and there is none")
    (shared / "conf").mkdir(exist_ok=True)
    (shared / "conf" / "spark-defaults.conf").write_text(OPTIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(shared / "conf"))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        if SPARK.endswith(f":{PORT}"):
            request.getfixturevalue("cluster")
        yield open_engine(SPARK, shared)


@pytest.fixture(params=["duckdb", "spark"])
def engine(request: pytest.FixtureRequest, shared: Path) -> Engine:
    if request.param == "spark":
        found: Engine = request.getfixturevalue("spark")
        return found
    return open_engine("duckdb", shared)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A folder, or below a bucket where a test asks for ``s3``."""
    if getattr(request, "param", "folder") == "s3":
        return S3Store(f"{request.getfixturevalue('bucket')}/{tmp_path.name}")
    return LocalStore(tmp_path / "store")


@pytest.fixture
def reader_on(store: ObjectStore, tmp_path: Path) -> Callable[[Engine], EventReader]:
    """A reader of one store; readers on the same engine share its cache."""

    def reader(engine: Engine) -> EventReader:
        cache = tmp_path / f"cache-{type(engine).__name__}"
        return EventReader(lambda _: {"sales": FileEvents(store, engine)}, cache, engine=engine)

    return reader
