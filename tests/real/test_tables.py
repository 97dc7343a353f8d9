"""The tables of the page of real backtests, on made-up results."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from pipelines.backtest.results import BacktestReport, LossDifference, PolicyResult
from tests.real import tables


def policy(name: str, loss: float, difference: float | None = None) -> PolicyResult:
    held_out = name.endswith("_held_out")
    group = "simple" if name.removesuffix("_held_out") in tables.SIMPLE else "preset"
    fields: dict[str, Any] = {
        "name": name,
        "group": tables.OLD if name == tables.OLD else group,
        "refit": not held_out and name != tables.OLD,
        "loss": loss,
        "difference": None
        if difference is None
        else LossDifference(estimate=difference, standard_error=0.5),
        "promotions": 3,
        "followed": 2,
        "lost": 1,
        "bad": 0,
        "weeks_without_version": 9 if name == "likely" else 0,
    }
    return PolicyResult.model_construct(**fields)


def report(usual: float) -> BacktestReport:
    """The default at a loss of 10, the best policy as practised at ``usual``."""
    special = {"likely": 10.0, "usual_held_out": usual, tables.OLD: 12.5}
    fields: dict[str, Any] = {
        "model": "bike_sharing",
        "metric": "absolute_error",
        "weeks": (date(2024, 1, 1),),
        "points": (1000,),
        "policies": tuple(
            policy(name, loss := special.get(name, 20.0), None if loss == 10.0 else loss - 10.0)
            for name in tables.ROWS
        ),
    }
    return BacktestReport.model_construct(**fields)


def test_losses_are_shown_as_losses() -> None:
    text = tables.tables([report(usual=8.0)])
    assert "| 0 of 1; beyond: bike_sharing |" in text
    assert "| `usual` | 8 | 10 | +2 (0.5) | 12.5 | -2.5 (0.5) | 9 |" in text
    assert "| `likely` | +25.0 (3) |" in text, "per cent above the best as practised"
    assert "bike_sharing (9)" in text, "nine weeks without a version"


def test_aims_that_are_met(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
    tables.write_page([report(usual=9.5)], page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "as practised | 1 of 1 |" in text, "within two standard errors"
    assert "than version 0.1.0 | 20.0% |" in text
