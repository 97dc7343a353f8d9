"""``retrain__<model>``: one DAG for each declaration in ``models/``. Order and parameters only.

Each task is one call into ``pipelines``, which is imported when the task runs, so that this file
stays cheap to parse: from a declaration it reads what a DAG shows and when it runs, and no more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    CronDataIntervalTimetable,
    Param,
    TriggerRule,
    chain,
    get_current_context,
    task,
)
from gauntlet_dags import Model, as_of_param, dag_of, read, standing_at, wanted

from pipelines.core.errors import SpecError
from pipelines.flows.retrain.request import LIVE, STEPS, Request, Step

PARAMS = as_of_param(
    "The instant the run stands at: nothing that became known later is read. Empty: the moment of "
    "triggering, whatever the logical date above says."
) | {
    "reason": Param(
        None,
        type=["null", "string"],
        title="Reason",
        description_md="Why this run exists; the ledger keeps it.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description_md="Judge the candidate, but neither register it nor decide. To have seen the "
        "comparison with the champion is one of the tries of the year.",
    ),
}

NOTES = """\
{description}

Trains a candidate on the events known at an instant, compares it with the champion on the newest
matured window, and records a decision. Runs {when}.

**As of.** A scheduled or backfill run stands at the *end* of its own interval; a run by hand at
the moment of triggering, or at the instant given in the form. The first task fixes it; retries and
cleared tasks keep it. Backfills write to the lineage `backfill` and cannot touch what serves.

**Normal.** A skipped task is an answer, not a fault: nothing is trained on broken data or on
features that production lacks, a model without `serving` has nothing to look up, and a dry run
registers nothing; the task's log says why. `decide` runs after skipped tasks. A green run
without a promotion is the usual outcome. Of a model with `serving`, `first_fill` fills an online
store that was never filled, before the first version; from then on `materialize__{name}` has to
run, and this run stops where that has not.

**Worry** when a task fails, when a run has been queued for an hour (runs of one model wait for
each other), or when a task has taken three times as long as in former runs.
Only an unavailable service or a busy model is retried, twice; everything else fails at once.

**Find out.** `gauntlet explain {name}` tells the last decision and the findings behind it. The
last line of a failed task's log says what was got, what was wanted and what to do. Clearing
a task is always safe: a step that was done is found and returned.

Owner: {owner}. Declaration: `{path}`.
"""

BROKEN = """\
**The declaration cannot be read, so this model is not retrained.**

```
{problem}
```

Mend `{path}`; the real DAG takes this one's place at the next parse. Until then this DAG runs
daily and fails, so that the missing runs are noticed. `gauntlet check` reads all declarations.
"""


@task(task_id="request")
def ask(model: str) -> dict[str, Any]:
    """Fix what the run is about, once."""
    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    return Request(
        model=model,
        as_of=standing_at(params, run),
        lineage="backfill" if run.run_type == "backfill" else LIVE,
        reason=params["reason"] or f"{run.run_type.value} run of Airflow",
        dry_run=params["dry_run"],
    ).as_json()


# A step decides by itself whether it has anything to do, as it does in the shell; so it is asked
# after skipped ones too, and only a failure upstream holds it back.
@task(trigger_rule=TriggerRule.NONE_FAILED)
def do(step: Step) -> dict[str, Any]:
    """Do one step of the flow."""
    from airflow.sdk.exceptions import AirflowSkipException

    from pipelines.flows.retrain.steps import run_step
    from pipelines.wiring import connect

    request = Request(**get_current_context()["ti"].xcom_pull(task_ids="request"))
    report = run_step(step, request, connect().retraining)
    if report.skipped:
        raise AirflowSkipException(report.summary)
    return report.as_json()


# With the usual rule: nothing is filled from data that break the contract.
@task
def first_fill() -> dict[str, Any]:
    """Fill an online store that nobody has filled before there was a first version."""
    from airflow.sdk.exceptions import AirflowSkipException

    from pipelines.flows.features.materialize import materialize_new_model
    from pipelines.wiring import connect

    request = Request(**get_current_context()["ti"].xcom_pull(task_ids="request"))
    filled = materialize_new_model(request, connect().materialization)
    if filled is None:
        raise AirflowSkipException("nothing to do: there is a champion, or all was filled before")
    return filled.as_json()


@task(task_id="declaration", retries=0)
def read_again(path: str, problem: str) -> None:
    """Fail with what the full reader says about the file, else with what the parser saw."""
    from pipelines.spec.load import load_model

    load_model(Path(path))
    raise SpecError("the DAG file could not read a declaration", where=path, got=problem)


def when(tree: dict[str, Any]) -> CronDataIntervalTimetable | None:
    """As the declaration says; none: by hand only."""
    if tree.get("schedule") is None:
        return None
    timetable = CronDataIntervalTimetable(tree["schedule"], timezone="UTC")
    timetable.validate()
    return timetable


def retrain(model: Model, timetable: CronDataIntervalTimetable | None, *, served: bool) -> DAG:
    """The DAG of one model."""
    runs = f"on `{timetable.expression}` (UTC)" if timetable else "by hand only"
    with dag_of("retrain", model, model.description, timetable, NOTES, PARAMS, when=runs) as dag:
        tasks = [ask(model.name)]
        for step in STEPS:
            if step == "availability" and served:
                tasks.append(first_fill())
            tasks.append(do.override(task_id=step)(step))
        chain(*tasks)
    return dag


def unreadable(model: Model, problem: str) -> DAG:
    """A DAG in the model's place that fails daily.

    An import error would be the usual sign, but Airflow counts it against the whole file and
    stops scheduling every model in it.
    """
    about = f"The declaration {model.path.name} cannot be read"
    daily = CronDataIntervalTimetable("@daily", timezone="UTC")
    with dag_of("retrain", model, about, daily, BROKEN, problem=problem) as dag:
        dag.tags.add("broken")
        read_again(str(model.path), problem)
    return dag


for name, path in wanted("retrain"):
    try:
        model, tree = read(path)
        timetable = when(tree)
    except Exception as problem:  # one bad file must not take the others' DAGs down
        dag = unreadable(Model(name, path), f"{type(problem).__name__}: {problem}")
    else:
        dag = retrain(model, timetable, served=bool(tree.get("serving")))
    globals()[dag.dag_id] = dag
