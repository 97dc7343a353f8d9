"""Connections for a command that reads the ledger of a model and lineage that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.core.names import unknown_name
from pipelines.flows.retrain.request import LIVE
from pipelines.wiring import connect

if TYPE_CHECKING:
    from pipelines.connections import Connections


def connect_known(name: str, lineage: str = LIVE) -> Connections:
    """Connect, and check that the model and its lineage exist.

    A ledger is read also when its model is not declared any more.

    Raises:
        SpecError: the model is neither declared nor in the ledger, or it has no such lineage.
    """
    connections = connect()
    lineages = connections.ledger.lineages(name)
    if lineage in lineages or connections.ledger.witnessed(name, lineage) is not None:
        return connections
    if not lineages:
        connections.load_spec(name)
    if lineage != LIVE:
        raise unknown_name(
            "this model has no such lineage", lineage, {LIVE, *lineages}, where=f"ledger of {name}"
        )
    return connections
