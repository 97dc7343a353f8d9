"""Which instant a run stands at, and in which lineage it writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from tests.dags.conftest import ROOT, dags
from tests.support.ledger_entries import judged

MONDAY = datetime(2026, 1, 5, 6, tzinfo=UTC)
WEEK = timedelta(days=7)


def run(kind: str) -> SimpleNamespace:
    """What Airflow passes to a task about its run; runs by hand may or may not have an interval."""
    from airflow.utils.types import DagRunType

    return SimpleNamespace(
        dag_id="retrain__demand",
        run_id=f"{kind}__2026-01-05",
        run_type=DagRunType(kind),
        run_after=MONDAY + timedelta(minutes=3),
        logical_date=None if kind == "manual" else MONDAY - WEEK,
        data_interval_start=MONDAY - WEEK,
        data_interval_end=MONDAY,
        triggering_user_name="ada",
    )


@pytest.mark.parametrize("kind", ["scheduled", "backfill"])
def test_a_run_with_an_interval_has_the_instant_of_its_end(
    tasks_file: ModuleType, kind: str
) -> None:
    assert tasks_file.run_as_of({"as_of": None}, run(kind)) == MONDAY


def test_a_run_by_hand_has_the_instant_of_triggering(tasks_file: ModuleType) -> None:
    by_hand = run("manual")
    assert tasks_file.run_as_of({"as_of": None}, by_hand) == by_hand.run_after


@pytest.mark.parametrize("kind", ["scheduled", "manual"])
def test_an_as_of_that_is_requested_wins(tasks_file: ModuleType, kind: str) -> None:
    requested = {"as_of": "2025-12-01T07:00:00+01:00"}
    assert tasks_file.run_as_of(requested, run(kind)) == datetime(2025, 12, 1, 6, tzinfo=UTC)


def test_an_as_of_without_a_zone_is_refused(tasks_file: ModuleType) -> None:
    from pipelines.core.errors import TimeError

    with pytest.raises(TimeError):
        tasks_file.run_as_of({"as_of": "2025-12-01T07:00:00"}, run("manual"))


@pytest.mark.parametrize("kind", ["scheduled", "manual"])
def test_a_run_that_is_no_backfill_writes_to_live(
    tasks_file: ModuleType, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    params = {"as_of": None, "reason": None, "dry_run": False}
    context = {"params": params, "dag_run": run(kind)}
    monkeypatch.setattr(tasks_file, "get_current_context", lambda: context)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example/")
    requested = tasks_file.fix_request.function("demand")
    assert requested["lineage"] == "live"
    assert requested["reason"] == f"{kind} run of Airflow"
    page = "http://airflow.example/dags/retrain__demand/runs/"
    assert requested["dag_run"] == f"{page}{kind}__2026-01-05", "MLflow links back to it"


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_run_that_is_triggered_as_a_dry_run_is_one(
    tasks_file: ModuleType, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    params = {"as_of": None, "reason": None, "dry_run": dry_run}
    context = {"params": params, "dag_run": run("manual")}
    monkeypatch.setattr(tasks_file, "get_current_context", lambda: context)
    assert tasks_file.fix_request.function("demand")["dry_run"] is dry_run


def test_a_run_that_monitoring_started_has_its_reason_and_keeps_to_the_cooldown(
    tasks_file: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pipelines.release.retrain_reason import RetrainReason
    from pipelines.wiring import connect

    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path))
    monkeypatch.setenv("GAUNTLET_MODELS", str(ROOT / "models"))
    reasons = [
        RetrainReason(as_of=at, action="retrain", alarms=("age.cost",), cost=1.5, unit="packs")
        for at in (MONDAY, MONDAY - WEEK)
    ]
    events = {"asset": [SimpleNamespace(extra=reason.as_json()) for reason in reasons]}
    context = {
        "params": {"as_of": None, "reason": None, "dry_run": False},
        "dag_run": run("asset_triggered"),
        "triggering_asset_events": events,
    }
    monkeypatch.setattr(tasks_file, "get_current_context", lambda: context)
    requested = tasks_file.fix_request.function("demand")
    assert requested["monitoring"] == reasons[0].as_json()
    assert requested["reason"] == reasons[0].text

    made = judged("run").model_copy(update={"as_of": MONDAY, "monitoring": reasons[0]})
    connect().ledger.append(made, after=0)
    with pytest.raises(AirflowSkipException, match="cooldown"):
        tasks_file.fix_request.function("demand")


def test_the_interval_of_a_weekly_schedule_ends_where_its_cron_ends_it(bag: Any) -> None:
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction

    timetable = coerce_to_core_timetable(bag.dags["retrain__demand"].timetable)
    info = timetable.next_dagrun_info(
        last_automated_data_interval=None,
        restriction=TimeRestriction(earliest=None, latest=None, catchup=False),
    )
    end = info.data_interval.end
    assert (end.weekday(), end.hour, end.minute, end.utcoffset()) == (0, 6, 0, timedelta(0))
    assert info.data_interval.start == end - WEEK


@pytest.mark.parametrize("job", ["retrain", "backfill"])
def test_a_schedule_in_a_zone_follows_its_clock(
    airflow_database: Path, tmp_path: Path, job: str
) -> None:
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction
    from pendulum import DateTime

    declared = (ROOT / "models" / "demand.yaml").read_text()
    (tmp_path / "demand.yaml").write_text(f"{declared}\nschedule_zone: Europe/Berlin\n")
    timetable = coerce_to_core_timetable(dags(job, tmp_path)["demand"].timetable)
    october = TimeRestriction(DateTime(2025, 10, 13, tzinfo=UTC), None, catchup=True)
    first = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=october)
    ends = [first.data_interval.end]
    info = timetable.next_dagrun_info(
        last_automated_data_interval=first.data_interval, restriction=october
    )
    ends.append(info.data_interval.end)
    assert [f"{end:%m-%d %H}" for end in ends] == ["10-20 04", "10-27 05"]
