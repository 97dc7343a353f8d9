"""Tasks as a worker of Airflow runs them: each in a process of its own, with its log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MOST_LINES = 60


@contextmanager
def in_processes(dag: Any, logs: Path) -> Iterator[None]:
    """Run each task of ``dag.test`` as a worker does; its log is ``<task>.log``.

    The process parses the DAG's file again, so the environment has to name the declarations. It is
    forked, so what a test has patched is patched there too; but each imports what its task needs,
    because imports can warn. A deferred task waits for its trigger here, and goes on in another
    process, with the same log.
    """
    from airflow.executors.workloads.base import BundleInfo
    from airflow.models.trigger import Trigger
    from airflow.sdk._shared.module_loading import import_string
    from airflow.sdk.api.datamodels._generated import TaskInstance
    from airflow.sdk.definitions import dag as module
    from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, supervise_task
    from sqlalchemy.orm import object_session

    async def first_event(trigger: Any) -> Any:
        return await anext(aiter(trigger.run()))

    def supervise(*, ti: Any, task: Any, run_triggerer: bool) -> None:
        session = object_session(ti)
        while str(ti.state) not in ("success", "failed", "skipped", "up_for_retry"):
            ti.state = "queued"
            session.commit()
            supervise_task(
                ti=TaskInstance.model_validate(ti, from_attributes=True),
                bundle_info=BundleInfo(name="dags-folder"),
                dag_rel_path=f"{dag.dag_id.partition('__')[0]}.py",
                token="",
                client=InProcessTestSupervisor._api_client(dag),
                log_path=str(logs / f"{ti.task_id}.log"),
            )
            session.expire_all()
            if str(ti.state) == "deferred":
                waiting = session.get_one(Trigger, ti.trigger_id)
                trigger = import_string(waiting.classpath)(**waiting.kwargs)
                event = asyncio.run(first_event(trigger))
                Trigger.submit_event(waiting.id, event, session=session)
                session.commit()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_run_task", supervise)
        yield


def log_lines(log: Path) -> list[dict[str, Any]]:
    """The lines of a task's log: ``level``, ``event`` and more."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def assert_quiet(logs: Path, *tasks: str) -> None:
    """Each task wrote a log of fewer than 60 lines, and no warning."""
    logged = sorted(path.stem for path in logs.glob("*.log"))
    assert logged == sorted(tasks), f"these tasks have a log: {logged}"
    for task in tasks:
        lines = log_lines(logs / f"{task}.log")
        assert 0 < len(lines) < MOST_LINES, f"{task}: {len(lines)} lines"
        warned = [line["event"] for line in lines if line["level"] == "warning"]
        assert not warned, f"{task} warns: {warned}"
