"""A release and a backfill in real Airflow, with every component killed.

MLflow's server, Airflow's four daemons and their PostgreSQL are those of ``make up``, in a home of
their own. Both tests share them, because starting them takes half a minute of CPU. So does starting
them again, which is why `make test` kills the triggerer alone: it is the one that runs our code
while a release waits. `make proof` kills all four, at both moments.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.core.markup import url_part
from pipelines.core.time import instant_text
from pipelines.release.ledger import LIVE
from pipelines.release.promotion import DecisionInput, promote
from pipelines.wiring import connect
from tests.support.pharmacy import FIRST, SECOND, WEEK, Pharmacy, write_days
from tests.support.rollout_factory import ROLLOUT, at, challenged
from tests.support.servers import PATIENCE_S
from tests.support.services.airflow import DAEMONS, ENDED, RunningAirflow, stack_of, until
from tests.support.services.browser import (
    chromium,
    log_in_to_airflow,
    open_page,
    programs,
    wait_for,
)

DAG, BACKFILL = "release__demand", "backfill__demand"
DAY = timedelta(days=1)
# As-of instants of the declared schedule, Mondays at six.
WEEKS = tuple(FIRST + timedelta(hours=6) + number * WEEK for number in (1, 2, 3, 4))
SHADOW_S = 20  # its requests count an hour after it begins; so it ends after twice as long
WAITS = "Waiting for response"  # in Airflow's log, at each request for an approval


@dataclass
class Live(RunningAirflow):
    """A release in Airflow, and the home that it is about."""

    pharmacy: Pharmacy = field(kw_only=True)

    def wait_for_question(self, run: str) -> None:
        """Wait for the question, and until the scheduler knows that its worker is done.

        Airflow 3.3 takes an answer that comes in between, some seconds, for a lost task: the state
        is then another one than the worker's late message leads it to expect.
        """
        self.wait(run, "approval", "awaiting_input")
        line = f"'approval', run_id='{re.escape(run)}'"
        message = re.compile(f"executor event with state success.*{line}")
        log = self.daemon("airflow-scheduler").log

        def known() -> bool:
            answers = log.read_text(encoding="utf-8")
            return len(message.findall(answers)) >= self.log(run, "approval").count(WAITS)

        until("the scheduler knows of the question", known)

    def question(self, run: str) -> dict[str, Any]:
        """The form that a person fills in."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/approval/-1/hitlDetails"
        found: dict[str, Any] = self.request(path)
        return found

    def answer(self, run: str, option: str, evidence: str, note: str = "") -> None:
        """What the form of Airflow's page sends."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/approval/-1/hitlDetails"
        answers = {"evidence": evidence, "note": note}
        assert self.request(path, {"chosen_options": [option], "params_input": answers}, "PATCH")

    def approve_as_a_person(self, run: str, evidence: str, note: str) -> None:
        """Approve on Airflow's page; where there is no Chromium, by what that page sends."""
        if programs() is None:
            self.answer(run, "Approve", evidence, note)
            return
        page = f"dags/{DAG}/runs/{url_part(run)}/tasks/approval/required_actions"
        with chromium(self.stack.home / "chromium") as browser:
            log_in_to_airflow(browser, self.stack.airflow_url, "admin", self.stack.password)
            open_page(browser, f"{self.stack.airflow_url}/{page}")
            shown = wait_for(browser, "#element_evidence").get_attribute("value")
            assert shown == evidence, "the form names other evidence than the question"
            wait_for(browser, "#element_note").send_keys(note)
            wait_for(browser, "button", "Approve").click()
            until("the answer has arrived", lambda: self.question(run)["response_received"])

    def an_hour_passes(self, run: str) -> None:
        """The limit of the open question is moved into the past, where the scheduler finds it."""
        before = self.log(run, "approval").count(WAITS)
        self.in_the_past("task_instance", "trigger_timeout", "state = 'awaiting_input'")
        until(
            "the approval is requested again",
            lambda: self.log(run, "approval").count(WAITS) > before,
        )
        self.wait_for_question(run)

    def workers_are_idle(self) -> None:
        """Wait until no slot of a worker is taken, and no process of a task runs."""

        def idle() -> bool:
            pool = self.request("/api/v2/pools/default_pool")
            workers = self.daemon("airflow-scheduler").running().children()
            tasks = [task for worker in workers for task in worker.children()]
            ended = all(task.status() == psutil.STATUS_ZOMBIE for task in tasks)
            return ended and (pool["running_slots"], pool["queued_slots"]) == (0, 0)

        until("all workers are idle", idle)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that the account of PostgreSQL can enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="gauntlet-stack-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[Live]:
    """Version 2 awaits review; MLflow and Airflow run over its home."""
    shadow = {**ROLLOUT["shadow"], "duration": f"{SHADOW_S}s"}
    # Checks are far apart: it is looked at when shadow ends, and at its very end.
    pharmacy = challenged(
        folder,
        {**ROLLOUT, "shadow": shadow, "canary": {**ROLLOUT["canary"], "check_every": "1h"}},
        mlflow=True,
        review="required",
    )
    settings = {
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",  # no declaration changes
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
    }
    with stack_of(pharmacy.settings, **settings) as stack:
        live = Live(stack, DAG, pharmacy=pharmacy)
        live.login()
        yield live


