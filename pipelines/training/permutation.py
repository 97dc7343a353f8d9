"""Measures the importance of features by permutation, and by TreeSHAP where a library gives it."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.stats.independent import EstimatedMean
from pipelines.stats.paired import paired_difference
from pipelines.stats.undefined import NoVariation
from pipelines.training.columns import feature_matrix
from pipelines.training.estimator import is_prepared
from pipelines.training.fit import label_numbers
from pipelines.training.importance import FeatureImportance, Importance
from pipelines.training.metrics import primary_metric
from pipelines.training.row_sets import entity_days
from pipelines.training.sample import spread_rows
from pipelines.training.score import predict
from pipelines.training.split import decision_times

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from pipelines.spec.model import ModelSpec
    from pipelines.training.row_sets import EntityDays

ROWS = 5_000  # labelled rows at most, evenly spaced: every feature costs one prediction of them


def measure_importance(spec: ModelSpec, pipeline: Pipeline, rows: pd.DataFrame) -> Importance:
    """Shuffle one feature after the other, and measure what the model's metric loses.

    The loss of each row is a paired difference of two predictions, so its interval allows for days
    and entities as that of any comparison.

    Arguments:
        spec: the model's declaration.
        pipeline: fitted; not on these rows.
        rows: labelled rows in the order of time; at most ``ROWS`` evenly spaced ones are used.

    Raises:
        Undefined: the metric or its error does not exist for these rows.

    Source: Breiman (2001), Machine Learning 45, section 10.
    """
    chosen = spread_rows(spec, rows, ROWS)
    label, matrix = label_numbers(chosen["label"], spec.classes), feature_matrix(spec, chosen)
    metric, labelled = primary_metric(spec), chosen.assign(label=label)
    clusters = entity_days(spec.points.keys, chosen)
    order = np.random.default_rng(spec.seeds[0]).permutation(len(chosen))

    def utilities(inputs: pd.DataFrame) -> Floats:
        return metric.utilities(label, predict(pipeline, spec, inputs), labelled)

    own = utilities(matrix)
    contributions = tree_contributions(pipeline, matrix)
    times = decision_times(chosen)
    return Importance(
        metric=metric.name,
        rows=len(chosen),
        start=times.iloc[0].to_pydatetime().replace(tzinfo=UTC),
        end=times.iloc[-1].to_pydatetime().replace(tzinfo=UTC),
        features={
            name: FeatureImportance(
                loss=_loss(
                    own,
                    utilities(matrix.assign(**{name: matrix[name].to_numpy()[order]})),
                    clusters,
                    strict=spec.gates.recent_window.strict,
                ),
                contribution=contributions.get(name),
            )
            for name in spec.input_names
        },
    )


def _loss(own: Floats, shuffled: Floats, clusters: EntityDays, *, strict: bool) -> EstimatedMean:
    try:
        found = paired_difference(own, shuffled, clusters.entity, clusters.day, strict=strict)
    except NoVariation as same:
        return EstimatedMean(estimate=same.difference, standard_error=0.0, df=1.0)
    return EstimatedMean(estimate=found.estimate, standard_error=found.standard_error, df=found.df)


def tree_contributions(pipeline: Pipeline, matrix: pd.DataFrame) -> dict[str, float]:
    """Mean absolute TreeSHAP value of each feature, in the unit of the estimator's raw score.

    Arguments:
        pipeline: fitted.
        matrix: the estimator's inputs.

    Returns:
        By feature; empty unless the estimator is of LightGBM or XGBoost, which compute it.

    Source: Lundberg, Erion, Lee (2018), arXiv 1802.03888.
    """
    estimator = pipeline[-1]
    library = type(estimator).__module__.partition(".")[0]
    if library not in ("lightgbm", "xgboost") or not is_prepared(pipeline):
        return {}
    inputs = pipeline[:-1].transform(matrix)
    names = [name.partition("__")[2] for name in pipeline[-2].get_feature_names_out()]
    each = _shap_values(library, estimator, inputs, len(names))
    return dict(zip(names, np.abs(each).mean(axis=(0, 1)).tolist(), strict=True))


def _shap_values(library: str, estimator: Any, inputs: Floats, features: int) -> Floats:
    """Of each row, class and feature; shape (n, classes, features). The last column is a bias."""
    if library == "lightgbm":
        found = estimator.predict(inputs, pred_contrib=True)
    else:
        from xgboost import DMatrix

        found = estimator.get_booster().predict(DMatrix(inputs), pred_contribs=True)
    return np.asarray(found, np.float64).reshape(len(inputs), -1, features + 1)[:, :, :-1]
