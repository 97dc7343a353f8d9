"""Answers real requests with a candidate, in the service's own code, before it is registered.

``rehearse`` does so with the stored version, ``rehearse_fitted`` with a pipeline in memory, so that
`gauntlet check` knows what a registration would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import GauntletError, IntegrityError, Unavailable
from pipelines.core.time import FixedClock, utc
from pipelines.features.online.from_events import EventsOnline
from pipelines.flows.retrain.dataset import take_snapshot
from pipelines.flows.retrain.run import Run
from pipelines.predictions.entity import entity_json
from pipelines.predictions.record import Prediction
from pipelines.serving.plan import PlannedVersion, ServingPlan
from pipelines.spec.features import AttributeFeature
from pipelines.spec.model import ModelSpec
from pipelines.spec.predictions import prediction_log

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from pipelines.serving.loaded_version import LoadedVersion

REQUESTS = 3  # spread over the recent window
_NUMBER = "candidate"  # in place of a version's number
_NO_CONTENT = "0" * 64  # in place of the hash of a directory
_SERVED_CLASSES = 2


def rehearse(run: Run, folder: Path, content: str, rows: pd.DataFrame) -> None:
    """Load a version as a service does, answer rows of the recent window, and encode the log.

    Models of more than two classes are not served, so they are not tried.

    Arguments:
        run: the opened run.
        folder: the complete directory of the version.
        content: hash of the directory.
        rows: rows of the frame, by time.

    Raises:
        IntegrityError: the service could not load the version, or not answer with it.
        Unavailable: the online store or the events do not answer; it is safe to retry.
    """
    planned = PlannedVersion(version=_NUMBER, content=content, folder=str(folder))
    _rehearse(run, planned, rows, lambda: _loaded(planned))


def rehearse_fitted(run: Run, pipeline: Pipeline, rows: pd.DataFrame) -> None:
    """As ``rehearse``, with a fitted pipeline that is not stored."""
    planned = PlannedVersion(version=_NUMBER, content=_NO_CONTENT, folder="")

    def fitted() -> LoadedVersion:
        from pipelines.packaging.fast_predict import interpreted
        from pipelines.serving.loaded_version import LoadedVersion
        from pipelines.training.columns import text_features

        predict = interpreted(pipeline, text_features(run.spec), run.spec.input_names)
        return LoadedVersion(_NUMBER, _NO_CONTENT, run.spec, predict, is_compiled=False)

    _rehearse(run, planned, rows, fitted)


def _loaded(planned: PlannedVersion) -> LoadedVersion:
    from pipelines.serving.loaded_version import load_for_serving

    return load_for_serving(planned)


def _rehearse(
    run: Run, planned: PlannedVersion, rows: pd.DataFrame, load: Callable[[], LoadedVersion]
) -> None:
    points = [*requests(run.spec, rows)]
    if len(run.spec.classes) > _SERVED_CLASSES or not points:
        return
    try:
        _answer(run, planned, load(), points)
    except Unavailable:
        raise
    except Exception as cause:  # a model can raise any exception
        got = cause.summary if isinstance(cause, GauntletError) else repr(cause)
        raise IntegrityError(
            "a service could not answer with this candidate",
            where=f"{run.spec.name}, run {run.id}",
            got=got,
            wanted=f"an answer to {len(points)} rows of the recent window as requests",
            hint="change the feature or the estimator that the error names; nothing was registered",
        ) from cause


def requests(spec: ModelSpec, rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of a frame as JSON decision points; columns that a frame does not have are null.

    Rows with a missing key are left out: a service refuses them.
    """
    places = {
        feature.source: feature.name
        for feature in spec.features
        if isinstance(feature, AttributeFeature)
    } | {key: key for key in spec.points.keys}
    columns = [column for column in spec.request_columns() if column in places]
    known = rows[rows[list(spec.points.keys)].notna().all(axis=1)]
    chosen = known.iloc[:: max(1, len(known) // REQUESTS)].head(REQUESTS)
    for row in chosen.to_dict("records"):
        found = {column: _plain(row[places[column]]) for column in columns}
        yield dict.fromkeys(spec.request_columns()) | entity_json(found)


def _plain(value: Any) -> Any:
    """A cell of a frame as a value of Python; missing is None."""
    import pandas as pd

    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


def _answer(
    run: Run, planned: PlannedVersion, loaded: LoadedVersion, points: Sequence[Mapping[str, Any]]
) -> None:
    from pipelines.predictions.shipping import log_object
    from pipelines.serving.batch import NoMetrics
    from pipelines.serving.service import Deployed, ModelService

    model, as_of = run.spec.name, utc(run.request.as_of)
    logged, clock = list[Prediction](), FixedClock(as_of)
    service = ModelService(
        model,
        store=run.collaborators.online,
        record=logged.extend,
        clock=clock,
        metrics=NoMetrics(),
        run_later=lambda _: False,
        from_events=lambda spec: EventsOnline(
            spec, lambda _: run.events, clock, take_snapshot(run)
        ),
    )
    service.deployed = Deployed(ServingPlan(model=model, champion=planned), loaded)
    service.answer(points, run.id)
    log_object([(one.decided_at, one.values()) for one in logged], as_of, prediction_log(model))
