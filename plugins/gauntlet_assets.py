"""The assets of a model: a team's own DAG can run when one of them changes.

``Asset("gauntlet://demand/champion")`` as the schedule of a DAG runs it after each promotion of
``demand``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["decision", "champion", "retrain"]


def asset(model: str, kind: Kind) -> Asset:
    """The asset of a model.

    Arguments:
        model: the model's name.
        kind: ``decision`` changes with each decision about what serves, ``champion`` when the
            champion or that of a segment changes, ``retrain`` when a monitoring report starts a
            retraining.
    """
    return Asset(name=f"{model}.{kind}", uri=f"gauntlet://{model}/{kind}", group="gauntlet")


def changes(model: str) -> AssetAlias:
    """The outlet of a task that may change assets of a model; it changes those it names."""
    return AssetAlias(name=f"{model}.changes", group="gauntlet")


def change(model: str, kind: Kind, events: Any, facts: Mapping[str, Any]) -> None:
    """Change an asset when the running task, which has the outlet ``changes``, has succeeded.

    Arguments:
        model: the model's name.
        kind: of the asset.
        events: ``outlet_events`` of the task's context.
        facts: what a DAG that it starts can read.
    """
    events[changes(model)].add(asset(model, kind), extra=dict(facts))
