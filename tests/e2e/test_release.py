"""A challenger on live traffic, from shadow to the holdback, over a small world that reacts."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.core.errors import StaleEvidenceError, TimeError
from pipelines.core.findings import Gate, Verdict, make_finding
from pipelines.flows.release.advance import advance
from pipelines.flows.release.pages import update_model_pages
from pipelines.flows.retrain.earlier.held_back import with_holdbacks
from pipelines.flows.retrain.earlier.kept_versions import KeptVersion, KeptVersions
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import name_run, open_run
from pipelines.flows.serving.publish import publish_plan
from pipelines.flows.status import overview
from pipelines.gates.canary.pooled_refreshes import outcome_key
from pipelines.gates.canary.refresh_gain import RefreshGain
from pipelines.gates.refresh.record import HeldBack, RefreshRecord
from pipelines.release.ledger import Entry, NewEntry, chain_errors, replay
from pipelines.release.policy import decide
from pipelines.release.registry import CHALLENGER, CHAMPION
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.spec.predictions import Arm
from pipelines.spec.rollout import Rollout
from tests.support.effects.measured import effects_of
from tests.support.pharmacy import SECOND, Pharmacy
from tests.support.rollout_factory import (
    CANARY,
    DAY,
    HOUR,
    ROLLOUT,
    VERDICT,
    WAIT,
    Traffic,
    at,
    run_canary,
    sales_factor,
    shared_challenger,
    step,
    verdicts,
    write_sales,
)


@pytest.fixture
def pharmacy(tmp_path: Path) -> Pharmacy:
    """Version 2 passed every offline gate and waits."""
    return shared_challenger().twin(tmp_path)


def serves(pharmacy: Pharmacy) -> tuple[str | None, str | None]:
    registry = pharmacy.registry
    return registry.alias("demand", CHAMPION), registry.alias("demand", CHALLENGER)


def page(pharmacy: Pharmacy, status: str) -> str:
    """The tags of version 2 on live traffic; earlier ones are kept."""
    registry = pharmacy.registry
    assert registry.tags("demand", "2")["rollout"] == status
    live, before = registry.described("demand", "2").split("*Review before live traffic:*")
    assert before.strip().startswith("✔ Passed offline: live traffic decides\n---")
    return live


@pytest.mark.slow
def test_a_challenger_that_sells_more_is_promoted_and_then_watched(pharmacy: Pharmacy) -> None:
    report = run_canary(pharmacy, sales_factor(1.4))
    assert report.action == "canary", (report.summary, verdicts(report))
    assert page(pharmacy, "canary").startswith("◔ In canary")
    assert "| shadow.errors" in page(pharmacy, "canary")
    assert serves(pharmacy) == ("1", "2")
    plan = publish_plan("demand", at(pharmacy, CANARY).publishing)
    assert plan.challenger is not None
    assert (plan.champion.version, plan.challenger.version) == ("1", "2")
    assert plan.allocation.share == 0.5

    pharmacy.registry.set_alias("demand", CHALLENGER, None)
    assert publish_plan("demand", at(pharmacy, CANARY).publishing).challenger is None, (
        "removing the alias takes the challenger off live traffic"
    )

    early = step(pharmacy, CANARY + 9 * DAY)
    assert serves(pharmacy) == ("1", "2"), "the ledger decides, so a step puts it back"
    assert (early.action, early.weeks) == ("waiting", 0), "a week counts when its sales are known"
    assert early.next_check == CANARY + 10 * DAY
    assert "0 of 2 weeks have matured; next check 20" in page(pharmacy, "canary")

    report = step(pharmacy, VERDICT)
    assert report.action == "promoted", (report.summary, verdicts(report))
    assert [look.week for look in report.looks] == [2]
    assert serves(pharmacy) == ("2", None)
    won = page(pharmacy, "promoted")
    assert won.startswith("✔ Champion: it won its canary\n---")
    assert "| canary.primary&emsp; | ✔&nbsp;pass" in won
    assert "| promoted&emsp; |" in won
    chain = at(pharmacy, VERDICT).ledger.entries("demand")
    assert not chain_errors(chain)
    assert replay(chain[-1]).outcome == "promote"
    assert len(list((pharmacy.home / "releases" / "demand").glob("*.json"))) == 2

    assert step(pharmacy, VERDICT).action == "holdback"
    assert serves(pharmacy) == ("2", "1"), "the former champion answers what is held back"
    again = name_run(Request(model="demand", as_of=SECOND), at(pharmacy, VERDICT).retraining)
    [admitted] = [entry for entry in chain if entry.outcome == "start_rollout"]
    assert again.identity.id == admitted.run, "the same request is still the same run"
    move = ReleaseState.from_entries(
        "demand", at(pharmacy, VERDICT).ledger.entries("demand")
    ).active
    assert move is not None
    after = {Arm.CHALLENGER: 1.0, Arm.CONTROL: 3.0, Arm.CHAMPION: 3.0}  # the roles are swapped
    end = VERDICT + 18 * DAY
    write_sales(Path(pharmacy.store), VERDICT, end, move.salt, 0.5, lambda arm: after[arm])
    Traffic().log(pharmacy, VERDICT + HOUR, end)
    watched = step(pharmacy, VERDICT + 13 * DAY)
    assert (watched.action, watched.weeks, watched.planned_weeks) == ("waiting", 1, 2)
    kept = step(pharmacy, end)
    assert kept.action == "kept", (kept.summary, verdicts(kept))
    assert "canary.realised_gain" in verdicts(kept)
    assert page(pharmacy, "kept").startswith("✔ Champion")
    assert serves(pharmacy) == ("2", None)
    assert step(pharmacy, end).action == "idle"
    held = effects_of(at(pharmacy, end), end, arms="holdback")
    assert (held.version, held.against, held.ended) == ("2", "1", end)
    assert held.outcome.best.low > 0, "the roles are swapped, not the sign"
    (measured,) = held_back(pharmacy, end)
    gain = next(one.value for one in kept.findings if one.name == "canary.realised_gain")
    assert measured.weeks == 2
    assert measured.lost == pytest.approx(-2 * gain / 0.2), "in minimum effects of its outcome"
    assert held_back(pharmacy, VERDICT + 13 * DAY)[0].weeks == 1
    assert held_back(pharmacy, VERDICT + DAY) == ()


@pytest.mark.slow
def test_a_refresh_has_a_short_canary_once_earlier_ones_have_proved_that_refreshing_pays(
    pharmacy: Pharmacy,
) -> None:
    refreshed(pharmacy, canaries=7)
    assert run_canary(pharmacy, sales_factor(1.4)).action == "canary"
    began = at(pharmacy, CANARY).ledger.entries("demand")[-1]
    names = [finding.name for finding in began.findings]
    assert names[-2:] == ["budget.spent", "canary.refreshes_pay"]
    assert "budget.level" not in names, "the canary of a refresh is no try"
    assert "end after a week without harm" in began.findings[-1].reason

    early = step(pharmacy, CANARY + 9 * DAY)
    assert (early.action, early.weeks, early.planned_weeks) == ("waiting", 0, 1)
    assert early.next_check == CANARY + 10 * DAY
    week = CANARY + 7 * DAY + WAIT
    report = step(pharmacy, week)
    assert report.action == "promoted", (report.summary, verdicts(report))
    chain = at(pharmacy, week).ledger.entries("demand")
    assert replay(chain[-1]).outcome == "promote"
    assert chain[-1].transition is not None
    gain = chain[-1].transition.gain
    assert gain is not None
    assert (gain.weeks, gain.margin) == (1, 0.5 * 0.2)
    assert "refreshing this recipe has been proved to pay" in page(pharmacy, "promoted")
    assert "8 canaries of refreshes" in page(pharmacy, "promoted")
    assert "canaries of refreshes: 8 canaries" in pharmacy.cli("explain", "demand", "2").out
    assert "canaries of refreshes: 8 canaries" in pharmacy.cli("ledger", "demand").out
    assert step(pharmacy, week).action == "holdback"


def refreshed(pharmacy: Pharmacy, canaries: int) -> None:
    """Version 2 waits as a refresh, after as many canaries of refreshes that gained something."""
    ledger = at(pharmacy, SECOND).ledger
    head = ledger.entries("demand")[-1]
    assert head.facts is not None
    body = {name: getattr(head, name) for name in NewEntry.model_fields}
    looks = make_finding("refresh.looks_better", Verdict.PASS, "a test")
    findings = (*(one for one in head.findings if one.gate is not Gate.BUDGET), looks)
    key = outcome_key(Rollout.model_validate(ROLLOUT))
    won = RefreshGain(outcome=key, weeks=2, gain=0.2, margin=0.1)
    drafts: list[NewEntry] = []
    for version in (*(f"9{number}" for number in range(canaries)), "2"):
        run = f"refresh-{version}"
        facts = head.facts.model_copy(update={"lane": "refresh", "run": run, "candidate": version})
        decision = decide(findings, facts)
        judged = {"run": run, "facts": facts, "findings": findings, "decision": decision}
        drafts.append(NewEntry.model_validate({**body, **judged}))
        for stage in (Stage.SHADOW, Stage.CANARY, Stage.ENDED) if version != "2" else ():
            gain = won if stage is Stage.ENDED else None
            moved = Transition(challenger=version, stage=stage, salt=version, gain=gain)
            cleared = {"facts": None, "findings": (), "decision": None, "trained": None}
            stages = {"kind": "rollout", "run": f"{run}.{stage}", "transition": moved}
            drafts.append(NewEntry.model_validate({**body, **cleared, **stages}))
    for draft in drafts:
        head = ledger.append(draft, after=head.sequence)
    assert head.outcome == "start_rollout", head.reasons


def held_back(pharmacy: Pharmacy, as_of: datetime) -> tuple[HeldBack, ...]:
    """What a retraining as of an instant reads of holdbacks, as if both recipes were one."""
    run = open_run(Request(model="demand", as_of=as_of), at(pharmacy, as_of).retraining)
    entries = run.collaborators.ledger.entries("demand")
    kept = tuple(
        KeptVersion(info, info.as_of)
        for info in run.collaborators.versions.registry.versions("demand")
    )
    versions = KeptVersions(run.spec.recipe, kept, run.collaborators.versions, entries)
    record = with_holdbacks(run, RefreshRecord(recipe=run.spec.recipe), versions, entries)
    return record.held_back


@pytest.mark.slow
def test_what_only_the_canary_can_show_is_rolled_back_at_once(pharmacy: Pharmacy) -> None:
    """Offline and in shadow nothing is wrong: its answers are as the champion's."""
    assert run_canary(pharmacy, sales_factor(0.5)).action == "canary"
    report = step(pharmacy, CANARY + 9 * DAY)
    assert report.action == "ended", (report.summary, verdicts(report))
    assert verdicts(report)["canary.harm.packs_a_sale"] == "fail"
    assert serves(pharmacy) == ("1", None)
    assert publish_plan("demand", at(pharmacy, CANARY + 9 * DAY).publishing).challenger is None
    reported = page(pharmacy, "rolled back")
    assert reported.startswith("✘ Rolled back: it did harm\n---\n\nHarm is shown")
    assert reported.index("canary.harm.packs_a_sale") < reported.index("canary.primary"), (
        "harm comes first"
    )
    assert step(pharmacy, CANARY + 10 * DAY).action == "idle", "it does not begin again"
    assert page(pharmacy, "rolled back") == reported

    explained = pharmacy.cli("explain", "demand", "2")
    assert "live traffic: rolled back" in explained.out
    assert "FAIL  canary.harm.packs_a_sale" in explained.out
    since = pharmacy.cli("explain", "demand", "2", "--json").body["since"]
    assert [one["transition"]["stage"] for one in since] == ["shadow", "canary", "ended"]


