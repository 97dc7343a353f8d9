"""Entries that an account of the database forged, with right hashes: named, and not followed."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from pipelines.adapters.ledger.sql import ENTRIES
from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Verdict
from pipelines.core.time import epoch_us
from pipelines.release.ledger import LIVE, Entry, NewEntry
from pipelines.release.policies import CURRENT, POLICIES
from pipelines.release.policy import Approval, Facts, Outcome, decide
from pipelines.release.rollout.segment_champions import SegmentChange
from pipelines.release.rollout.transition import Stage, Transition
from pipelines.release.verification import verified_entries
from pipelines.spec.training import BudgetGate
from tests.support.promotion_home import AT, Home, inputs

LATER = datetime(2026, 1, 6, tzinfo=UTC)


@pytest.fixture
def home(either_home: Home) -> Home:
    return either_home


@pytest.fixture
def first(home: Home) -> str:
    """A home in which one version serves, by the home of this module."""
    version = home.register("run-1")
    home.promote(inputs("run-1", version, None))
    return version


def draft(run: str, candidate: str, champion: str | None, **changed: Any) -> NewEntry:
    """The entry of an honest promotion, changed afterwards."""
    given = inputs(run, candidate, champion)
    facts = given.facts.model_copy(update={"champion_at_decision": champion})
    decision = decide(given.findings, facts)
    kind = "promotion" if champion else "first_version"
    made = NewEntry(
        model="demand",
        kind=kind,
        run=run,
        as_of=AT,
        champion_before=champion,
        champion_after=candidate,
        reasons=decision.reasons,
        decision=decision,
        facts=facts,
        findings=given.findings,
    )
    return made.model_copy(update=changed)


def insert(home: Home, new: NewEntry) -> Entry:
    """Append an entry by SQL, with a right hash, as an account with INSERT can."""
    entry = Entry.append_to(new, home.ledger.head("demand"), LATER)
    row = {
        key: getattr(entry, key)
        for key in ("model", "lineage", "sequence", "run", "kind", "hash", "body")
    }
    row["recorded_us"] = epoch_us(entry.recorded_at)
    with home.ledger._engine.connect() as connection:
        connection.execute(ENTRIES.insert().values(row))
    return entry


def judged(run: str, candidate: str, champion: str, policy: str = "3", **facts: Any) -> NewEntry:
    """A promotion judged under a policy, with other facts."""
    given = inputs(run, candidate, champion, **facts)
    known = given.facts.model_copy(update={"champion_at_decision": champion})
    decision = decide(given.findings, known, POLICIES[policy])
    changed = {"facts": known, "decision": decision, "reasons": decision.reasons}
    return draft(run, candidate, champion, **changed)


def failing(first: str, second: str) -> NewEntry:
    return draft("x", second, first, findings=inputs("x", second, first, Verdict.FAIL).findings)


def unjudged(first: str, second: str) -> NewEntry:
    return draft("x", second, first, decision=None, facts=None, findings=())


def approved(first: str, second: str) -> NewEntry:
    facts = Facts(
        run="x", candidate=second, champion=first, champion_at_decision=first, review="required"
    )
    evidence = decide(inputs("x", second, first).findings, facts).evidence
    approval = Approval(evidence=evidence, approved=True, by="a forger", at=AT)
    return judged("x", second, first, review="required", approval=approval)


def moved(kind: str) -> Callable[[str, str], NewEntry]:
    def make(first: str, second: str) -> NewEntry:
        plain = {"kind": kind, "decision": None, "facts": None, "findings": ()}
        return draft("x", second, first, **plain)

    return make


def out_of_turn(first: str, second: str) -> NewEntry:
    transition = Transition(challenger=second, stage=Stage.CANARY, share=0.5, salt="x")
    return moved("rollout")(first, first).model_copy(update={"transition": transition})


def for_segments(change: SegmentChange, column: str = "") -> Callable[[str, str], NewEntry]:
    """A promotion for segments that no canary made, judged for values of a column."""

    def make(first: str, second: str) -> NewEntry:
        facts = {"rollout": "complete", "segments": ("7",), "segment_column": column}
        found = judged("x", second, first, policy=CURRENT.version, **facts)
        promotion = {"kind": "segment_promotion", "champion_after": first, "segments": change}
        return found.model_copy(update=promotion)

    return make


def returned(first: str, second: str) -> NewEntry:
    change = SegmentChange(column="line", values=("7",), version=None)
    return moved("segment_rollback")(first, first).model_copy(update={"segments": change})


def routed(first: str, second: str) -> NewEntry:
    change = SegmentChange(column="line", values=("7",), version=second)
    return moved("audit")(first, first).model_copy(update={"segments": change})


FORGERIES: dict[str, tuple[Callable[[str, str], NewEntry], str]] = {
    "its findings fail": (failing, "a replay gives another decision"),
    "it was never judged": (unjudged, "without the findings and facts"),
    "it promotes another version than was judged": (
        lambda first, second: draft("x", second, first, champion_after="99"),
        "makes version 99 champion",
    ),
    "it is a first version although there is a champion": (
        lambda first, second: draft("x", second, None, champion_before=first),
        "was judged against champion None",
    ),
    "it was judged by an older policy": (
        lambda first, second: judged("x", second, first, policy="1"),
        f"was judged by policy 1 after entries of policy {CURRENT.version}",
    ),
    "its approval answers for nothing": (approved, "never awaited review"),
    "it rolls back to a version that never was champion": (
        moved("rollback"),
        "which never was champion",
    ),
    "it moves the champion by an audit": (moved("audit"), "by an entry of kind audit"),
    "it moves the champion by a change of history": (moved("history"), "entry of kind history"),
    "it moves the champion by hand": (moved("manual_alias_change"), "without a decision"),
    "it moves the champion by a rollout": (moved("rollout"), "changes the champion"),
    "it starts a canary out of turn": (out_of_turn, "out of turn"),
    "it promotes for a segment that was never shown to gain": (
        for_segments(SegmentChange(column="line", values=("7",), version="2")),
        "is a segment_promotion by the judgement hold",
    ),
    "it promotes for a segment of another column than was judged": (
        for_segments(SegmentChange(column="line", values=("7",), version="2"), "shop"),
        "its judgement names others",
    ),
    "it returns a segment that had no champion": (returned, "had no champion of their own"),
    "it gives a segment another champion by an audit": (routed, "champions of segments by an"),
    "it claims a canary that never was": (
        lambda first, second: judged("x", second, first, rollout="complete"),
        "its judgement does not",
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_entry_is_named_and_not_followed(home: Home, first: str, forgery: str) -> None:
    make, named = FORGERIES[forgery]
    second, third = home.register("run-2"), home.register("run-3")
    insert(home, make(first, second))
    assert home.ledger.verify("demand") == 2, "the chain itself is whole"
    for act in (
        home.reconcile,
        lambda: verified_entries("demand", home.ledger),
        lambda: home.promote(inputs("run-3", third, first)),
    ):
        with pytest.raises(IntegrityError, match="the ledger has") as found:
            act()
        assert "demand/live entry 2" in found.value.got
        assert named in found.value.got
    assert home.alias == first


def cut(home: Home, after: int) -> None:
    """Delete the newest entries: take the guards away, delete, put them back."""
    with home.ledger._engine.connect() as connection:
        gone = ENTRIES.delete().where(ENTRIES.c.sequence > after)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE gauntlet_ledger DISABLE TRIGGER USER")
            connection.execute(gone)
            connection.exec_driver_sql("ALTER TABLE gauntlet_ledger ENABLE TRIGGER USER")
            return
        guards = connection.execute(
            sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        ).all()
        for name, _ in guards:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.execute(gone)
        for _, sql in guards:
            connection.exec_driver_sql(sql)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_cut_tail_is_named_and_its_try_is_not_refilled(
    home: Home, first: str, replaced: bool
) -> None:
    tried = inputs("run-2", home.register("run-2"), first, Verdict.FAIL)
    home.promote(tried.model_copy(update={"budget": BudgetGate()}))
    cut(home, after=1)
    if replaced:
        insert(home, draft("other", first, first, kind="audit", decision=None, facts=None))
    else:
        assert home.ledger.verify("demand") == 1, "the chain itself is whole"
    for act in (
        home.reconcile,
        lambda: home.promote(inputs("run-3", home.register("run-3"), first)),
        lambda: home.rollback("undo"),
    ):
        with pytest.raises(IntegrityError, match="the ledger has") as found:
            act()
        assert "demand/live entry 2" in found.value.got


def test_the_whole_ledger_was_deleted(home: Home, first: str) -> None:
    cut(home, after=0)
    with pytest.raises(IntegrityError, match="the ledger has") as found:
        home.reconcile()
    assert "entry 1: was deleted" in found.value.got
    assert home.alias == first


def test_a_kill_between_append_and_witness_is_no_alarm(home: Home, first: str) -> None:
    witness, home.ledger._witness = home.ledger._witness, None
    home.promote(inputs("run-2", home.register("run-2"), first, Verdict.FAIL))
    home.ledger._witness = witness
    assert home.ledger.witnessed("demand").sequence == 1
    home.reconcile()
    assert home.ledger.witnessed("demand").sequence == 2
    home.check(first)


def test_a_witness_never_goes_back(home: Home, first: str) -> None:
    old = home.ledger.head("demand")
    home.promote(inputs("run-2", home.register("run-2"), first, Verdict.FAIL))
    home.ledger.witness(old)
    assert home.ledger.witnessed("demand").sequence == 2


def test_a_witness_that_cannot_be_read_is_named(home: Home, first: str) -> None:
    (home.folder / "witness" / "demand" / f"{LIVE}.json").write_text("{}")
    with pytest.raises(IntegrityError, match="witness cannot be read"):
        home.reconcile()


def test_an_honest_review_is_followed(home: Home, first: str) -> None:
    second = home.register("run-2")
    awaited = home.promote(inputs("run-2", second, first, review="required"))
    assert awaited.outcome == Outcome.AWAIT_REVIEW
    approval = Approval(evidence=awaited.decision.evidence, approved=True, by="Ada", at=AT)
    home.promote(inputs("run-2", second, first, review="required", approval=approval))
    home.check(second)
