"""The assets of a model: a team's own DAG can run when one of them changes.

``Asset("gauntlet://demand/champion")`` as the schedule of a DAG runs it after each promotion of
``demand``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["decision", "champion", "monitoring", "retrain"]


def asset(model: str, kind: Kind) -> Asset:
    """The asset of a model.

    Arguments:
        model: the model's name.
        kind: ``decision`` changes with each decision of a retraining, ``champion`` when the
            champion changes, ``monitoring`` with each monitoring report, ``retrain`` when a report
            starts a retraining.
    """
    return Asset(name=f"{model}.{kind}", uri=f"gauntlet://{model}/{kind}", group="gauntlet")


def champion_alias(model: str) -> AssetAlias:
    """The outlet of a task that may change the champion; it changes the asset only if it does."""
    return AssetAlias(name=f"{model}.champion_changes", group="gauntlet")


def decision_outlets(model: str) -> list[Asset | AssetAlias]:
    """The outlets of the task that decides."""
    return [asset(model, "decision"), champion_alias(model)]


def champion_changed(model: str, events: Any, facts: Mapping[str, Any]) -> None:
    """Change the asset ``champion`` when the running task ends successfully.

    Arguments:
        model: the model's name.
        events: ``outlet_events`` of the task's context.
        facts: what a DAG that it starts can read: the version, the outcome.
    """
    events[champion_alias(model)].add(asset(model, "champion"), extra=dict(facts))
