"""Arguments and options that several commands share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from pipelines.core.time import parse_instant

ModelName = Annotated[str, typer.Argument(help="a model declared in `models/<name>.yaml`")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
AsOf = Annotated[
    str | None,
    typer.Option(help="instant of the run, ISO 8601 with a time zone; default: now"),
]
Lineage = Annotated[str, typer.Option(help="chain of decisions; only `live` affects what serves")]
Reason = Annotated[str, typer.Option(help="reason, kept in the ledger")]


def instant(text: str | None, default: datetime) -> datetime:
    """The instant given by ``--as-of`` or ``--at``, or a default."""
    return default if text is None else parse_instant(text, "the instant on the command line")
