"""Exploring: the same answers from every kind of source, no way to write, no trace but reads."""

import itertools
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import ibis
import psycopg
import pyarrow as pa
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from pipelines.adapters.events.postgres import PostgresEvents
from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.objects.s3 import S3Store
from pipelines.core.errors import GauntletError, SpecError, TimeError, Unavailable
from pipelines.data.snapshot import open_streams, take_snapshot
from pipelines.features.frame import build_frame
from pipelines.flows.explore import Exploration
from pipelines.spec.model import ModelSpec
from pipelines.stores import open_sources
from pipelines.wiring import connect_readers
from tests.support.explored_home import (
    CLOCK,
    DAY_10,
    NOW,
    WRITES,
    Rows,
    World,
    declare,
    fill,
    listing,
)
from tests.support.servers import new_bucket

_roles = itertools.count(1)


def create_table(url: str, rows: pa.Table) -> None:
    names = ["sale", "shop", "units", "price", "paid", "due", "sold_at", "told_at"]
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE sales (sale text, shop text, units int, price float8, "
            "paid boolean, due timestamptz, sold_at timestamptz, told_at timestamptz)"
        )
        cursor.executemany(
            f"INSERT INTO sales VALUES ({', '.join(['%s'] * len(names))})",
            [tuple(row.values()) for row in rows.select(names).to_pylist()],
        )


def new_role(url: str, *grants: str) -> str:
    """A role that may read the table and nothing else; its address."""
    role = f"reader_{next(_roles)}"
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        for grant in grants or ("GRANT SELECT ON sales TO {role}",):
            connection.execute(grant.format(role=role))
    return url.replace("tests@", f"{role}@")


POSTGRES = {"kind": "postgres", "table": "public.sales", "url_env": "SALES_URL"}
NOWHERE = "postgresql://unknown@127.0.0.1:1/none"


@pytest.fixture(params=["folder", "s3", "postgres"])
def world(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Rows,
) -> World:
    rows, home = sales_rows(range(20)), tmp_path / "home"
    if request.param == "folder":
        fill(LocalStore(tmp_path / "store"), rows)
        return declare(home, sales_model(), store=str(tmp_path / "store"))
    if request.param == "s3":
        address = f"s3://{request.getfixturevalue('versioned_bucket')}/events"
        fill(S3Store(address), rows)
        return declare(home, sales_model(), store=address)
    url = request.getfixturevalue("postgres_url")
    create_table(url, rows)
    monkeypatch.setenv("SALES_URL", NOWHERE)  # so that only the reader's address can answer
    monkeypatch.setenv("SALES_URL_READER", new_role(url))
    return declare(home, sales_model(source=POSTGRES))


def test_streams_and_frame_are_those_of_the_instant(world: World, tmp_path: Path) -> None:
    with world.explore() as look:
        assert look.sql("SELECT count(*) AS rows FROM sales")["rows"].tolist() == [10]
        assert look.streams["sales"].count().execute() == 10
        observed = look.frame.order_by(["decision_time", "shop"]).to_pandas()
    cache = tmp_path / "apart"
    readers = connect_readers(world.settings, clock=CLOCK)
    sources = readers.open_events(world.spec).open_sources(world.spec.streams)
    snapshot = take_snapshot(world.spec.streams, DAY_10, sources, cache)
    tables = open_streams(snapshot, world.spec.streams, cache, ibis.duckdb.connect())
    frame = build_frame(world.spec.frame, tables, DAY_10).order_by(["decision_time", "shop"])
    assert len(observed) > 0
    assert observed.equals(frame.to_pandas()), "what is explored is not what training would see"


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.split(" '")[0])
def test_a_write_fails_with_a_message(look: tuple[Exploration, Path], write: str) -> None:
    exploration, folder = look
    before = listing(folder)
    with pytest.raises(GauntletError, match="DuckDB did not do this") as caught:
        exploration.sql(write.format(folder=folder))
    assert "writes nowhere" in str(caught.value)
    with pytest.raises(Exception, match=r"Error"):  # nor by the connection that a session holds
        exploration.connection.con.execute(write.format(folder=folder)).fetchall()
    assert exploration.sql("SELECT sum(units) AS s FROM sales")["s"][0] > 0
    assert listing(folder) == before, "something was written"


def test_queries_of_every_form_are_answered(look: tuple[Exploration, Path]) -> None:
    for query in (
        "FROM sales LIMIT 1",
        "WITH a AS (SELECT 1 AS b) SELECT * FROM a",
        "DESCRIBE sales",
        "SUMMARIZE sales",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "PIVOT sales ON shop USING count(*)",
    ):
        assert len(look[0].sql(query)), f"{query} has no answer"


def test_a_mistake_in_a_query_is_named(look: tuple[Exploration, Path]) -> None:
    with pytest.raises(GauntletError, match="unts"):
        look[0].sql("SELECT unts FROM sales")


@pytest.mark.parametrize("query", ["", ";", "-- a thought"])
def test_a_text_without_a_statement_has_no_answer(
    look: tuple[Exploration, Path], query: str
) -> None:
    for requested in (look[0].sql, look[0].rows):
        with pytest.raises(GauntletError, match="nothing to answer"):
            requested(query)


