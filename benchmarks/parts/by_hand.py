"""The retraining of ``models/demand.yaml`` as one writes it by hand, step by step.

pandas with ``merge_asof`` and rolling windows, Great Expectations on the pandas frames,
scikit-learn, MLflow on SQLite. Written with care: keys are categories, late rows are taken out of
every window in which they were not known yet, and nothing is computed that is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

PAIR = ["pharmacy", "medicine"]
CATEGORIES = ["pharmacy", "medicine"]
NUMBERS = [
    "weekday",
    "sold_7d",
    "sold_28d",
    "medicine_sold_7d",
    "medicine_sold_28d",
    "on_hand",
]
DAY = pd.Timedelta(days=1)
TIMES = {
    "dispensing": {"dispensed_at": "event_time", "recorded_at": "known_time"},
    "stock": {"counted_at": "event_time", "reported_at": "known_time"},
}


def load(store: Path, as_of: datetime) -> dict[str, pd.DataFrame]:
    """Both streams as of an instant, in memory."""
    frames = {}
    for name, times in TIMES.items():
        frame = pd.read_parquet(store / name, partitioning=None).rename(columns=times)
        for column in times.values():
            frame[column] = frame[column].dt.tz_localize(None)
        frames[name] = frame[frame["known_time"] <= pd.Timestamp(as_of).tz_localize(None)]
    return frames


def validate(frame: pd.DataFrame, expectations: list[dict[str, Any]]) -> list[tuple[bool, Any]]:
    """Success and unexpected count of each expectation, in their order."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas("events")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    numbered = [
        {**each, "meta": {**each.get("meta", {}), "number": number}}
        for number, each in enumerate(expectations)
    ]
    suite = gx.ExpectationSuite(name="hand", expectations=numbered)
    found = {}
    for result in batch.validate(suite, result_format="BASIC").results:
        count = (result.result or {}).get("unexpected_count")
        configuration: Any = result.expectation_config
        found[configuration.meta["number"]] = bool(result.success), count
    return [found[number] for number in range(len(expectations))]


def features(frames: Mapping[str, pd.DataFrame], first: datetime, as_of: datetime) -> pd.DataFrame:
    """Points, features and labels from ``first`` until ``as_of``, as known at each point."""
    begin, end = (pd.Timestamp(each).tz_localize(None) for each in (first, as_of))
    sales = frames["dispensing"][[*PAIR, "event_time", "known_time", "quantity"]].copy()
    counts = frames["stock"][[*PAIR, "known_time", "on_hand"]].copy()
    for key in PAIR:
        kind = pd.CategoricalDtype(sorted(sales[key].unique()))
        sales[key], counts[key] = sales[key].astype(kind), counts[key].astype(kind)
    sales = sales[sales["event_time"] >= begin - 60 * DAY]
    points = _points(sales, begin, end)
    unseen = _not_known_yet(sales)
    points = _sold(points, sales, unseen, PAIR, "sold")
    points = _sold(points, sales, unseen, ["medicine"], "medicine_sold")
    points = pd.merge_asof(
        points,
        counts[counts["on_hand"].notna()].sort_values("known_time"),
        left_on="decision_time",
        right_on="known_time",
        by=PAIR,
        tolerance=7 * DAY,
    ).drop(columns="known_time")
    points["weekday"] = points["decision_time"].dt.weekday
    ahead = points[[*PAIR, "decision_time"]].assign(decision_time=points["decision_time"] + 7 * DAY)
    label = _rolling(ahead, sales, PAIR, [7])[7]
    matured = points["decision_time"] + 11 * DAY <= end
    points["label"] = label.where(matured)  # a week without a sale is a label of 0
    return points.sort_values(["decision_time", *PAIR], ignore_index=True)


