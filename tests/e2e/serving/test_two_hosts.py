"""Two hosts share ledger, registry, Redis and store; home, journal and plan are each host's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.connections import Connections
from pipelines.core.time import instant_text
from pipelines.flows.serving.publish import plans_folder
from pipelines.release.ledger import NewEntry
from pipelines.release.promotion import promote
from pipelines.release.registry import CHALLENGER
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.serving.plan import read_plan
from pipelines.wiring import connect
from tests.support import servers
from tests.support.pharmacy import SECOND, Pharmacy
from tests.support.promotion_home import inputs
from tests.support.services.running import (
    ONE_WORKER,
    Service,
    check_log,
    points_of,
    serving,
    wait_until,
)

pytestmark = pytest.mark.slow
OPTIONS = (*ONE_WORKER, "--every", "0.2")


@pytest.fixture
def redis() -> Iterator[str]:
    """The address of a Redis of the test's own."""
    with servers.running_redis() as address:
        yield address


def test_both_hosts_give_an_entity_the_same_arm_and_log_every_answer(
    answering: Pharmacy, redis: str, tmp_path: Path
) -> None:
    first = answering.twin(tmp_path)
    second = Pharmacy(tmp_path / "second", first.store)
    shutil.copytree(first.home / "models", second.home / "models")
    shared = {
        "GAUNTLET_LEDGER_URL": first.settings.ledger_address,
        "GAUNTLET_MLFLOW_URI": first.settings.mlflow_address,
        "GAUNTLET_ONLINE_URL": redis,
    }
    filled = first.cli("materialize", "demand", "--as-of", instant_text(SECOND), **shared)
    assert filled.code == 0, filled.err
    parts, points = connect(first.settings), points_of(first)
    with (
        serving(first, *OPTIONS, **shared) as one,
        serving(second, *OPTIONS, **shared) as other,
    ):
        alone = [answers(host, points) for host in (one, other)]
        put_on_trial(parts)
        wait_until(lambda: trials(one, other) == ["2", "2"], "a host does not follow the rollout")
        both = [answers(host, points) for host in (one, other)]
        plans = [read_plan(plans_folder(host.home), "demand") for host in (first, second)]
        moved(parts, Stage.ENDED)
        wait_until(lambda: trials(one, other) == [None, None], "a host goes on with the rollout")
        after = [answers(host, points) for host in (one, other)]
    assert plans[0] is not None
    assert plans[1] is not None
    assert plans[0].allocation == plans[1].allocation
    for name, (here, there) in {"before": alone, "during": both, "after": after}.items():
        assert without_ids(here) == without_ids(there), f"hosts differ {name} the rollout"
    assert {answer["arm"] for answer in both[0]} == {"control", "challenger"}
    assert {answer["arm"] for answer in (*alone[0], *after[0])} == {"champion"}
    given = [answer["request_id"] for host in (*alone, *both, *after) for answer in host]
    assert len(set(given)) == len(given) == 6 * len(points)
    store = LocalStore(Path(first.store))
    check_log(first, given, store)  # both services shipped their journals when they ended
    assert check_log(second, given, store) == len(given)


def answers(host: Service, points: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The answers to all points, in one request."""
    status, answer = host.predict(*points)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["predictions"]
    return found


def without_ids(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Which version predicted what in which arm."""
    return [(one["version"], one["arm"], one["prediction"]) for one in found]


def trials(*hosts: Service) -> list[str | None]:
    """The version on trial at each host."""
    return [json.loads(host.get("/v1/models/demand")[1])["challenger"] for host in hosts]


def put_on_trial(parts: Connections) -> None:
    """Admit version 2 to live traffic: half of the entities are its arm, half the control."""
    content = parts.registry.get("demand", "2").content
    given = inputs("admitted", "2", "1", content=content, rollout="pending")
    promote(given, parts.ledger, parts.registry, parts.clock)
    moved(parts, Stage.SHADOW)
    moved(parts, Stage.CANARY, share=0.5)
    parts.registry.set_alias("demand", CHALLENGER, "2")


def moved(parts: Connections, stage: Stage, share: float = 0.0) -> None:
    """Append a change of stage to the ledger."""
    head = parts.ledger.head("demand")
    assert head is not None
    entry = NewEntry(
        model="demand",
        kind="rollout",
        run=str(stage),
        as_of=SECOND,
        champion_before=head.champion_after,
        champion_after=head.champion_after,
        reasons=("a test",),
        transition=Transition(challenger="2", stage=stage, share=share, salt="spring"),
    )
    parts.ledger.append(entry, after=head.sequence)
