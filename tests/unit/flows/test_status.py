"""The status reads what is there, and goes on where a part cannot be read."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.core.errors import SpecError
from pipelines.core.time import FixedClock
from pipelines.flows.status import overview
from pipelines.monitoring.report import (
    REPORT_FORMAT,
    Action,
    ActionKind,
    Age,
    MonitorReport,
    Performance,
)
from pipelines.reporting.status.model_status import ModelStatus
from pipelines.settings import Settings
from pipelines.stats.ageing import PooledMean
from pipelines.training.split import TrainingDates
from pipelines.wiring import connect
from tests.support.ledger_entries import MONDAY, judged

ROOT = Path(__file__).resolve().parents[3]
WEEK = timedelta(weeks=1)
NOW = MONDAY + 2 * WEEK


def home(folder: Path) -> Settings:
    (folder / "models").mkdir()
    shutil.copy(ROOT / "models" / "demand.yaml", folder / "models")
    return Settings(home=folder / "home", models=folder / "models")


def status(settings: Settings) -> ModelStatus:
    (found,) = overview(None, connect(settings, clock=FixedClock(NOW)).overview).models
    return found


def test_a_declared_model_without_a_run_has_no_champion_and_a_whole_budget(tmp_path: Path) -> None:
    found = status(home(tmp_path))
    assert (found.model, found.champion, found.problems) == ("demand", None, ())
    assert found.budget is not None
    assert (found.budget.year, found.budget.left, found.budget.tries) == (2026, 12, 0)
    assert [(one.name, one.stale) for one in found.streams] == [
        ("dispensing", True),
        ("stock", True),
    ]
    assert all(view.expired and view.as_of is None for view in found.views)


def test_the_champion_comes_from_the_ledger_and_its_cost_from_the_newest_report(
    tmp_path: Path,
) -> None:
    settings = home(tmp_path)
    parts = connect(settings, clock=FixedClock(MONDAY))
    dates = TrainingDates(twin=MONDAY - 4 * WEEK, refit=MONDAY)
    first = judged("r1").model_copy(update={"trained": dates})
    parts.ledger.append(first, 0)
    report = MonitorReport(
        model="demand",
        version="1",
        as_of=MONDAY,
        snapshot="s",
        health="healthy",
        action=Action(kind=ActionKind.NONE, reason="nothing changed"),
        alarms=(),
        performance=Performance(metric="absolute_error", higher_is_better=False),
        age=Age(
            weeks=1.0,
            cost_of_week=PooledMean(estimate=0.5, standard_error=0.1, weeks=9, df=8),
            cost=0.5,
        ),
        arrivals=(),
        findings=(),
    )
    path = parts.overview.monitor_reports / "demand" / "2026-01-05T060000Z.json"
    path.parent.mkdir(parents=True)
    path.write_text(REPORT_FORMAT.to_text(report))
    found = status(settings)
    assert found.champion is not None
    assert (found.champion.version, found.champion.since) == ("1", MONDAY)
    assert found.monitoring is not None
    assert found.monitoring.health == "healthy"
    assert found.decision is not None
    assert found.decision.outcome == "first_version"
    assert (found.champion.age_weeks, found.champion.cost) == (2.0, 1.0)


def test_a_model_that_is_neither_declared_nor_in_the_ledger_is_an_error(tmp_path: Path) -> None:
    using = connect(home(tmp_path), clock=FixedClock(NOW)).overview
    with pytest.raises(SpecError, match=r"there is no model 'demnad'") as problem:
        overview(["demand", "demnad"], using)
    assert problem.value.hint == "is it 'demand'?"
