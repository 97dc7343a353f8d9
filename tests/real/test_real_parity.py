"""The weather join that is documented to be wrong, as a service would make it, and the gate.

Departures are on the airport's clock and the weather is in UTC. Joined on equal hours, a flight at
ten in the morning in summer gets the weather of ten o'clock UTC, which is seven hours older.
"""

from __future__ import annotations

import dataclasses
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.findings import Finding, Verdict
from pipelines.core.time import parse_instant
from pipelines.data.ingest.partitions import write_events
from pipelines.flows.retrain.request import Request
from pipelines.spec.predictions import prediction_log as declared_log
from pipelines.training.score import score
from pipelines.wiring import connect
from tests.support.live.partial_run import run_until
from tests.support.live.simulated_log import prediction_log

# In short: test_parity_traps.py, on simulated sales.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.proof]

LAST = "2014-09-08"
ZONE = "America/Los_Angeles"


def weather_at(flights: Any, rows: pd.DataFrame, clock: pd.Series) -> pd.Series:
    """The last temperature of the six hours before, known by then, if ``clock`` were UTC."""
    readings = pd.read_csv(flights.files["weather"]).dropna(subset=["temp"])
    observed = pd.to_datetime(readings["date"]).astype("datetime64[us]")
    readings = readings.assign(observed=observed, known=observed + pd.Timedelta(minutes=15))
    requested = pd.DataFrame({"origin": rows["origin"], "clock": clock.astype("datetime64[us]")})
    found = pd.merge_asof(
        requested.sort_values("clock").reset_index(),
        readings.sort_values("known")[["known", "observed", "origin", "temp"]],
        left_on="clock",
        right_on="known",
        by="origin",
    ).set_index("index")
    young = found["clock"] - found["observed"] <= pd.Timedelta(hours=6)
    return found["temp"].where(young).reindex(rows.index)


def logged(flights: Any, folder: Path, *, wrong_clock: bool) -> Any:
    """The same home with a service's log of its last week."""
    shutil.copytree(flights.home, folder / "home")
    copied = dataclasses.replace(flights, home=folder / "home")
    rows = flights.frame(flights.weeks[LAST]["run"])
    rows = rows[rows["decision_time"] >= pd.Timestamp(LAST) - pd.Timedelta(days=7)]
    rows = rows.sort_values(["decision_time", "aircraft"], ignore_index=True)
    utc = rows["decision_time"]
    right = weather_at(flights, rows, utc)
    assert (right.isna() == rows["temp"].isna()).all()
    assert (right.dropna() == rows["temp"].dropna()).all(), "pandas joins as the features do"
    local = utc.dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None)

    parts = connect(copied.settings)
    spec = parts.load_spec("pnw_flights")
    served = rows[list(spec.feature_names)].copy()
    if wrong_clock:
        served["temp"] = weather_at(flights, rows, local)
    version = copied.gauntlet("champion", "pnw_flights")["version"]
    champion = parts.registry.download(
        parts.registry.get("pnw_flights", version), copied.home / "versions"
    )
    inputs = rows.assign(**{name: served[name] for name in served})
    answers = score(mlflow.sklearn.load_model(str(champion)), spec, inputs).predictions
    stream = declared_log(spec.name)
    log = prediction_log(spec, rows, served, answers, version=version)
    store = LocalStore(copied.home / "store")
    assert stream.source.kind == "files"
    write_events(store, stream.source.path, log, str(stream.known_time))
    return copied


def parity(copied: Any) -> dict[str, Finding]:
    """Findings of the parity gate, of a dry run a day after the log ends."""
    as_of = parse_instant(LAST) + timedelta(days=1)
    request = Request(model="pnw_flights", as_of=as_of, dry_run=True)
    done = run_until("train", request, connect(copied.settings).retraining)
    named = {one.name: one for one in done.evidence.findings}
    found = {name: one for name, one in named.items() if name.startswith("availability.parity.")}
    assert found, "the log was not replayed"
    return found


def test_weather_joined_in_utc_passes(flights_weeks: Any, tmp_path: Path) -> None:
    found = parity(logged(flights_weeks, tmp_path, wrong_clock=False))
    assert {f.verdict for f in found.values()} == {Verdict.PASS}, found


def test_weather_joined_on_the_airports_clock_is_named(flights_weeks: Any, tmp_path: Path) -> None:
    found = parity(logged(flights_weeks, tmp_path, wrong_clock=True))
    against = {name: f for name, f in found.items() if f.verdict is not Verdict.PASS}
    assert set(against) == {"availability.parity.temp"}
    temp = against["availability.parity.temp"]
    assert temp.verdict is Verdict.FAIL
    assert "likely cause: time_zone: its value as of 7 h earlier is served" in temp.reason
