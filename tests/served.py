"""A service that answered: its prediction log, written as any stream, wrong where it is to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd

from pipelines.adapters.objects_local import LocalStore
from pipelines.data.writing import write_events
from pipelines.simulation.serving import prediction_log
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import prediction_log as declared_log
from pipelines.training.score import score
from tests.pharmacy import Pharmacy

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
    """The newest days of the one run's frame, in order."""
    (path,) = (pharmacy.home / "runs" / "demand").glob("*/frame.parquet")
    rows = pd.read_parquet(path)
    newest = rows["decision_time"].max() - pd.Timedelta(days=days)
    kept = rows[rows["decision_time"] >= newest]
    return kept.sort_values(["decision_time", "pharmacy", "medicine"], ignore_index=True)


def log_a_service(
    pharmacy: Pharmacy,
    serve: Serve = as_computed,
    *,
    days: int = 6,
    answers: Callable[[Any], Any] = lambda said: said,
    rows: pd.DataFrame | None = None,
) -> None:
    """What version 1 was served over its last days and what it answered, beside the events.

    Arguments:
        serve: the features that reach the model.
        answers: what becomes of its answers on their way into the log.
        rows: asked about; default: the newest of the one run's frame.
    """
    parts = pharmacy.parts()
    spec = parts.load_spec("demand")
    asked = frame_rows(pharmacy, days) if rows is None else rows
    served = serve(spec, asked)
    folder = parts.registry.download(parts.registry.get("demand", "1"), pharmacy.home / "versions")
    inputs = asked.assign(**{name: served[name] for name in served})
    said = score(mlflow.sklearn.load_model(str(folder)), spec, inputs).predictions
    stream = declared_log(spec.name)
    assert stream.source.kind == "files"
    log = prediction_log(spec, asked, served, answers(said), version="1")
    write_events(
        LocalStore(Path(pharmacy.store)), str(stream.source.path), log, str(stream.known_time)
    )
