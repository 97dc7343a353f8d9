"""MLflow's server behind a login: its users are in the database MLFLOW_LOGIN_DATABASE_URI.

python deploy/mlflow_server.py [options of `mlflow server`]

Every user may read. Who creates an experiment or a model may change it; the administrator may
change everything.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from configparser import RawConfigParser
from pathlib import Path

ADMIN = "people"


def write_users(database: str, passwords: Mapping[str, str]) -> None:
    """Create each user, or set the password of one that exists; ``ADMIN`` becomes administrator.

    Arguments:
        database: SQLAlchemy's address of the database for users only.
        passwords: by user; MLflow accepts 12 characters or more.
    """
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(database)
    for name, password in passwords.items():
        if store.has_user(name):
            store.update_user(name, password=password)
        else:
            store.create_user(name, password, is_admin=name == ADMIN)


def write_config(database: str) -> Path:
    """Write MLflow's settings of the login to a file that only this account can read."""
    config = RawConfigParser()
    config["mlflow"] = {
        "default_permission": "READ",
        "database_uri": database.replace("%", "%%"),  # MLflow interpolates
        "admin_username": ADMIN,
    }
    path = Path(tempfile.mkdtemp(prefix="mlflow-login-")) / "basic_auth.ini"
    with path.open("w", encoding="utf-8") as file:
        config.write(file)
    return path


if __name__ == "__main__":
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(
        write_config(os.environ["MLFLOW_LOGIN_DATABASE_URI"])
    )
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    os.execv(sys.executable, [*command, *sys.argv[1:]])  # noqa: S606 - no shell is wanted
