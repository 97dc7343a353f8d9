"""The small pharmacy on live traffic: a challenger, arms that act on what is sold, and a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.adapters.objects.local import LocalStore
from pipelines.connections import Connections
from pipelines.core.time import FixedClock, Window
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.release.advance import advance
from pipelines.flows.release.report import ReleaseReport
from pipelines.predictions.assignment import Allocation, arm_of
from pipelines.release.rollout.stages import shadow_transition
from pipelines.release.rollout.state import ReleaseState
from pipelines.simulation.scale import Scale
from pipelines.simulation.world import World
from pipelines.spec.predictions import Arm, prediction_log
from pipelines.spec.rollout import Rollout
from pipelines.wiring import connect
from tests.support.live.simulated_log import Service, service_log
from tests.support.pharmacy import FIRST, RICH, SCALE, SECOND, SEED, START, Pharmacy, write_days
from tests.support.shared_worlds import built_once

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SHADOW = timedelta(days=2)
CANARY = SECOND + SHADOW  # when the canary begins, if shadow passes at its end
WAIT = timedelta(days=4)  # until a day's sales are known
VERDICT = CANARY + timedelta(weeks=2) + WAIT
BUDGET = {"budget": {"alpha_year": 0.004, "tries": 4}, "audit": {"refits": 3}}
ROLLOUT: dict[str, Any] = {
    "shadow": {"share": 0.5, "duration": "2d", "minimum_requests": 100, "max_error_increase": 0.02},
    "canary": {
        "outcome": {
            "name": "packs_a_sale",
            "minimum_effect": 0.2,
            "ratio": True,
            "higher_is_better": True,
        },
        "guardrails": [{"name": "error_share", "margin": 0.2, "ratio": True, "upper_bound": 1}],
        "covariates": ["packs_a_sale"],
        # Who is in which arm differs from run to run: a test must not fail once in a hundred.
        "harm_alpha": 0.001,
        "sample_ratio_alpha": 0.001,
        "stages": [0.5],
        "weeks": 2,
        "looks": [2],
        "minimum_entities": 20,
        "holdback": 0.5,
        "check_every": "1d",
    },
    "measures": {
        "packs_a_sale": {
            "stream": "dispensing",
            "aggregate": "mean",
            "column": "quantity",
            "delay": "4d",
        },
    },
}
Effect = Callable[[Arm], float]
NOWHERE_ELSE: Mapping[str, Effect] = MappingProxyType({})


def at(pharmacy: Pharmacy, instant: datetime, **others: Any) -> Connections:
    """The parts of a process that runs at an instant."""
    clock = FixedClock(instant)
    engine = open_engine(pharmacy.settings.ledger_address)
    ledger = SqlLedger(engine, clock)
    return pharmacy.parts(**{"clock": clock, "ledger": ledger, **others})


def challenged(
    folder: Path,
    rollout: dict[str, Any] | None = None,
    *,
    mlflow: bool = False,
    **changes: Any,
) -> Pharmacy:
    """Version 1 made on FIRST, and version 2 that passed every offline gate on SECOND.

    Arguments:
        mlflow: whether versions are in MLflow's database; else in a folder.
        changes: of the second declaration.
    """
    pharmacy = first_version(folder, mlflow=mlflow)
    with_parts = in_mlflow if mlflow else _in_folder
    pharmacy.declare(RICH, **{"rollout": rollout or ROLLOUT, "gates": BUDGET, **changes})
    result = pharmacy.retrain(SECOND, parts=at(pharmacy, SECOND, **with_parts(pharmacy)))
    wanted = "await_review" if changes.get("review") == "required" else "start_rollout"
    assert result.outcome == wanted, (result.outcome, result.against())
    return pharmacy


def shared_challenger() -> Pharmacy:
    """What ``challenged`` makes by default, made once for a test run; only to be copied."""
    folder = built_once("challenged", challenged)
    return Pharmacy(folder / "home", str(folder / "store"))


def first_version(folder: Path, *, mlflow: bool = False) -> Pharmacy:
    """Version 1 made on FIRST, and events until SECOND; versions as in ``challenged``."""
    first = built_once(f"first-mlflow-{mlflow}", partial(_first_version, mlflow=mlflow))
    return Pharmacy(first / "home", str(first / "store")).twin(folder)


def _first_version(folder: Path, *, mlflow: bool) -> None:
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, SECOND)
    pharmacy.declare()
    with_parts = in_mlflow if mlflow else _in_folder
    result = pharmacy.retrain(FIRST, parts=at(pharmacy, FIRST, **with_parts(pharmacy)))
    assert result.outcome == "first_version", result.against()


def salt_of(pharmacy: Pharmacy) -> str:
    """Of the challenger that waits: known before it is on trial, as it is made of the question."""
    chain = at(pharmacy, SECOND).ledger.entries("demand")
    admission = ReleaseState.from_entries("demand", chain).next_challenger
    assert admission is not None
    return shadow_transition(admission, Rollout.model_validate(ROLLOUT)).salt


def reported_in_time(_: Arm) -> float:
    """Every till reports within the four days that are declared."""
    return 0.0


def write_sales(
    store: Path,
    start: datetime,
    end: datetime,
    salt: str,
    share: float,
    effect: Effect,
    elsewhere: Mapping[str, Effect] = NOWHERE_ELSE,
    late: Effect = reported_in_time,
    by: str = "kind",
) -> None:
    """What is sold while arms act on it: each sale in an arm is so many times as large.

    Arguments:
        elsewhere: the effect in kinds of pharmacy where it is another one.
        by: the column that these are values of.
        late: share of an arm's sales that are reported six days later.
    """
    events = _events(SCALE, start, end)
    for stream, known in (("dispensing", "recorded_at"), ("stock", "reported_at")):
        table = events[stream]
        if stream == "dispensing" and salt:
            arms = _arms(table, Allocation(salt=salt, share=share))
            kinds = table[by].to_pylist()
            factors = [
                elsewhere.get(kind, effect)(arm) for kind, arm in zip(kinds, arms, strict=True)
            ]
            drawn = np.random.default_rng(0).random(len(arms))
            waits = np.where(drawn < [late(arm) for arm in arms], 6, 0)
            reported = table[known].to_numpy() + waits.astype("timedelta64[D]")
            table = _with(table, "quantity", table["quantity"].to_numpy() * np.array(factors))
            table = _with(table, known, reported)
        write_events(LocalStore(store), stream, table, known)


@cache
def _events(scale: Scale, start: datetime, end: datetime) -> dict[str, pa.Table]:
    """What happens without any arms, computed once for all canaries of a process."""
    return World(scale, SEED).events(Window(start, end))


def _arms(table: pa.Table, allocation: Allocation) -> list[Arm]:
    arms: dict[tuple[str, str], Arm] = {}
    pairs = zip(table["pharmacy"].to_pylist(), table["medicine"].to_pylist(), strict=True)
    found = []
    for pharmacy, medicine in pairs:
        one = {"pharmacy": pharmacy, "medicine": medicine}
        if (pharmacy, medicine) not in arms:
            arms[pharmacy, medicine] = arm_of(one, allocation)
        found.append(arms[pharmacy, medicine])
    return found


def _with(table: pa.Table, column: str, values: Any) -> pa.Table:
    place = table.schema.get_field_index(column)
    kind = pa.float64() if column == "quantity" else table.schema.field(column).type
    return table.set_column(place, column, pa.array(values, kind))


@dataclass(frozen=True)
class Traffic:
    """A service that gets a request for every pair twice a day.

    Arguments:
        gap: how far the challenger's answers are from the champion's.
        slower: its latency, in the champion's.
        failing: share of requests that it cannot answer.
        spoil: what becomes of the log on its way into the store.
    """

    gap: float = 0.1
    slower: float = 1.0
    failing: float = 0.0
    spoil: Callable[[pa.Table], pa.Table] = lambda table: table
    every: timedelta = timedelta(hours=12)

    def log(self, pharmacy: Pharmacy, start: datetime, end: datetime) -> None:
        """Log requests from one instant to another, under the plan in the ledger."""
        parts = at(pharmacy, start)
        chain = parts.ledger.entries("demand")
        state = ReleaseState.from_entries("demand", chain)
        move, champion = state.active, str(state.champion)
        service = Service(
            champion=champion,
            challenger=move.challenger if move else None,
            allocation=Allocation(
                salt=move.salt, share=move.share, shadow_share=move.shadow_share, apart=move.apart
            )
            if move
            else Allocation(salt="none"),
            segments=state.segments,
            slower=self.slower,
            failing=self.failing,
        )
        spec = parts.load_spec("demand")
        rows = _requests(pharmacy, start, end, self.every)
        answering = (champion, *(state.segments.versions if state.segments else ()))
        answers = {version: np.full(len(rows), 20.0) for version in answering}
        if move:
            answers[move.challenger] = np.full(len(rows), 20.0 + self.gap)
        table = self.spoil(service_log(spec, rows, service, answers))
        stream = prediction_log("demand")
        assert stream.source.kind == "files"
        write_events(
            LocalStore(Path(pharmacy.store)),
            str(stream.source.path),
            table,
            str(stream.known_time),
        )


def _requests(pharmacy: Pharmacy, start: datetime, end: datetime, every: timedelta) -> pd.DataFrame:
    pairs = PAIRS.setdefault(str(pharmacy.home), _pairs(pharmacy))
    times = [one.replace(tzinfo=None) for one in Window(start, end).steps(every)]
    requests = pairs.merge(pd.DataFrame({"decision_time": times}), how="cross")
    requests["decision_time"] = requests["decision_time"].astype("datetime64[us]")
    return requests


PAIRS: dict[str, pd.DataFrame] = {}


def _pairs(pharmacy: Pharmacy) -> pd.DataFrame:
    paths = sorted((pharmacy.home / "runs" / "demand").glob("*/frame.parquet"))
    rows = pd.concat([pd.read_parquet(path, columns=["pharmacy", "medicine"]) for path in paths])
    return rows.drop_duplicates().sort_values(["pharmacy", "medicine"], ignore_index=True)


def sales_factor(factor: float) -> Effect:
    """Sales in the challenger's arm are so many times as large."""
    return lambda arm: factor if arm is Arm.CHALLENGER else 1.0


