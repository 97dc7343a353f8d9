"""``gauntlet init`` from a PostgreSQL table and from an object in S3."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import psycopg
import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.core.errors import DataError, SpecError, Unavailable
from pipelines.spec.load import load_model
from pipelines.spec.streams import PostgresSource

RUN = CliRunner()
START = datetime(2026, 1, 5, tzinfo=UTC)
TIMES = [START + timedelta(hours=2 * n, minutes=n**3 % 101) for n in range(12 * 70)]


@pytest.fixture
def table(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table whose texts look like numbers, and whose name is not plain."""
    monkeypatch.setenv("GAUNTLET_POSTGRES_URL", postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "CREATE TABLE orders (order_no text, shop_code text, ordered_at timestamptz, "
            "recorded_at timestamptz, amount numeric(9,2), place point)"
        )
        rows = [
            (f"{n}", f"{n % 6:03}", at, at + timedelta(minutes=9), n % 40)
            for n, at in enumerate(TIMES)
        ]
        connection.cursor().executemany(
            "INSERT INTO orders VALUES (%s, %s, %s, %s, %s, NULL)", rows
        )
    return "public.orders"


def test_a_table_stays_where_it_is(own_folder: Path, table: str) -> None:
    done = RUN.invoke(app, ["init", "orders", "--from", f"postgres:{table}", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert [line.split()[1] for line in found["next"]] == ["check", "retrain"]
    spec = load_model(own_folder / "models" / "orders.yaml")
    stream = spec.streams["events"]
    assert stream.source.kind == "postgres"
    assert stream.columns == {"order_no": "string", "shop_code": "string", "amount": "float"}
    assert spec.points.keys == ("shop_code",)
    checked = RUN.invoke(app, ["check", "orders", *found["next"][0].split()[3:], "--json"])
    assert json.loads(checked.output)["streams"]["events"]["rows"] == len(TIMES)


@pytest.mark.parametrize("name", ["nosuch", "public.nosuch", 'a"b', "a.b.c"])
def test_a_table_that_does_not_exist(own_folder: Path, table: str, name: str) -> None:
    refused = RUN.invoke(app, ["init", "orders", "--from", f"postgres:{name}", "--yes"])
    assert isinstance(refused.exception, SpecError)
    assert not (own_folder / "models").exists()


def test_a_database_that_does_not_answer(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUNTLET_POSTGRES_URL", "postgresql://reader:secret@127.0.0.1:1/none")
    refused = RUN.invoke(app, ["init", "orders", "--from", "postgres:orders", "--yes"])
    assert isinstance(refused.exception, Unavailable)
    assert "secret" not in str(refused.exception)
    assert not (own_folder / "models").exists()


def test_an_object_in_s3(own_folder: Path, plain_bucket: str) -> None:
    rows = [f"{n},s{n % 6},{at.isoformat()},{n % 9}" for n, at in enumerate(TIMES)]
    body = "\n".join(["order_no,shop,ordered_at,units", *rows]).encode()
    boto3.client("s3").put_object(Bucket=plain_bucket, Key="in/orders.csv", Body=body)
    source = f"s3://{plain_bucket}/in/orders.csv"
    done = RUN.invoke(app, ["init", "orders", "--from", source, "--yes"])
    assert done.exit_code == 0, done.output
    assert load_model(own_folder / "models" / "orders.yaml").points.keys == ("shop",)
    missing = RUN.invoke(app, ["init", "other", "--from", source[:-1], "--yes"])
    assert isinstance(missing.exception, DataError)


def test_an_address_that_cannot_be_read_is_not_shown(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAUNTLET_POSTGRES_URL", "postgres//reader:secret@host/db")
    refused = RUN.invoke(app, ["init", "orders", "--from", "postgres:orders", "--yes"])
    assert isinstance(refused.exception, SpecError)
    assert "secret" not in str(refused.exception)


def test_a_table_keeps_its_names_and_has_an_entity(own_folder: Path, table: str) -> None:
    """A view of it has a name that no declaration can have, a naive time and an empty column."""
    with psycopg.connect(os.environ["GAUNTLET_POSTGRES_URL"]) as connection:
        connection.execute(
            "CREATE VIEW odd AS SELECT ordered_at AS event_time, recorded_at::timestamp AS "
            'recorded_at, shop_code, amount, amount AS "Unit Price", NULL::float8 AS rebate '
            "FROM orders"
        )
        connection.execute("CREATE VIEW lonely AS SELECT ordered_at, amount FROM orders")
    done = RUN.invoke(app, ["init", "odd", "--from", "postgres:odd", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    stream = load_model(own_folder / "models" / "odd.yaml").streams["events"]
    assert isinstance(stream.source, PostgresSource)
    assert (stream.event_time, stream.source.zone) == ("event_time", "UTC")
    assert stream.columns == {"shop_code": "string", "amount": "float", "rebate": "float"}
    assert any("Unit Price" in note for note in found["notes"])
    checked = RUN.invoke(app, ["check", "odd", *found["next"][0].split()[3:], "--json"])
    assert json.loads(checked.output)["streams"]["events"]["rows"] == len(TIMES)
    refused = RUN.invoke(app, ["init", "lonely", "--from", "postgres:lonely", "--yes"])
    assert isinstance(refused.exception, SpecError)
    assert "view" in refused.exception.hint
