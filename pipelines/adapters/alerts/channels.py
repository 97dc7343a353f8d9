"""The channels that a model declares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.adapters.alerts.file import AlertFile
from pipelines.adapters.alerts.webhook import Webhook

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
