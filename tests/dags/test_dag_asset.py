"""A recommended retraining, started by Airflow's own scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dags.conftest import dags, store_dag
from tests.support.pharmacy import declaration

REASON = {"as_of": "2025-04-07T00:00:00Z", "action": "retrain", "alarms": [], "cost": 2.5}


@pytest.fixture
def parsed(tmp_path: Path, airflow_database: Path) -> Iterator[Any]:
    """The DAG ``retrain__assets`` in Airflow's database, as its DAG processor writes it."""
    from airflow.models import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import delete, update

    (tmp_path / "assets.yaml").write_text(yaml.safe_dump(declaration() | {"name": "assets"}))
    dag = dags("retrain", tmp_path)["assets"]
    with create_session() as session:
        store_dag(dag, session)
        session.execute(
            update(DagModel).where(DagModel.dag_id == dag.dag_id).values(is_paused=False)
        )
    yield dag
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == dag.dag_id))
        session.execute(
            update(DagModel).where(DagModel.dag_id == dag.dag_id).values(is_paused=True)
        )


def test_the_scheduler_starts_a_retraining_when_its_asset_changes(parsed: Any) -> None:
    """The run has no interval, and the reason that monitoring gave."""
    from airflow.assets.manager import asset_manager
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models import DagModel
    from airflow.models.asset import AssetModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    runner = SchedulerJobRunner(Job())

    def scheduled(session: Any) -> list[Any]:
        """The runs that a loop of the scheduler creates because of assets."""
        query, triggered = DagModel.dags_needing_dagruns(session)
        due = [one for one in query.all() if one.dag_id in triggered]
        runner._create_dag_runs_asset_triggered(dag_models=due, session=session)
        session.flush()
        return list(session.scalars(select(DagRun).where(DagRun.dag_id == parsed.dag_id)))

    with create_session() as session:
        assert scheduled(session) == []
        uri = "gauntlet://assets/retrain"
        changed = session.scalars(select(AssetModel).where(AssetModel.uri == uri)).one()
        asset_manager.register_asset_change(asset=changed, extra=REASON, session=session)
        session.flush()
        [run] = scheduled(session)
        assert (run.run_type, run.logical_date) == ("asset_triggered", None)
        [event] = run.consumed_asset_events
        assert event.extra == REASON
        assert scheduled(session) == [run], "the change has been answered"
