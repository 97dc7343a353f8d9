"""Databases, buckets, Airflow's tables and the administrator's password; safe to repeat."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import boto3
import psycopg
import sqlalchemy as sa
from botocore.exceptions import ClientError
from mlflow_server import write_users
from psycopg import sql

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.lock.postgres import create_holders
from pipelines.wiring import SystemClock

# The role that owns each database. The ledger's belongs to the administrator.
OWNERS = {"airflow": "airflow", "mlflow": "mlflow", "mlflow_login": "mlflow", "gauntlet": None}
ROLES = ("airflow", "mlflow", "gauntlet", "serving")
MLFLOW_USERS = ("people", "airflow", "service")
LEDGER_RIGHTS = (
    "REASSIGN OWNED BY gauntlet TO CURRENT_USER",  # of an installation before 0.2
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, gauntlet, serving",
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC, gauntlet, serving",
    "GRANT CONNECT ON DATABASE gauntlet TO gauntlet, serving",
    "GRANT SELECT, INSERT ON gauntlet_ledger TO gauntlet",
    "GRANT SELECT ON gauntlet_ledger TO serving",
    "GRANT SELECT, INSERT, UPDATE ON gauntlet_lock TO gauntlet",
)


def databases(admin_url: str, passwords: Mapping[str, str]) -> None:
    """A role with a password of its own for each user, and a database that no other role opens.

    Arguments:
        admin_url: of a superuser, in any database.
        passwords: by the name of the role; one for each of ``ROLES``.
    """
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for name in ROLES:
            role, secret = sql.Identifier(name), sql.Literal(passwords[name])
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
            verb = "ALTER" if known.fetchone() else "CREATE"
            statement = sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(role, secret))
        for name, owner in OWNERS.items():
            base = sql.Identifier(name)
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if not there.fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(base))
            if owner:
                belongs = sql.SQL("ALTER DATABASE {} OWNER TO {}")
                connection.execute(belongs.format(base, sql.Identifier(owner)))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(base))


def ledger(admin_url: str) -> None:
    """The tables of ledger and lock, and the rights to them.

    The tasks may append to the ledger and take locks, and the service may read the ledger.
    """
    address = sa.make_url(admin_url).set(database="gauntlet")
    engine = open_engine(address.render_as_string(hide_password=False))
    SqlLedger(engine, SystemClock()).head("")
    with engine.begin() as connection:
        create_holders(connection)
    plain = address.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        for right in LEDGER_RIGHTS:
            connection.execute(right)


def buckets(*names: str) -> None:
    """Versioned buckets: a snapshot pins the version of each object it read."""
    client = boto3.client("s3")
    for name in names:
        try:
            client.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {
                "BucketAlreadyOwnedByYou",
                "BucketAlreadyExists",
            }:
                raise
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def password_file(path: Path, password: str) -> None:
    """Airflow's simple auth manager reads the administrator's password from a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps({"admin": password}), encoding="utf-8")


def main() -> None:
    """Run all steps and print each of them."""
    environment = os.environ
    secrets = {
        role: environment[f"{name}_DB_PASSWORD"]
        for role, name in zip(ROLES, ("AIRFLOW", "MLFLOW", "LEDGER", "SERVING"), strict=True)
    }
    databases(environment["POSTGRES_ADMIN_URL"], secrets)
    ledger(environment["POSTGRES_ADMIN_URL"])
    write_users(
        environment["MLFLOW_LOGIN_DATABASE_URI"],
        {name: environment[f"MLFLOW_{name.upper()}_PASSWORD"] for name in MLFLOW_USERS},
    )
    buckets(environment["ARTIFACTS_BUCKET"], environment["EVENTS_BUCKET"])
    password_file(
        Path(environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]),
        environment["AIRFLOW_ADMIN_PASSWORD"],
    )
    subprocess.run(["airflow", "db", "migrate"], check=True)


if __name__ == "__main__":
    main()