def test_a_repeated_decision_keeps_the_page_that_a_promotion_left(pharmacy: Pharmacy) -> None:
    """Clearing the task ``decide`` in Airflow repeats it weeks later."""
    registry, decided = pharmacy.registry, at(pharmacy, SECOND).ledger.entries("demand")
    entries = list(decided)
    for stage, after in (("shadow", "1"), ("canary", "1"), ("promoted", "2")):
        transition = {"challenger": "2", "stage": stage, "salt": "a"}
        draft = NewEntry.model_validate(
            {
                "model": "demand",
                "kind": "rollout",
                "run": f"the stage {stage}",
                "as_of": CANARY,
                "reasons": (stage,),
                "champion_before": "1",
                "champion_after": after,
                "transition": transition,
                "decision": {**dict(decided[-1].decision), "outcome": "promote"},
            }
        )
        entries.append(Entry.append_to(draft, entries[-1], CANARY))
    update_model_pages("demand", entries, registry, "")
    assert registry.tags("demand", "2")["outcome"] == "promoted"
    left = page(pharmacy, "promoted"), dict(registry.tags("demand", "2"))
    again = pharmacy.retrain(SECOND, parts=at(pharmacy, CANARY))
    assert again.outcome == "start_rollout"
    assert (page(pharmacy, "promoted"), dict(registry.tags("demand", "2"))) == left


