"""Where things are, read from the environment (prefix ``GAUNTLET_``) and a local ``.env`` file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.core.addresses import sqlite_path, sqlite_url
from pipelines.core.errors import SpecError
from pipelines.data.connection import MEMORY

_ENGINE = re.compile(
    r"duckdb|(sc|spark|k8s)://.+|yarn|local(\[[0-9*]+\])?|local-cluster\[\d+,\d+,\d+\]"
)


class Settings(BaseSettings):
    """Addresses and folders. Nothing here changes what a gate decides."""

    model_config = SettingsConfigDict(
        env_prefix="GAUNTLET_", env_file=".env", extra="ignore", frozen=True
    )

    home: Path = Field(default=Path(".gauntlet"), description="cache, runs, and embedded databases")
    models: Path = Field(default=Path("models"), description="folder of declarations")
    expectations: Path = Field(default=Path("expectations"), description="hand-written suites")
    store: str = Field(default="", description="events: a folder or s3://bucket/prefix")
    shared: str = Field(
        default="",
        description="files of runs and alerts for several machines: a folder or s3://bucket/prefix",
    )
    mlflow_uri: str = Field(default="", description="MLflow's tracking address")
    mlflow_ui: str = Field(default="", description="where people open MLflow; default: mlflow_uri")
    ledger_url: str = Field(default="", description="the ledger's database, as an SQLAlchemy URL")
    online_url: str = Field(
        default="", description="the online store: sqlite:///file or redis://host:port/0"
    )
    engine: str = Field(
        default="duckdb",
        description="reads events: duckdb, a Spark master, or sc://host for Spark Connect",
    )
    frames_bytes: int = Field(
        default=8 << 30, ge=0, description="of the weeks of decision points that are kept, at most"
    )
    memory: str = Field(
        default=MEMORY,
        description="of one connection of DuckDB, such as 4GB; what does not fit is on the disk",
    )

    serve_models: str = Field(default="", description="names that a service answers for, by comma")
    serve_tokens: str = Field(default="", description="bearer tokens, by comma; none: everybody")
    serve_rows: int = Field(default=1000, ge=1, description="points in one request, at most")
    serve_body_bytes: int = Field(default=1 << 20, ge=1, description="of one request, at most")
    serve_connections: int = Field(
        default=1000,
        ge=1,
        description="of one worker, at most; never more than half of its file descriptors",
    )
    serve_queue: int = Field(
        default=100,
        ge=1,
        description="predict requests that one worker answers or that wait in it, at most",
    )
    serve_request_s: float = Field(
        default=20,
        gt=0,
        description="seconds for the head of a request, and again for its body",
    )
    serve_fsync: bool = Field(
        default=True,
        description="an answer waits until its log is on the disk; off: a kill still loses "
        "nothing, a power cut the last moments",
    )
    reader_profile: str = Field(
        default="", description="AWS profile that `explore` reads S3 with; default: as ever"
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except UnicodeDecodeError as cause:
            raise SpecError(
                "the file with settings is not UTF-8",
                where=str(Path(".env").resolve()),
                got=f"{cause.reason} at byte {cause.start}",
                hint="save it as UTF-8",
            ) from cause

    @field_validator("memory")
    @classmethod
    def _amount(cls, memory: str) -> str:
        if not re.fullmatch(r"[1-9]\d*(\.\d+)? ?[KMGT]i?B", memory, re.IGNORECASE):
            raise ValueError("a number with a unit: 1600MB, 4GB or 2GiB")
        return memory

    @field_validator("ledger_url")
    @classmethod
    def _kept(cls, url: str) -> str:
        file = sqlite_path(url) if url.startswith("sqlite:") else Path("ledger.db")
        if file is None or file.name in ("", ":memory:"):
            raise ValueError("sqlite:///<file>: decisions in memory would be lost")
        return url

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, engine: str) -> str:
        if not _ENGINE.fullmatch(engine):
            raise ValueError(
                "duckdb, sc://host:port for Spark Connect, or a Spark master: "
                "spark://host:port, local-cluster[workers,cores,MiB], local[cores], yarn, k8s://..."
            )
        return engine

    @model_validator(mode="wrap")
    @classmethod
    def _friendly_errors(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A mistake in the environment, by the variable's name."""
        try:
            return handler(values)
        except ValidationError as cause:
            first = cause.errors(include_url=False)[0]
            raise SpecError(
                "a setting cannot be used",
                where=f"GAUNTLET_{str(first['loc'][0]).upper()}",
                got=repr(first["input"]),
                wanted=first["msg"],
                hint="mend it in the environment, or in .env",
            ) from cause

    def declared_models(self) -> tuple[str, ...]:
        """The names of the files in the folder of declarations, in alphabetical order."""
        return tuple(sorted(path.stem for path in self.models.glob("*.yaml")))

    @property
    def tokens(self) -> tuple[str, ...]:
        """The bearer tokens of the service; none: callers need no token."""
        return tuple(filter(None, (token.strip() for token in self.serve_tokens.split(","))))

    @property
    def store_address(self) -> str:
        """The store; embedded default: a folder in the home."""
        return self.store or str(self.home.resolve() / "store")

    @property
    def mlflow_address(self) -> str:
        """MLflow; embedded default: a SQLite file in the home."""
        return self.mlflow_uri or sqlite_url(self.home.resolve() / "mlflow.db")

    @property
    def mlflow_page(self) -> str:
        """Where people open MLflow; "" if it has no address for a browser."""
        page = self.mlflow_ui or self.mlflow_uri
        return page.rstrip("/") if page.startswith(("http://", "https://")) else ""

    @property
    def ledger_address(self) -> str:
        """The ledger; embedded default: a SQLite file in the home."""
        return self.ledger_url or sqlite_url(self.home.resolve() / "ledger.db")

    @property
    def online_address(self) -> str:
        """The online store; embedded default: a SQLite file in the home."""
        return self.online_url or sqlite_url(self.home.resolve() / "online.db")