def verdicts(report: ReleaseReport) -> dict[str, str]:
    """The verdict of each finding, by name."""
    return {finding.name: finding.verdict.value for finding in report.findings}


def _in_folder(_: Pharmacy) -> dict[str, Any]:
    return {}


def in_mlflow(pharmacy: Pharmacy) -> dict[str, Any]:
    """Its registry: MLflow's database, or the server that the environment names."""
    return {"registry": connect(pharmacy.settings).registry}


def step(pharmacy: Pharmacy, instant: datetime, **others: Any) -> ReleaseReport:
    """One step of the release, by a process that runs then."""
    return advance("demand", instant, at(pharmacy, instant, **others).release)


def run_canary(
    pharmacy: Pharmacy,
    effect: Effect,
    traffic: Traffic | None = None,
    elsewhere: Mapping[str, Effect] = NOWHERE_ELSE,
    late: Effect = reported_in_time,
    *,
    mlflow: bool = False,
) -> ReleaseReport:
    """Through shadow into the canary, two weeks of it, and until its last sale is known."""
    traffic = traffic or Traffic()
    store, salt = Path(pharmacy.store), salt_of(pharmacy)
    parts = in_mlflow(pharmacy) if mlflow else {}
    assert step(pharmacy, SECOND, **parts).action == "shadow"
    traffic.log(pharmacy, SECOND + HOUR, CANARY)
    write_sales(store, SECOND, CANARY, "", 0, effect)
    report = step(pharmacy, CANARY, **parts)
    if report.action == "canary":
        write_sales(store, CANARY, VERDICT, salt, 0.5, effect, elsewhere, late)
        traffic.log(pharmacy, CANARY + HOUR, VERDICT)
    return report