@dataclass
class Backfill(RunningAirflow):
    """Airflow's own backfill of the weeks."""

    def create(self, **options: Any) -> None:
        """Create it over REST; all of its runs may be active at once."""
        start, end = WEEKS[0] - WEEK, WEEKS[-1] - WEEK  # starts of intervals
        dates = {"from_date": instant_text(start), "to_date": instant_text(end)}
        body = {"dag_id": self.dag, "max_active_runs": len(WEEKS), **dates, **options}
        assert self.request("/api/v2/backfills", body, "POST")

    def states(self) -> dict[str, str]:
        """The state of each run."""
        return {run["dag_run_id"]: run["state"] for run in self.dag_runs()}

    def wait_for_all(self, runs: list[str]) -> dict[str, str]:
        """The state of each run, when all have ended."""

        def ended() -> dict[str, str] | None:
            states = self.states()
            return states if all(states.get(run) in ENDED for run in runs) else None

        found: dict[str, str] = until("all weeks have ended", ended, 3 * PATIENCE_S)
        return found

    def has_ended(self) -> bool:
        """Whether Airflow takes another backfill; it looks every 30 s."""
        found = self.request(f"/api/v2/backfills?dag_id={self.dag}")
        return all(one["completed_at"] for one in found["backfills"])


def judged_again(live: Live) -> str:
    """The same version, judged by another run: new evidence, which awaits review anew."""
    requested = live.chain()[-1]
    assert requested.facts is not None
    parts = at(live.pharmacy, SECOND, registry=connect(live.stack.settings).registry)
    entry = promote(
        DecisionInput(
            model="demand",
            as_of=requested.as_of,
            facts=requested.facts.model_copy(update={"run": f"{requested.run}-again"}),
            findings=requested.findings,
            spec=requested.spec,
            recipe=requested.recipe,
            snapshot=requested.snapshot,
        ),
        parts.ledger,
        parts.registry,
        parts.clock,
    )
    assert entry.outcome == "await_review"
    assert entry.decision is not None
    return entry.decision.evidence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at_once", "in_turn"),
    [
        pytest.param((), ("airflow-triggerer",), id="the_triggerer"),
        pytest.param(DAEMONS, DAEMONS, id="each_twice", marks=pytest.mark.proof),
    ],
)
def test_a_release_goes_on_after_a_person_and_after_every_component_was_killed(
    live: Live, at_once: tuple[str, ...], in_turn: tuple[str, ...]
) -> None:
    """The question outlives the API server, and what is deferred the scheduler and triggerer."""
    requested = live.chain()[-1].decision
    assert requested is not None
    live.request(f"/api/v2/dags/{DAG}", {"is_paused": False}, "PATCH")
    [first, *_] = until("a run", live.runs)

    # Approval is requested for the evidence, and no worker is busy meanwhile.
    live.wait_for_question(first)
    question = live.question(first)
    assert question["options"] == ["Approve", "Reject"]
    assert question["params"]["evidence"]["value"] == requested.evidence
    assert requested.evidence in question["body"]
    assert "primary" in question["body"]
    assert f"{live.stack.mlflow_url}/#/models/demand/versions/2" in question["body"]
    live.workers_are_idle()

    # An hour without an answer: it checks whether one was given elsewhere, and waits on.
    live.an_hour_passes(first)
    assert live.question(first)["response_received"] is False

    # An answer for evidence that has changed does not count, and the next run requests a new one.
    evidence = judged_again(live)
    live.answer(first, "Approve", requested.evidence)
    live.wait(first, "approval", "failed")
    assert "the answer names other evidence" in live.log(first, "approval")
    until("the run's note", lambda: live.note(first).startswith("▸ approval failed: the answer"))
    assert live.chain()[-1].outcome == "await_review", "an answer for other evidence counted"
    made = live.request(f"/api/v2/dags/{DAG}/dagRuns", {"logical_date": None}, "POST")
    run = made["dag_run_id"]
    live.wait_for_question(run)
    body = live.question(run)["body"]
    assert evidence in body
    assert f"an answer for `{requested.evidence[:12]}` does not count any more" in body

    # They die at once while a person thinks.
    for name in at_once:
        live.kill(name)
    killed = datetime.now(UTC)
    for name in at_once:
        assert live.daemon(name).start()
    if at_once:
        live.wait_for_heartbeats(killed)
    assert live.task(run, "approval")["state"] == "awaiting_input"
    live.approve_as_a_person(run, evidence, "checked")
    live.wait(run, "release", "deferred")
    approvals = [entry.facts.approval for entry in live.chain() if entry.facts]
    [approval] = [one for one in approvals if one is not None]
    assert (approval.by, approval.note) == ("admin, in Airflow", "checked")
    assert approval.evidence == evidence

    # Deferred to the end of shadow: one after the other dies, and comes back.
    begun = live.chain()[-1].recorded_at
    live.workers_are_idle()
    waits = live.task(run, "release")["state"] == "deferred"
    assert waits or datetime.now(UTC) >= begun + timedelta(seconds=2 * SHADOW_S)
    for name in in_turn:
        live.kill(name)
        killed = datetime.now(UTC)
        assert live.daemon(name).start()
    live.wait_for_heartbeats(killed)
    undisturbed = live.task(run, "release")["state"] == "deferred"
    live.wait(run, "release", "success", 2 * SHADOW_S + 2 * PATIENCE_S)
    # On a machine so slow that its moment came meanwhile, a step was killed as well, and repeated.
    again = live.task(run, "release")["try_number"] > 1
    assert not (undisturbed and again), "it did not go on, it began anew"
    assert "py.warnings" not in live.log(run, "release")
    until("the run's note", lambda: ": ended: " in live.note(run))
    last = live.chain()[-1]
    assert [one.transition.stage.value for one in live.chain() if one.transition] == [
        "shadow",
        "ended",
    ]
    assert last.as_of >= begun + timedelta(seconds=2 * SHADOW_S), "it did not wait for its moment"


