"""Finds features that are missing in the online store before a model depends on them."""

from __future__ import annotations

from datetime import datetime

from pipelines.core.time import duration_text, instant_text
from pipelines.features.online.store import OnlineStore
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import definition_of, feature_views


def missing_online(spec: ModelSpec, as_of: datetime, online: OnlineStore) -> list[str]:
    """A declaration's features that the online store lacks, and the command that fills them.

    A retraining would fail its availability gate; a champion would read them as missing values.

    Arguments:
        spec: the declaration of a model or version; without serving nothing is missing.
        online: the online store.
        as_of: zoned; values older than their ttl at this instant are not served.

    Returns:
        One sentence for each incomplete view; empty if nothing is missing.

    Raises:
        Unavailable: the store does not answer.
    """
    problems, do = [], f"run `gauntlet materialize {spec.name}`"
    for view in feature_views(spec):
        if view.cadence is None:
            continue
        state = online.state(f"{view.model}.{view.name}")
        stored = () if state is None else state.definitions
        lacking = [one.name for one in view.features if definition_of(spec, one) not in stored]
        if lacking:
            problems.append(
                f"the online store lacks {', '.join(lacking)} of the view {view.name}: {do}"
            )
        elif state is not None and as_of - state.as_of > view.cadence.lifetime:
            problems.append(
                f"what the online store has of the view {view.name} is as of "
                f"{instant_text(state.as_of)}, older than its ttl of "
                f"{duration_text(view.cadence.lifetime)}: {do}, and find out why that stopped"
            )
    return problems
