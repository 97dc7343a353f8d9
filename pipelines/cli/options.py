"""Arguments and options that several commands share, with the checks of their values."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from pipelines.core.errors import SpecError
from pipelines.core.names import LINEAGE, NAME, checked_name
from pipelines.core.time import parse_instant, refuse_ancient


def model_name(text: str) -> str:
    """A model's name from the command line.

    Raises:
        SpecError: when no model can have this name.
    """
    return checked_name(text, NAME, "the name of the model")


def model_names(texts: list[str] | None) -> list[str] | None:
    """Models' names from the command line; see ``model_name``."""
    return None if texts is None else [model_name(text) for text in texts]


def written(text: str | None) -> str | None:
    """A text from the command line that is stored in a record.

    Raises:
        SpecError: when it has bytes that are not UTF-8, or control characters.
    """
    if text is not None and not all(one.isprintable() or one in "\n\t" for one in text):
        raise SpecError(
            "a text cannot be stored",
            where="the command line",
            got=repr(text[:80]),
            wanted="text in UTF-8 without control characters",
        )
    return text


def lineage_name(text: str) -> str:
    """A lineage's name from the command line.

    Raises:
        SpecError: when no lineage can have this name.
    """
    return checked_name(text, LINEAGE, "--lineage")


ModelName = Annotated[
    str, typer.Argument(help="a model declared in `models/<name>.yaml`", callback=model_name)
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
AsOf = Annotated[
    str | None,
    typer.Option(help="instant of the run, ISO 8601 with a time zone; default: now"),
]
Lineage = Annotated[
    str,
    typer.Option(help="chain of decisions; only `live` affects what serves", callback=lineage_name),
]
Reason = Annotated[str, typer.Option(help="reason, kept in the ledger", callback=written)]


def instant(text: str | None, default: datetime) -> datetime:
    """The instant given by ``--as-of`` or ``--at``, or a default.

    Raises:
        TimeError: when the text is no instant, or lies before every possible event.
    """
    if text is None:
        return default
    where = "the instant on the command line"
    value = parse_instant(text, where)
    refuse_ancient(value, where)
    return value


def _tab(text: str | None) -> str | None:
    """A delimiter; a tab is written ``\\t`` in a shell."""
    return "\t" if text == "\\t" else text


Delimiter = Annotated[
    str | None,
    typer.Option(help="delimiter of CSV; default: found in the header", callback=_tab),
]