def test_an_instant_that_has_not_come_is_refused(
    tmp_path: Path, sales_model: Callable[..., ModelSpec]
) -> None:
    with pytest.raises(TimeError, match="future"):
        declare(tmp_path / "home", sales_model()).explore(NOW + timedelta(days=1))


def test_a_stream_cannot_hide_behind_the_frame(
    tmp_path: Path, sales_model: Callable[..., ModelSpec]
) -> None:
    spec = sales_model()
    renamed = spec.as_json()
    renamed["streams"] = {"frame": renamed["streams"]["sales"]}
    renamed["points"]["stream"] = renamed["label"]["stream"] = "frame"
    world = declare(tmp_path / "home", ModelSpec.model_validate(renamed))
    with pytest.raises(SpecError, match="'frame' cannot be explored"):
        world.explore()


def test_a_folder_is_left_as_it_was_and_the_home_gains_only_its_own(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows
) -> None:
    store, home = tmp_path / "store", tmp_path / "home"
    fill(LocalStore(store), sales_rows(range(20)))
    world = declare(home, sales_model(), store=str(store))
    before, apart = listing(store), listing(home)
    with world.explore() as look:
        look.sql("SELECT * FROM frame")
        database = Path(look.sql("SELECT path FROM duckdb_databases() WHERE path <> ''")["path"][0])
        assert database.is_file()
    assert listing(store) == before
    gained = {name for name in listing(home) if name not in apart}
    assert gained, "nothing was kept, so that every session pulls all of it again"
    assert all(Path(name).parts[0] == "explore" for name in gained), gained
    assert not database.parent.exists(), "the session's copy outlives it"


def test_s3_is_read_with_the_readers_credentials_and_only_to_read(
    s3_environment: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Rows,
) -> None:
    address = "s3://explored/events"
    requested: list[tuple[str, str]] = []
    application = DomainDispatcherApplication(create_backend_app)

    def counted(environ: dict[str, Any], start: Any) -> Any:
        requested.append((environ["REQUEST_METHOD"], environ.get("HTTP_AUTHORIZATION", "")))
        return application(environ, start)

    server = make_server("127.0.0.1", 0, counted, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        new_bucket("explored", versioned=True)
        fill(S3Store(address), sales_rows(range(20)))
        requested.clear()
        files = tmp_path / "credentials"
        files.write_text("[reader]\naws_access_key_id = READER\naws_secret_access_key = key\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(files))
        world = declare(tmp_path / "home", sales_model(), store=address, reader_profile="reader")
        with world.explore() as look:
            assert len(look.sql("FROM sales")) == 10
    finally:
        server.shutdown()
    assert {method for method, _ in requested} <= {"GET", "HEAD"}, requested
    assert len(requested) >= 3, "versioning, listing and at least one object"
    assert all("Credential=READER/" in by for _, by in requested), "asked with other credentials"


def changes(url: str) -> list[tuple[Any, ...]]:
    """What PostgreSQL has counted as written, in all tables of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("SELECT pg_stat_clear_snapshot()")
        return connection.execute(
            "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, n_live_tup FROM pg_stat_user_tables"
        ).fetchall()


def test_postgres_counts_no_write_and_select_is_right_enough(
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Rows,
) -> None:
    create_table(postgres_url, sales_rows(range(20)))
    world = declare(tmp_path / "home", sales_model(source=POSTGRES))
    monkeypatch.setenv("SALES_URL", NOWHERE)
    monkeypatch.setenv("SALES_URL_READER", new_role(postgres_url))
    before = changes(postgres_url)
    assert before == [("sales", 20, 0, 0, 20)], "the counters do not count"
    with world.explore() as look:
        assert len(look.sql("FROM sales")) == 10
    assert changes(postgres_url) == before
    monkeypatch.setenv(
        "SALES_URL_READER", new_role(postgres_url, "GRANT USAGE ON SCHEMA public TO {role}")
    )
    with pytest.raises(Unavailable, match="permission denied"):
        world.explore(NOW)
    monkeypatch.setenv("SALES_URL", postgres_url)
    monkeypatch.delenv("SALES_URL_READER")
    with world.explore(NOW) as look:
        assert len(look.sql("FROM sales")) == 20, "without a reader, the stream's own address"


def test_a_reader_with_fewer_rows_leaves_nothing_that_retraining_trusts(
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sales_model: Callable[..., ModelSpec],
    sales_rows: Rows,
) -> None:
    """In a cache of both, the next pull compares its rows with the reader's: rewritten history."""
    create_table(postgres_url, sales_rows(range(20)))
    url = new_role(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("ALTER TABLE sales ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY one ON sales FOR SELECT USING (shop = 'shop-0')")
    world = declare(tmp_path / "home", sales_model(source=POSTGRES))
    monkeypatch.setenv("SALES_URL", postgres_url)
    monkeypatch.setenv("SALES_URL_READER", url)
    with world.explore() as look:
        assert len(look.sql("FROM sales")) == 4, "rows 0, 3, 6 and 9 are of shop-0"
    sources = open_sources(world.settings, world.spec.streams)
    assert isinstance(sources["sales"], PostgresEvents)
    snapshot = take_snapshot(world.spec.streams, NOW, sources, tmp_path / "home" / "cache")
    assert snapshot.streams["sales"].rows == 20