@pytest.mark.slow
def test_where_nothing_differs_nothing_is_promoted(pharmacy: Pharmacy) -> None:
    assert run_canary(pharmacy, sales_factor(1.0)).action == "canary"
    report = step(pharmacy, VERDICT)
    assert report.action == "ended", (report.summary, verdicts(report))
    assert "inconclusive" in report.summary
    assert page(pharmacy, "inconclusive").startswith("○ Not promoted")
    assert serves(pharmacy) == ("1", None)


class Dies(Exception):
    """The process ends here."""


@pytest.mark.slow
def test_a_promotion_that_is_killed_before_the_alias_is_finished(
    pharmacy: Pharmacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_canary(pharmacy, sales_factor(1.4))
    registry = pharmacy.registry
    real = type(registry).set_alias

    def die(self: object, model: str, name: str, version: str | None) -> None:
        if (name, version) == (CHAMPION, "2"):
            raise Dies
        real(registry, model, name, version)

    with monkeypatch.context() as patch:
        patch.setattr(type(registry), "set_alias", die)
        with pytest.raises(Dies):
            step(pharmacy, VERDICT)
    assert serves(pharmacy) == ("1", "2"), "the ledger is ahead of the aliases"
    before = at(pharmacy, VERDICT).ledger.entries("demand")
    assert before[-1].champion_after == "2"
    page(pharmacy, "canary")

    assert step(pharmacy, VERDICT).action == "holdback"
    assert serves(pharmacy) == ("2", "1")
    assert page(pharmacy, "holdback").startswith("✔ Champion, in holdback")
    assert len(at(pharmacy, VERDICT).ledger.entries("demand")) == len(before) + 1


@pytest.mark.slow
def test_two_at_once_make_one_move_and_a_clock_set_back_none(pharmacy: Pharmacy) -> None:
    ready, answers = threading.Barrier(2), []

    def run() -> None:
        parts = at(pharmacy, SECOND)
        ready.wait()
        try:
            answers.append(advance("demand", SECOND, parts.release).action.value)
        except StaleEvidenceError:
            answers.append("superseded")

    both = [threading.Thread(target=run) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    chain = at(pharmacy, SECOND).ledger.entries("demand")
    assert sum(entry.transition is not None for entry in chain) == 1, answers
    assert len(answers) == 2

    back = step(pharmacy, SECOND - DAY)
    assert back.action == "waiting"
    assert back.next_check == SECOND
    assert at(pharmacy, SECOND).ledger.entries("demand") == chain
    with pytest.raises(TimeError):
        advance("demand", SECOND + DAY, at(pharmacy, SECOND).release)


@pytest.mark.slow
def test_without_a_log_shadow_has_no_data_and_ends(pharmacy: Pharmacy) -> None:
    assert step(pharmacy, SECOND).action == "shadow"
    report = step(pharmacy, CANARY)
    assert (report.action, verdicts(report)["shadow.requests"]) == ("waiting", "no_data")
    (status,) = overview(["demand"], at(pharmacy, CANARY).overview).models
    assert status.rollout is not None
    rollout = status.rollout
    assert (rollout.challenger, rollout.stage, rollout.since) == ("2", "shadow", SECOND)
    assert rollout.next_check == report.next_check
    report = step(pharmacy, CANARY + 2 * DAY)
    assert report.action == "ended"
    assert "no_data" in report.summary


@pytest.mark.slow
@pytest.mark.parametrize(
    ("traffic", "name"),
    [
        (Traffic(slower=3.0), "shadow.latency"),
        (Traffic(failing=0.2), "shadow.errors"),
    ],
    ids=["slow", "failing"],
)
def test_shadow_stops_what_is_broken(pharmacy: Pharmacy, traffic: Traffic, name: str) -> None:
    report = run_canary(pharmacy, sales_factor(1.0), traffic)
    assert report.action == "ended"
    assert verdicts(report)[name] == "fail"
    assert f", `{name}`: " in page(pharmacy, "failed in shadow")


@pytest.mark.slow
def test_answers_in_the_wrong_arm_make_a_canary_void(pharmacy: Pharmacy) -> None:
    def spoil(table: pa.Table) -> pa.Table:
        """One entity of the control arm is answered as if it were in the other."""
        arm, entity = table["arm"], table["entity"]
        control = pc.equal(arm, pa.scalar("control"))
        if not pc.any(control).as_py():
            return table  # before the canary
        odd = pc.and_(control, pc.equal(entity, entity.filter(control)[0]))
        changed = pc.if_else(odd, "challenger", arm)
        return table.set_column(table.schema.get_field_index("arm"), "arm", changed)

    run_canary(pharmacy, sales_factor(1.0), Traffic(spoil=spoil))
    report = step(pharmacy, CANARY + 9 * DAY)
    assert report.action == "ended"
    assert verdicts(report)["canary.sample_ratio.assignment"] == "fail"
    assert "void" in report.summary


@pytest.mark.slow
def test_an_alias_moved_under_a_trial_is_set_back(pharmacy: Pharmacy) -> None:
    step(pharmacy, SECOND)
    pharmacy.registry.set_alias("demand", CHAMPION, "2")  # by hand
    plan = publish_plan("demand", at(pharmacy, SECOND).publishing)
    assert plan.champion.version == "1", "services follow the ledger, not the alias"
    report = step(pharmacy, SECOND + HOUR)
    assert report.action == "waiting"
    assert "the alias champion named version 2 where the ledger has version 1" in report.summary
    assert serves(pharmacy) == ("1", "2")
    kinds = [entry.kind for entry in at(pharmacy, SECOND).ledger.entries("demand")]
    assert "manual_alias_change" in kinds