@pytest.mark.slow
@pytest.mark.proof  # in short: dags/test_dag_backfill.py
def test_a_backfill_decides_each_week_once_and_in_order(live: Live) -> None:
    """Four weeks at once and backwards, a scheduler killed, no data, and a failed week again."""
    if live.stack.no_postgres:
        pytest.skip(live.stack.no_postgres)
    store, before = Path(live.pharmacy.store), live.chain()
    write_days(store, SECOND + WEEK, FIRST + 4 * WEEK + DAY)  # none of the second week
    [torn] = store.glob(f"dispensing/dt={WEEKS[-1] - 2 * DAY:%Y-%m-%d}/*.parquet")
    whole = torn.read_bytes()
    torn.write_bytes(whole[:100])
    backfill = Backfill(live.stack, BACKFILL, live.token)
    runs = [f"backfill__{as_of.isoformat()}" for as_of in WEEKS]

    # A scheduler that dies in the middle of the first week loses nothing.
    backfill.create(run_backwards=True)
    until("training", lambda: backfill.task(runs[0], "train").get("start_date"))
    assert backfill.states()[runs[0]] == "running"
    backfill.kill("airflow-scheduler")
    backfill.in_the_past("job", "latest_heartbeat", "job_type = 'SchedulerJob'")
    assert backfill.daemon("airflow-scheduler").start()
    states = backfill.wait_for_all(runs)
    notes = [backfill.note(run) for run in runs]
    assert [states[run] for run in runs] == ["success", "success", "success", "failed"], notes
    assert backfill.task(runs[3], "snapshot")["state"] == "failed", "its newest file is torn"
    [lineage] = [
        one for one in connect(live.stack.settings).ledger.lineages("demand") if one != LIVE
    ]
    begun, first, empty, third = backfill.chain(lineage)
    assert begun.champion_after == "1"
    assert [one.as_of for one in (first, empty, third)] == list(WEEKS[:3])
    assert empty.candidate is None, "nothing is trained where there is no data"
    assert first.champion_after == empty.champion_after == third.champion_before

    # The failed week is decided when its file is mended, and the others are left as they are.
    torn.write_bytes(whole)
    until("the backfill has ended", backfill.has_ended)
    backfill.create(reprocess_behavior="failed")
    states = backfill.wait_for_all(runs)
    assert set(states.values()) == {"success"}, backfill.note(runs[3])
    *same, last = backfill.chain(lineage)
    assert same == [begun, first, empty, third]
    assert last.as_of == WEEKS[-1]
    assert lineage in backfill.log(runs[3], "compare")
    assert live.chain() == before, "a backfill changes nothing in live"

    # The shell finds the same backfill.
    ends = ("--from", instant_text(WEEKS[0]), "--to", instant_text(WEEKS[-1]))
    found = live.pharmacy.cli("backfill", "demand", *ends, "--json")
    assert found.code == 0, found.err
    assert found.body["lineage"] == lineage
    outcomes = [entry.outcome for entry in (first, empty, third, last)]
    assert [week["outcome"] for week in found.body["weeks"]] == outcomes
    assert backfill.chain(lineage) == (*same, last)
