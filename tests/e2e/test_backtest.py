"""`gauntlet backtest` in a small home where refreshing pays: its answer, and its traces."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli.app import app
from tests.support.backtest.drifting_shops import DECLARATION, build_home, settings_of
from tests.support.guides.notebooks import run_notebook
from tests.support.shared_worlds import built_once

ROLLOUT = {
    "shadow": {"predictions_affect_outcomes": False},
    "canary": {
        "outcome": {"name": "absolute_error", "minimum_effect": 0.2, "ratio": True},
        "stages": [0.5],
    },
}
SPAN = ["--from", "2025-04-01", "--to", "2025-06-10"]


def places(folder: Path) -> dict[str, str]:
    """The settings of a home, as the environment has them."""
    settings = settings_of(folder).model_dump()
    return {f"GAUNTLET_{name.upper()}": str(value) for name, value in settings.items()}


def gauntlet(folder: Path, *words: str, exit_code: int = 0) -> str:
    """The output of a command in this process."""
    done = CliRunner().invoke(app, list(words), env=places(folder))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == exit_code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own with the events of the shared one."""
    source, place = built_once("drifting-shops", build_home), tmp_path_factory.mktemp("backtest")
    for name in ("home", "models"):
        (place / name).mkdir()
    for name in ("expectations", "home/store"):
        (place / name).symlink_to(source / name)
    declared = yaml.safe_dump({**DECLARATION, "rollout": ROLLOUT}, sort_keys=False)
    (place / "models" / "shops.yaml").write_text(declared, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gauntlet(home, "backtest", "shops", *SPAN, "--json"))
    return found


def policy(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in report["policies"] if one["name"] == name)


def test_drift_makes_newer_models_better(report: dict[str, Any]) -> None:
    losses = {one["name"]: one["loss"] for one in report["policies"]}
    assert losses["hindsight"] <= losses["always"] < losses["every_4"] < losses["never"]
    assert losses["always"] < losses["always_held_out"], "a refit is newer"
    assert losses["naive"] > losses["never"], "sizes say much about amounts"
    assert policy(report, "always")["promotions"] == len(report["weeks"]) - 1
    assert policy(report, "never")["promotions"] == 0


def test_the_declared_policy_is_the_reference(report: dict[str, Any]) -> None:
    assert report["reference"] == report["choice"]["declared"] == "likely"
    assert policy(report, "likely")["difference"] is None
    gap = policy(report, "never")["difference"]
    assert gap["estimate"] == pytest.approx(
        policy(report, "never")["loss"] - policy(report, "likely")["loss"]
    )
    assert gap["standard_error"] > 0


def test_a_refresh_is_in_force_a_week_after_it_is_admitted(report: dict[str, Any]) -> None:
    first, second, *_ = policy(report, "better")["changes"]
    monday, trained = (date.fromisoformat(second[name]) for name in ("week", "version"))
    assert monday - trained == timedelta(days=7)
    assert "canary.refresh_week" in [one["finding"] for one in second["reasons"]]
    assert first["replaced"] is None
    assert any("of the canary errors" in one for one in report["left_out"])


def test_a_second_run_in_a_notebook_is_identical(
    home: Path, report: dict[str, Any], tmp_path: Path
) -> None:
    record = "import json; print(json.dumps(replayed.record.as_json()))"
    example, shown, found, best = run_notebook(
        "python.md", 1, tmp_path, places(home), "replayed", record, "best.loss"
    )
    assert example == {}
    assert report == {"schema": 1, "kind": "backtest"} | json.loads(found["stdout"])
    assert float(best["text/plain"]) == min(one["loss"] for one in report["policies"])
    assert shown["text/html"].startswith('<iframe sandbox="" srcdoc="&lt;!doctype html&gt;')


def test_a_sweep_adds_rows_and_changes_no_other(home: Path, report: dict[str, Any]) -> None:
    """Fits with the declared span are those that the backtest without a sweep has kept."""
    sweep = ["--sweep", "split.train=28d,56d", "--sweep", "gates.refresh.evidence=better"]
    swept = json.loads(gauntlet(home, "backtest", "shops", *SPAN, *sweep, "--json"))
    rows = [one["name"] for one in swept["policies"] if one["group"] == "sweep"]
    assert rows == [f"split.train={span}, gates.refresh.evidence=better" for span in ("28d", "56d")]
    others = [one for one in swept["policies"] if one["group"] != "sweep"]
    assert [one | {"worst": None} for one in others] == [
        one | {"worst": None}  # it is measured against the best policy, swept ones included
        for one in report["policies"]
    ]
    assert policy(swept, rows[1])["losses"] == policy(report, "better")["losses"]
    assert policy(swept, rows[0])["losses"] != policy(report, "better")["losses"]
    assert swept["choice"]["best_declaration"] in {"likely", *rows}


def test_nothing_is_recorded_or_registered(home: Path, report: dict[str, Any]) -> None:
    assert report["candidates"] == len(report["weeks"])
    left = {path.name for path in (home / "home").iterdir()}
    assert not {"ledger.db", "mlflow.db", "versions", "runs"} & left


def test_table_and_page_list_every_policy(home: Path, report: dict[str, Any]) -> None:
    path = home / "report.html"
    shown = gauntlet(home, "backtest", "shops", *SPAN, "--html", str(path))
    page = path.read_text(encoding="utf-8")
    assert all(one["name"] in shown and one["name"] in page for one in report["policies"])
    assert "The declared policy, likely" in shown
    assert "less than the naive forecast: beyond two standard errors" in " ".join(shown.split())
    assert page.count("<svg") == 4
    assert not any(word in page for word in ("<script", 'src="', "<link", "@import")), "one file"


@pytest.mark.parametrize(
    "span", [["--from", "2025-06-10", "--to", "2025-04-01"], ["--from", "soon"]]
)
def test_an_impossible_span_is_refused(home: Path, span: list[str]) -> None:
    with pytest.raises(Exception, match=r"no Monday|cannot read"):
        gauntlet(home, "backtest", "shops", *span)