def _points(sales: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Every pair at each midnight at which a sale is known that is younger than sixty days."""
    pairs = sales[PAIR].drop_duplicates()
    days = pd.DataFrame({"decision_time": pd.date_range(begin, end, freq="D", unit="us")})
    grid = days.merge(pairs, how="cross").sort_values("decision_time", ignore_index=True)
    known = sales.sort_values("known_time")[[*PAIR, "known_time", "event_time"]]
    known["newest"] = known.groupby(PAIR, observed=True)["event_time"].cummax()
    found = pd.merge_asof(
        grid,
        known[[*PAIR, "known_time", "newest"]],
        left_on="decision_time",
        right_on="known_time",
        by=PAIR,
    )
    active = found["decision_time"] < found["newest"] + 60 * DAY
    return found.loc[active, ["decision_time", *PAIR]].reset_index(drop=True)


def _not_known_yet(sales: pd.DataFrame) -> pd.DataFrame:
    """Each sale once for every midnight between its happening and its being known."""
    first = sales["event_time"].dt.floor("D") + DAY
    last = (sales["known_time"] - pd.Timedelta(microseconds=1)).dt.floor("D")
    times = ((last - first) // DAY + 1).clip(lower=0)
    late = sales.loc[sales.index.repeat(times), [*PAIR, "quantity"]]
    before = (times.cumsum() - times).to_numpy()
    number = np.arange(len(late)) - np.repeat(before, times.to_numpy())
    late["decision_time"] = first.repeat(times) + pd.to_timedelta(number, unit="D")
    return late


def _sold(
    points: pd.DataFrame,
    sales: pd.DataFrame,
    unseen: pd.DataFrame,
    keys: list[str],
    name: str,
) -> pd.DataFrame:
    """Packs sold in 7 and 28 days before each point, without those not known by then.

    A row is known four days after its event at the latest, so what is missing is missing in both
    windows alike. A row has at least one pack: a sum of nothing is a window without a row.
    """
    requested = points[[*keys, "decision_time"]].drop_duplicates(ignore_index=True)
    sums = _rolling(requested, sales, keys, [7, 28])
    missing = unseen.groupby([*keys, "decision_time"], observed=True)["quantity"].sum()
    requested = requested.merge(
        missing.rename("missing").reset_index(), on=[*keys, "decision_time"], how="left"
    )
    for days, values in sums.items():
        known = values - requested["missing"].fillna(0)
        requested[f"{name}_{days}d"] = known.where(known > 0)
    return points.merge(requested.drop(columns="missing"), on=[*keys, "decision_time"], how="left")


def _rolling(
    points: pd.DataFrame, sales: pd.DataFrame, keys: list[str], windows: list[int]
) -> dict[int, pd.Series]:
    """For each point the sum of ``quantity`` over the days before it, in the points' order."""
    requested = points.rename(columns={"decision_time": "event_time"})
    requested["place"] = np.arange(len(requested))
    both = pd.concat([requested, sales[[*keys, "event_time", "quantity"]]], ignore_index=True)
    both = both.sort_values([*keys, "event_time"], kind="stable", ignore_index=True)
    is_point = both["place"].notna().to_numpy()
    order = np.argsort(both["place"].to_numpy()[is_point])
    grouped = both.groupby(keys, observed=True)[["event_time", "quantity"]]
    sums = {}
    for days in windows:
        rolled = grouped.rolling(f"{days}D", on="event_time", closed="left", min_periods=1)
        values = rolled["quantity"].sum().to_numpy()[is_point][order]
        sums[days] = pd.Series(values, index=points.index).fillna(0.0)
    return sums


def fit(train: pd.DataFrame, seed: int) -> Pipeline:
    """The declared estimator."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = [("categories", codes, CATEGORIES), ("numbers", "passthrough", NUMBERS)]
    estimator = HistGradientBoostingRegressor(
        loss="poisson",
        max_iter=150,
        learning_rate=0.08,
        min_samples_leaf=40,
        categorical_features=[0, 1],
        random_state=seed,
    )
    pipeline = Pipeline([("prepare", ColumnTransformer(columns)), ("estimator", estimator)])
    return pipeline.fit(matrix(train), train["label"].to_numpy())


def matrix(rows: pd.DataFrame) -> pd.DataFrame:
    """The features as the estimator takes them."""
    table = rows[[*CATEGORIES, *NUMBERS]].copy()
    for name in CATEGORIES:
        table[name] = table[name].astype(object)
    return table


def evaluate(model: Pipeline, recent: pd.DataFrame, constant: float) -> dict[str, float]:
    """Errors in the recent window, of the model and of the best constant."""
    actual, predicted = recent["label"], model.predict(matrix(recent))
    return {
        "absolute_error": mean_absolute_error(actual, predicted),
        "squared_error": root_mean_squared_error(actual, predicted) ** 2,
        "constant_absolute_error": mean_absolute_error(actual, np.full(len(actual), constant)),
    }


def register(model: Pipeline, example: pd.DataFrame, errors: Mapping[str, float], uri: str) -> str:
    """A new version on MLflow, champion when it beats the constant."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("demand")
    with mlflow.start_run():
        mlflow.log_params(model["estimator"].get_params())
        mlflow.log_metrics(dict(errors))
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            registered_model_name="demand",
            signature=mlflow.models.infer_signature(example, model.predict(example)),
            input_example=example,
            serialization_format="cloudpickle",
        )
    version = str(info.registered_model_version)
    if errors["absolute_error"] < errors["constant_absolute_error"]:
        mlflow.MlflowClient().set_registered_model_alias("demand", "champion", version)
    return version
