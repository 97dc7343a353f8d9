"""The channels that a model declares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.adapters.alerts.file import AlertFile
from pipelines.adapters.alerts.webhook import Webhook
from pipelines.core.errors import Unavailable

if TYPE_CHECKING:
    from pipelines.monitoring.alerts import Channel
    from pipelines.spec.monitor import Alerts


def open_channels(
    home: Path, environment: Mapping[str, str], alerts: Alerts
) -> tuple[Channel, ...]:
    """The channels that every process can use: a webhook and a file.

    Arguments:
        home: that a relative path of the file starts from.
        environment: holds the address of the webhook.
        alerts: what the model declares.
    """
    channels: list[Channel] = []
    if alerts.webhook_env:
        address = environment.get(alerts.webhook_env, "")
        channels.append(Webhook(f"webhook {alerts.webhook_env}", address))
    if alerts.file:
        channels.append(AlertFile(home / alerts.file))
    return tuple(channels)


def channel_problems(environment: Mapping[str, str], alerts: Alerts) -> tuple[str, ...]:
    """Why declared channels would not get an alert, as far as this process can know.

    Airflow's connections are known where its variables are set: ``AIRFLOW_CONN_<ID>``, and the
    address of its database. Where it has a secrets backend, they are not.

    Arguments:
        environment: of this process.
        alerts: what the model declares.
    """
    found = []
    if alerts.webhook_env and not environment.get(alerts.webhook_env):
        found.append(f"monitor.alerts.webhook_env: {alerts.webhook_env} is not set here")
    absent = [
        name for name in alerts.connections if not environment.get(f"AIRFLOW_CONN_{name.upper()}")
    ]
    known = _database_connections(environment) if absent else None
    found += [
        f"monitor.alerts.connections: Airflow has no connection {name}"
        for name in absent
        if known is not None and name not in known
    ]
    return tuple(found)


def _database_connections(environment: Mapping[str, str]) -> frozenset[str] | None:
    """Ids in Airflow's database; ``None`` where this process cannot know all connections."""
    address = environment.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    if not address or environment.get("AIRFLOW__SECRETS__BACKEND"):
        return None
    import sqlalchemy as sa

    from pipelines.adapters.database import open_engine

    try:
        with open_engine(address).connect() as database:
            return frozenset(database.scalars(sa.text("SELECT conn_id FROM connection")))
    except (Unavailable, sa.exc.SQLAlchemyError):
        return None
