"""The simulated pharmacies' prescriptions: how many packs is each for? The truth is known.

A prescription has one pack and by chance more; how many more on average is a matter of the kind of
pharmacy alone (``simulation.catalogue.KINDS``): 0.4 in communities, 2.5 in hospitals, 0.8 online.
So the best answer for a pharmacy is known, and a model's loss in production is the mean square of
what it misses that by, on the points of production. No feature shows the kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.core.time import Window, parse_instant
from pipelines.gates.audit.inputs import build_audit_data
from pipelines.simulation.faults import HospitalBackfill
from pipelines.simulation.scale import Scale
from pipelines.simulation.scenarios import Scenario
from pipelines.simulation.world import World
from pipelines.spec.model import ModelSpec
from pipelines.training.fit import fit
from pipelines.training.row_sets import AuditData, RecipeView
from pipelines.training.score import score

SCALE = Scale(name="trap", pharmacies=12, medicines=8, prescriptions_per_day=130)
SEED = 5
START, AS_OF = parse_instant("2025-07-20"), parse_instant("2025-11-10")
WARDS = HospitalBackfill(start=START, known_at=START)

MEDICINE = {"kind": "attribute", "name": "medicine"}
REGION = {"kind": "attribute", "name": "region"}
CHAIN = {"kind": "attribute", "name": "chain"}
WEEKDAY = {"kind": "calendar", "name": "weekday", "part": "weekday"}
DAY = {"kind": "calendar", "name": "day", "part": "day"}
USUAL = {
    "kind": "window",
    "name": "usual_packs",
    "stream": "dispensing",
    "by": ["pharmacy"],
    "aggregate": "mean",
    "column": "quantity",
    "window": "28d",
}
BOOSTED = {
    "path": "sklearn.ensemble.HistGradientBoostingRegressor",
    "parameters": {"max_iter": 40},
}
SMALL_FOREST = {
    "path": "sklearn.ensemble.RandomForestRegressor",
    "parameters": {"n_estimators": 3, "max_depth": 7, "min_samples_leaf": 8},
}
COLUMNS = {
    "dispensing_id": "string",
    "pharmacy": "string",
    "medicine": "string",
    "region": "string",
    "chain": "string",
    "kind": "string",
    "quantity": "float",
    "price": "float",
    "settled_at": "timestamp",
}


def declare(
    *features: dict[str, Any],
    stream: str = "dispensing",
    where: tuple[dict[str, Any], ...] = (),
    estimator: dict[str, Any] = BOOSTED,
    minimum_effect: float = 0.002,
    seeds: tuple[int, ...] = (1, 2, 3, 4),
) -> ModelSpec:
    """A recipe. Default features: medicine, region, chain and weekday."""
    return ModelSpec.model_validate(
        {
            "name": "order_size",
            "description": "Packs of a prescription.",
            "owner": "tests",
            "streams": {
                stream: {
                    "event_time": "dispensed_at",
                    "known_time": "recorded_at",
                    "id": ["dispensing_id"],
                    "columns": COLUMNS,
                }
            },
            "points": {
                "kind": "event",
                "stream": stream,
                "keys": ["pharmacy", "medicine"],
                "where": list(where),
            },
            "label": {
                "kind": "own_row",
                "column": "quantity",
                "known_at": "settled_at",
                "horizon": "7d",
            },
            "features": list(features or (MEDICINE, REGION, CHAIN, WEEKDAY)),
            "split": {"train": "56d", "recent": "28d"},
            "estimator": estimator,
            "seeds": list(seeds),
            "metric": {"name": "squared_error", "minimum_effect": minimum_effect},
        }
    )


@cache
def world(*scenarios: Scenario) -> World:
    return World(SCALE, SEED, scenarios)


@cache
def events(*scenarios: Scenario) -> pa.Table:
    """Prescriptions from START to AS_OF, each settled three days after it was recorded."""
    rows = world(*scenarios).events(Window(START, AS_OF))["dispensing"]
    settled = pc.add(rows["recorded_at"], pa.scalar(timedelta(days=3), pa.duration("us")))
    return rows.append_column("settled_at", settled)


def tables(spec: ModelSpec, rows: Mapping[str, pa.Table]) -> dict[str, ibis.Table]:
    """Canonical tables of a declaration's streams."""
    connection = ibis.duckdb.connect()
    found = {}
    for name, stream in spec.streams.items():
        raw = rows[name]
        times = {
            "event_time": raw[stream.event_time],
            "known_time": raw[str(stream.known_time)],
            "settled_at": raw["settled_at"],
        }
        for column, values in times.items():
            plain = values.cast(pa.timestamp("us"))
            place = raw.schema.get_field_index(column)
            raw = (
                raw.append_column(column, plain)
                if place < 0
                else raw.set_column(place, column, plain)
            )
        kept = ["event_time", "known_time", *stream.columns]
        found[name] = connection.create_table(name, raw.select(kept))
    return found


def audit_data(old: ModelSpec, new: ModelSpec, **streams: pa.Table) -> AuditData:
    """Both recipes' rows; ``streams`` are those that the plain dispensing stream is not."""
    rows = {"dispensing": events(), **streams}
    found = {**tables(old, rows), **tables(new, rows)} if streams else tables(old, rows)
    return build_audit_data(old, new, found, AS_OF)


def truth(rows: pd.DataFrame) -> np.ndarray:
    """The best possible answer for each row of a pharmacy."""
    population = world().population
    best = dict(zip(population.pharmacies, 1 + population.extra_packs, strict=True))
    return rows["pharmacy"].map(best).to_numpy()


def answers(arm: RecipeView, training: pd.DataFrame, rows: pd.DataFrame, seed: int) -> np.ndarray:
    """Predictions of a recipe, fitted on some rows, for others."""
    fitted = fit(arm.spec, arm.view(training), seed)
    return score(fitted.pipeline, arm.spec, arm.view(rows)).predictions


def plain_harness(found: AuditData) -> float:
    """Mean gain over four seeds, both arms on one split: the candidate's own recent rows.

    This is what most teams do before they ship: retrain with and without the change, score both
    on the same held-out rows, repeat with four seeds, compare the means. Above zero means "ship".
    """
    evaluation = found.recent_rows("candidate", "candidate")
    label = evaluation["label"].to_numpy(np.float64)
    losses = {
        side: np.mean(
            [
                np.mean(
                    (answers(found.arm(side), found.training[side], evaluation, seed) - label) ** 2
                )
                for seed in (1, 2, 3, 4)
            ]
        )
        for side in ("champion", "candidate")
    }
    return float(losses["champion"] - losses["candidate"])


def production_gain(found: AuditData, seeds: tuple[int, ...] = (1, 2, 3, 4)) -> float:
    """Mean gain against the truth on the points of production."""
    live = found.live
    best = truth(live)
    losses = {
        side: np.mean(
            [
                np.mean((answers(found.arm(side), found.training[side], live, seed) - best) ** 2)
                for seed in seeds
            ]
        )
        for side in ("champion", "candidate")
    }
    return float(losses["champion"] - losses["candidate"])
