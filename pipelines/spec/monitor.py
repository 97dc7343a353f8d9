"""Monitoring: when `gauntlet monitor` runs, from which size on a change is an alarm, and alerts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from pipelines.core.cron import DAILY
from pipelines.spec.fields import Cron, Declaration, Duration, Share

DriftMethod = Literal["jensen_shannon", "ks", "psi", "kl", "wasserstein", "chi_square"]
Reconstruction = Literal["pca", "autoencoder"]


class Drift(Declaration):
    """How fresh points are compared with training."""

    method: DriftMethod = Field(
        default="jensen_shannon", description="distance of a column from training"
    )
    reconstruction: tuple[Reconstruction, ...] = Field(
        default=("pca",),
        description="what rebuilds the numbers of a row, to find relations that break; an "
        "autoencoder is fitted when a version is registered",
    )


class Alerts(Declaration):
    """Where messages about alarms go, and how many. Without a channel, none is sent."""

    budget: int = Field(
        default=3, ge=1, le=1000, description="messages in seven days, at most; costly ones first"
    )
    webhook_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable that holds the address of a webhook, such as Slack's",
    )
    file: str | None = Field(
        default=None,
        min_length=1,
        description="file that messages are appended to, one JSON object a line; relative to the "
        "home folder",
    )
    connections: tuple[Annotated[str, Field(pattern=r"^[\w.-]+$")], ...] = Field(
        default=(),
        description="ids of Airflow connections of the type smtp, slackwebhook or http; the DAGs "
        "send to them",
    )


class RetrainOnReason(Declaration):
    """How often the DAGs retrain because monitoring recommends it, besides the schedule."""

    cooldown: Duration = Field(
        default=timedelta(days=14), description="shortest time between two such retrainings"
    )
    a_year: int = Field(default=12, ge=1, le=366, description="such retrainings in 365 days")


class Monitoring(Declaration):
    """How a champion is watched. Monitoring decides nothing: it shows alarms and one action."""

    schedule: Cron | None = Field(
        default=DAILY, description="cron expression in UTC; null: by hand only"
    )
    weeks: int = Field(
        default=8, ge=2, le=53, description="weeks that are compared and shown, the newest included"
    )
    alpha: float = Field(
        default=0.01,
        gt=0,
        lt=0.5,
        description="chance of a false alarm about the champion's performance, of each week",
    )
    cost: float = Field(
        default=1.0,
        gt=0,
        description="loss from which performance, age or a better earlier version is an alarm, in "
        "minimum effects",
    )
    unseen_share: Share = Field(
        default=0.01, description="share of points with a value of a feature that training lacked"
    )
    silence: float = Field(
        default=2.0,
        gt=1,
        description="times its longest earlier pause after which a stream counts as silent",
    )
    drift: Drift = Field(default=Drift(), description="how fresh points are compared with training")
    alerts: Alerts = Field(default=Alerts(), description="messages about alarms")
    retrain: RetrainOnReason | None = Field(
        default=RetrainOnReason(),
        description="retrain when monitoring recommends it; null: on the schedule only",
    )
