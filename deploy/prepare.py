"""Databases, buckets, Airflow's tables and the administrator's password; safe to repeat."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import boto3
import psycopg
from botocore.exceptions import ClientError
from psycopg import sql

DATABASES = ("airflow", "mlflow", "gauntlet")


def databases(admin_url: str, password: str) -> None:
    """One role and one database for each of Airflow, MLflow and the ledger."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for name in DATABASES:
            role, secret = sql.Identifier(name), sql.Literal(password)
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
            verb = "ALTER" if known.fetchone() else "CREATE"
            statement = sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}")
            connection.execute(statement.format(role, secret))
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if not there.fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))


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
    databases(environment["POSTGRES_ADMIN_URL"], environment["POSTGRES_PASSWORD"])
    buckets(environment["ARTIFACTS_BUCKET"], environment["EVENTS_BUCKET"])
    password_file(
        Path(environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"]),
        environment["AIRFLOW_ADMIN_PASSWORD"],
    )
    subprocess.run(["airflow", "db", "migrate"], check=True)


if __name__ == "__main__":
    main()
