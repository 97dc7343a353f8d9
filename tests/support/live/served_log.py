"""A service that answered: its prediction log, written as any stream, wrong where it is to be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd

from pipelines.adapters.objects.local import LocalStore
from pipelines.connections import Connections
from pipelines.data.ingest.partitions import write_events
from pipelines.features.online.lookup import look_up
from pipelines.flows.features.materialize import materialize
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import prediction_log as declared_log
from pipelines.training.score import score
from tests.support.live.simulated_log import prediction_log
from tests.support.pharmacy import Pharmacy

Serve = Callable[[ModelSpec, pd.DataFrame], pd.DataFrame]


def as_computed(spec: ModelSpec, rows: pd.DataFrame) -> pd.DataFrame:
    """Every feature as training sees it."""
    return rows[list(spec.feature_names)].copy()


def changed(feature: str, change: Callable[[pd.DataFrame], Any]) -> Serve:
    """One feature is another when it is served; ``change`` sees the frame's rows."""

    def serve(spec: ModelSpec, rows: pd.DataFrame) -> pd.DataFrame:
        served = as_computed(spec, rows).astype(object)
        served[feature] = pd.Series(change(rows), index=rows.index, dtype=object)
        return served.infer_objects()

    return serve


def frame_rows(pharmacy: Pharmacy, days: int = 6) -> pd.DataFrame:
    """The newest days of the first version's frame, in order."""
    (path,) = (pharmacy.home / "runs" / "demand").glob("*.none/frame.parquet")
    rows = pd.read_parquet(path)
    newest = rows["decision_time"].max() - pd.Timedelta(days=days)
    kept = rows[rows["decision_time"] >= newest]
    return kept.sort_values(["decision_time", "pharmacy", "medicine"], ignore_index=True)


def log_predictions(
    pharmacy: Pharmacy,
    serve: Serve = as_computed,
    *,
    days: int = 6,
    answers: Callable[[Any], Any] = lambda answers: answers,
    rows: pd.DataFrame | None = None,
    version: str = "1",
) -> None:
    """Log the features and answers of a version on its last days, in the store of the events.

    Arguments:
        serve: the features that reach the model.
        answers: what becomes of its answers on their way into the log.
        rows: points of the requests; default: the newest of the first version's frame.
        version: the version that answers, with its own declaration.
    """
    parts = pharmacy.parts()
    spec = parts.versions.load("demand", version).spec
    points = frame_rows(pharmacy, days) if rows is None else rows
    served = serve(spec, points)
    folder = parts.registry.download(
        parts.registry.get("demand", version), pharmacy.home / "versions"
    )
    inputs = points.assign(**{str(name): served[name] for name in served})
    predictions = score(mlflow.sklearn.load_model(str(folder)), spec, inputs).predictions
    stream = declared_log(spec.name)
    assert stream.source.kind == "files"
    log = prediction_log(spec, points, served, answers(predictions), version=version)
    write_events(
        LocalStore(Path(pharmacy.store)), str(stream.source.path), log, str(stream.known_time)
    )


@dataclass(frozen=True)
class Production:
    """A service with its online store, filled and queried through the real flows.

    Arguments:
        pharmacy: whose home holds the online store and whose store gets the log.
        store: events that production materializes from; default: the pharmacy's own.
        serving: changes of the declared serving, when production differs from it.
        down: days, counted from the first, on which nothing is materialized.
    """

    pharmacy: Pharmacy
    store: Path | None = None
    serving: Mapping[str, str] = field(default_factory=dict)
    down: tuple[int, ...] = ()

    def parts(self) -> Connections:
        """The collaborators that production has."""
        parts = self.pharmacy.parts()
        other = self.pharmacy if self.store is None else self.pharmacy.with_store(self.store)
        events = other.parts().open_events
        return dataclasses.replace(parts, open_events=events, load_spec=self.declared)

    def declared(self, name: str) -> ModelSpec:
        """The declaration that production follows."""
        spec = self.pharmacy.parts().load_spec(name)
        if not self.serving:
            return spec
        changed = spec.as_json()
        changed["serving"] = {**changed["serving"], **self.serving}
        return ModelSpec.model_validate(changed)

    def materialize(self, at: datetime) -> None:
        """Fill the online store as of the newest due instant."""
        materialize("demand", at, self.parts().materialization)

    def serve(self, first: datetime, days: int = 7) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """Request every pair each midnight: the points of each day, and the served features."""
        spec, parts = self.declared("demand"), self.parts()
        pairs = frame_rows(self.pharmacy)[["pharmacy", "medicine"]].drop_duplicates()
        points: list[Any] = pairs.sort_values(["pharmacy", "medicine"]).to_dict("records")
        answered = []
        for day in range(days):
            at = first + timedelta(days=day)
            if day not in self.down:
                self.materialize(at)
            rows = pd.DataFrame(points).assign(decision_time=at.replace(tzinfo=None), label=None)
            values = look_up(spec, parts.online, points, at).values
            answered.append((rows, pd.DataFrame(values, dtype=object)))
        return answered


def log_days(
    pharmacy: Pharmacy,
    answered: list[tuple[pd.DataFrame, pd.DataFrame]],
    answers: Callable[[Any], Any] = lambda answers: answers,
) -> None:
    """What was served on some days, and what version 1 answered to it, in the log."""
    rows, served = (pd.concat(part, ignore_index=True) for part in zip(*answered, strict=True))
    log_predictions(pharmacy, lambda *_: served, rows=rows, answers=answers)
