"""What the online store would have to hold, and does not: told before anybody depends on it."""

from __future__ import annotations

from datetime import datetime

from pipelines.core.time import duration_text, instant_text
from pipelines.features.online.store import OnlineStore
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import definition_of, feature_views


def missing_online(spec: ModelSpec, as_of: datetime, online: OnlineStore) -> list[str]:
    """What the online store lacks of a declaration's features, and the command that fills it.

    A retraining would stop at their availability; a champion would be served them as missing.

    Arguments:
        spec: of a declaration, or of a version; without serving nothing is lacking.
        online: the online store.
        as_of: zoned; what is older than its ttl by then is not served.

    Returns:
        A sentence for each view, none when all is there.

    Raises:
        Unavailable: when the store does not answer.
    """
    problems, do = [], f"run `gauntlet materialize {spec.name}`"
    for view in feature_views(spec):
        if view.refresh is None:
            continue
        state = online.state(f"{view.model}.{view.name}")
        stored = () if state is None else state.definitions
        lacking = [one.name for one in view.features if definition_of(spec, one) not in stored]
        if lacking:
            problems.append(
                f"the online store lacks {', '.join(lacking)} of the view {view.name}: {do}"
            )
        elif state is not None and as_of - state.as_of > view.refresh.lifetime:
            problems.append(
                f"what the online store has of the view {view.name} is as of "
                f"{instant_text(state.as_of)}, older than its ttl of "
                f"{duration_text(view.refresh.lifetime)}: {do}, and find out why that stopped"
            )
    return problems
