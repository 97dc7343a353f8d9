"""The command ``gauntlet import``: its options reach the import, and its answers are complete."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.cli.app import app
from pipelines.core.errors import DataError, SpecError

DECLARATION = """
name: sales
description: Units that a shop will sell tomorrow.
owner: field
streams:
  sales:
    event_time: sold_at
    known_time: {event_time_plus: 1h}
    columns: {shop: string, units: float}
points: {kind: grid, stream: sales, keys: [shop], every: 1d, active_for: 30d}
label: {kind: aggregate, stream: sales, by: [shop], aggregate: sum, column: units, horizon: 1d,
        delay: 1h}
features:
  - {kind: attribute, name: shop}
split: {train: 35d, recent: 14d}
estimator: {path: sklearn.ensemble.HistGradientBoostingRegressor}
seeds: [1, 2]
metric: {name: absolute_error, minimum_effect: 0.1}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sales.yaml").write_text(DECLARATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GAUNTLET_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("GAUNTLET_STORE", str(tmp_path / "home" / "store"))
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["import", "sales", "sales", *words])


def test_options_reach_the_import(here: Path) -> None:
    (here / "sales.csv").write_text(
        "day;clock;Qty;x\n31.01.2026;10:30;1,5;a\n31.01.2026;11:30;NA;b\n01.02.2026;00:00;few;c\n"
    )
    done = run(
        *("sales.csv", "--column", "sold_at=day+clock", "--column", "units=Qty"),
        *("--constant", "shop=main", "--zone", "sold_at=Europe/Berlin"),
        *("--time-format", "%d.%m.%Y %H:%M", "--missing", "units=NA", "--decimal", ","),
        *("--reject", "rejected.csv", "--tolerate", "0.5", "--json"),
    )
    assert done.exception is None, done.output
    body = json.loads(done.stdout)
    assert (body["rows"], body["written"], body["rejected"]) == (3, 2, 1)
    assert body["mistakes"][0]["column"] == "units"
    assert body["mistakes"][0]["examples"] == ["sales.csv line 4: 'few'"]
    assert (here / "rejected.csv").read_text().splitlines()[1].startswith("sales.csv,4,units,few,")
    again = run(
        *("sales.csv", "--column", "sold_at=day+clock", "--column", "units=Qty"),
        *("--constant", "shop=main", "--zone", "Europe/Berlin", "--missing", "NA"),
        *("--time-format", "sold_at=%d.%m.%Y %H:%M", "--decimal", ",", "--missing", "nothing"),
        *("--reject", "rejected.csv", "--tolerate", "0.5"),
    )
    assert "0 written, 2 were there already" in again.stdout
    assert "units: not a finite number" in again.stdout
    assert "--missing nothing concerns no value in any file" in again.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--column", "unit=Qty"], "is it 'units'"),
        (["--column", "units"], "COLUMN=VALUE"),
        (["--zone", "UTC", "--zone", "Europe/Paris"], "two values"),
        (["--tolerate", "0.5"], "--tolerate needs --reject"),
        (["--missing", "shops=NA"], "is it 'shop'"),
    ],
)
def test_an_option_that_cannot_be_used(here: Path, words: list[str], message: str) -> None:
    (here / "sales.csv").write_text("sold_at,shop,units\n2026-01-31T10:00:00Z,a,1\n")
    done = run("sales.csv", *words)
    assert isinstance(done.exception, SpecError)
    assert message in str(done.exception)


def test_rows_with_mistakes_write_nothing(here: Path) -> None:
    (here / "sales.csv").write_text("sold_at,shop,units\nTotal,,1\n2026-01-31T10:00:00Z,a,1_0\n")
    done = run("sales.csv", "--missing", "[/bold]")
    assert isinstance(done.exception, DataError)
    assert "sales.csv line 2: 'Total'" in done.exception.got
    assert "sales.csv line 3: '1_0'" in done.exception.got
    assert not (here / "home" / "store").exists()
