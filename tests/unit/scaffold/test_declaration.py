"""The text of a declaration, for each shape of data."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import SpecError
from pipelines.scaffold.answers import Answers
from pipelines.scaffold.declaration import Proposal, declaration_text
from pipelines.scaffold.examine import import_options, notes
from pipelines.scaffold.suite import suite_text
from pipelines.spec.load import load_model
from pipelines.spec.model import ModelSpec
from pipelines.spec.points import (
    AggregateLabel,
    EventPoints,
    GridPoints,
    LaterEventLabel,
    OwnRowLabel,
)

START = datetime(2024, 1, 1, tzinfo=UTC)


def loaded(proposal: Proposal, folder: Path) -> ModelSpec:
    file = folder / f"{proposal.name}.yaml"
    file.write_text(declaration_text(proposal), encoding="utf-8")
    return load_model(file)


def test_orders_become_a_grid(examine: Callable[..., Any], tmp_path: Path) -> None:
    rows = [
        f"o{n},s{n % 4},{(START + timedelta(hours=3 * n, minutes=n**3 % 101)).isoformat()},{n % 7}"
        for n in range(8 * 200)
    ]
    with examine("order_no,shop,ordered_at,units", rows) as file:
        spec = loaded(file.propose("orders", "sales", None, Answers()), tmp_path)
    assert isinstance(spec.label, AggregateLabel)
    assert (spec.label.aggregate, spec.label.horizon) == ("sum", timedelta(days=7))
    assert spec.points.keys == ("shop",)
    assert "units_28d" in spec.feature_names


@pytest.mark.parametrize("keys", ["Shop", "shop", "_shop"])
def test_no_feature_has_the_name_of_a_key(
    examine: Callable[..., Any], tmp_path: Path, keys: str
) -> None:
    """Names of features are in lower case, those of columns need not be."""
    rows = [
        f"s{n % 4},{(START + timedelta(hours=3 * n, minutes=n**3 % 101)).isoformat()},{n % 7}"
        for n in range(8 * 200)
    ]
    with examine(f"{keys},ordered_at,units", rows) as file:
        spec = loaded(file.propose("orders", "sales", None, Answers(entity=(keys,))), tmp_path)
    assert spec.points.keys == (keys,)
    assert spec.feature_names[0] == ("shop_2" if keys == "Shop" else "shop")


@pytest.mark.parametrize(("weeks", "recent"), [(16, 5), (60, 5), (10, 2)])
def test_a_window_has_rows_enough_to_be_judged_where_the_file_is_long(
    examine: Callable[..., Any], tmp_path: Path, weeks: int, recent: int
) -> None:
    """One series has one row a day. Of a short file, more is left to train on."""
    rows = [f"{START + timedelta(days=n):%Y-%m-%d},{n % 7}" for n in range(7 * weeks + 1)]
    with examine("day,units", rows) as file:
        spec = loaded(file.propose("series", "sales", None, Answers()), tmp_path)
    assert spec.split.recent == timedelta(weeks=recent)
    assert spec.gates.recent_window.minimum_rows == 30


@pytest.mark.parametrize(("days", "weeks"), [(14, 17), (140, 4)])
def test_a_longer_window_leaves_room_for_training_and_for_both_waits(
    examine: Callable[..., Any], tmp_path: Path, days: int, weeks: int
) -> None:
    """Of two outcomes a week, 34 need 17 weeks: too many where each label is known after 20."""
    rows = []
    for n in range(120):
        at = START + timedelta(days=3.5 * n)
        closed = at + timedelta(days=days, hours=-1)
        rows.append(f"{n},{at.isoformat()},{closed.isoformat()},{n % 50},{n % 2}")
    answers = Answers(label="returned", label_known_at="closed_at")
    with examine("order_no,ordered_at,closed_at,amount,returned", rows) as file:
        spec = loaded(file.propose("returns", "orders", None, answers), tmp_path)
    span = timedelta(days=3.5 * 119)
    assert spec.split.train + spec.split.recent + 2 * spec.maturity <= span
    assert spec.split.recent == timedelta(weeks=weeks)


def test_monthly_figures_predict_the_next_one(examine: Callable[..., Any], tmp_path: Path) -> None:
    months = [f"{2018 + n // 12}-{1 + n % 12:02}-01" for n in range(72)]
    rows = [f"{month},{group},{n % 11}" for n, month in enumerate(months) for group in "abc"]
    with examine("month,group_code,items", rows) as file:
        spec = loaded(file.propose("monthly", "months", None, Answers()), tmp_path)
    assert isinstance(spec.points, EventPoints)
    assert isinstance(spec.label, LaterEventLabel)
    assert spec.streams["months"].id == ("group_code", "month")
    assert spec.gates.recent_window.minimum_days == 7


def test_outcomes_become_a_classification(examine: Callable[..., Any], tmp_path: Path) -> None:
    rows = []
    for n in range(900):
        at = START + timedelta(hours=5 * n, minutes=n**3 % 101)
        closed = at + timedelta(days=2, hours=n % 30)
        rows.append(f"{n},c{n % 30},{at.isoformat()},{closed.isoformat()},{n % 50},{n % 2}")
    header = "order_no,customer,ordered_at,closed_at,amount,returned"
    answers = Answers(label="returned", label_known_at="closed_at")
    with examine(header, rows) as file:
        spec = loaded(file.propose("returns", "orders", None, answers), tmp_path)
    assert isinstance(spec.label, OwnRowLabel)
    assert (spec.label.known_at, spec.metric.name) == ("closed_at", "log_loss")
    assert "amount" in spec.feature_names
    assert "returned" not in spec.feature_names
    assert spec.estimator.path.endswith("Classifier")


def test_a_series_gets_a_key_and_enough_points(examine: Callable[..., Any], tmp_path: Path) -> None:
    rows = [
        f"{START + timedelta(hours=n):%Y-%m-%d %H:%M},{n % 24 + n % 5}" for n in range(24 * 150)
    ]
    with examine("time,load", rows) as file:
        proposal = file.propose("grid", "loads", None, Answers())
        spec = loaded(proposal, tmp_path)
        options = import_options(proposal)
    assert spec.points.keys == ("series",)
    assert isinstance(spec.points, GridPoints)
    assert spec.points.every == timedelta(hours=3)
    assert options == ["--zone", "time=UTC", "--constant", "series=all"]
    assert any("no zone" in note for note in notes(proposal))


@pytest.mark.parametrize("name", ["no", "on", "null", "Unit Price (€)", "x: y # z"])
def test_names_that_yaml_reads_otherwise(
    examine: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    rows = [f"{START + timedelta(hours=n):%Y-%m-%dT%H:%MZ},{n % 24}" for n in range(24 * 70)]
    with examine(f'time,"{name}"', rows) as file:
        proposal = file.propose("odd", "events", None, Answers())
        spec = loaded(proposal, tmp_path)
        options = import_options(proposal)
    declared = next(one for one in spec.streams["events"].columns if one != "series")
    assert declared == name or f"{declared}={name}" in options


def test_the_suite_names_what_holds_in_the_file(examine: Callable[..., Any]) -> None:
    rows = [
        f"o{n},{'' if n % 9 == 0 else 'till'},{(START + timedelta(hours=n)).isoformat()},{n % 7}"
        for n in range(24 * 70)
    ]
    with examine("order_no,source,ordered_at,units", rows) as file:
        proposal = file.propose("orders", "sales", None, Answers())
        suite = json.loads(suite_text("orders", "sales", file.profile, proposal.roles))
    found = {(one["type"], one["kwargs"]["column"]): one for one in suite["expectations"]}
    assert ("expect_column_values_to_not_be_null", "source") not in found
    assert found["expect_column_values_to_be_unique", "order_no"]["severity"] == "critical"
    between = found["expect_column_values_to_be_between", "units"]["kwargs"]
    assert (between["min_value"], between["max_value"]) == (0.0, 9.0)


@pytest.mark.parametrize("horizon", ["300000000d", "0d", "60d"])
def test_a_horizon_that_does_not_fit_the_file(examine: Callable[..., Any], horizon: str) -> None:
    rows = [f"{START + timedelta(hours=n):%Y-%m-%dT%H:%MZ},{n % 24}" for n in range(24 * 100)]
    with (
        examine("time,load", rows) as file,
        pytest.raises(SpecError, match="the horizon does not fit the file"),
    ):
        file.propose("short", "loads", None, Answers(horizon=horizon))


def test_a_column_with_the_name_of_the_constant_key(
    examine: Callable[..., Any], tmp_path: Path
) -> None:
    rows = [f"{START + timedelta(hours=n):%Y-%m-%dT%H:%MZ},{n % 24}" for n in range(24 * 100)]
    with examine("time,series", rows) as file:
        spec = loaded(file.propose("one", "events", None, Answers()), tmp_path)
    assert set(spec.streams["events"].columns) == {"series", "series_2"}


def test_rows_with_mistakes_are_rejected_by_the_import(examine: Callable[..., Any]) -> None:
    rows = [f"{START + timedelta(hours=n):%Y-%m-%dT%H:%MZ},{n % 24}" for n in range(24 * 100)]
    with examine("time,load", [*rows, *(["too,many,fields"] * 60)]) as file:
        proposal = file.propose("one", "events", None, Answers())
    assert import_options(proposal)[-4:] == ["--reject", "rejected.csv", "--tolerate", "0.03"]
    assert any("60 rows" in note for note in notes(proposal))
