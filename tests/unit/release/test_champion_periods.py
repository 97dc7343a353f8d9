from datetime import timedelta

from pipelines.core.time import parse_instant
from pipelines.release.champion_periods import (
    champion_periods,
    entries_as_of,
    last_answer,
    unanswered_stops,
    update_versions,
)
from pipelines.release.ledger import Entry, NewEntry
from pipelines.release.policy import Facts

START = parse_instant("2026-01-05")
TRAINED = {"1": START, "2": START + timedelta(days=7)}


def entry(day, after, before=None, kind="promotion", facts=None):
    return NewEntry(
        model="m",
        kind=kind,
        run=str(day),
        as_of=START + timedelta(days=day),
        champion_before=before,
        champion_after=after,
        reasons=("r",),
        facts=facts,
    )


def test_each_change_of_the_champion_begins_a_period():
    chain = [entry(0, "1"), entry(7, "1", "1", "decision"), entry(14, "2", "1")]
    found = champion_periods(chain, TRAINED)
    assert [(period.version, period.as_of) for period in found] == [
        ("1", TRAINED["1"]),
        ("2", TRAINED["2"]),
    ]
    assert [period.since for period in found] == [chain[0].as_of, chain[2].as_of]


def test_a_version_that_was_restored_has_a_second_period():
    chain = [entry(0, "1"), entry(7, "2", "1"), entry(14, "1", "2", "rollback")]
    assert [one.version for one in champion_periods(chain, TRAINED)] == ["1", "2", "1"]


def test_periods_begin_anew_after_a_changed_recipe():
    chain = [entry(0, "1"), entry(7, "9", "1"), entry(14, "2", "9")]
    assert [one.version for one in champion_periods(chain, TRAINED)] == ["2"]


def test_a_stop_counts_until_a_person_waives_it():
    def waiver(reason):
        return Facts(
            run="r",
            candidate="3",
            champion="1",
            champion_at_decision="1",
            waived=("refresh.stop",),
            reason=reason,
        )

    stop = entry(20, "1", "2", "stop")
    chain = [entry(0, "1"), entry(7, "2", "1"), stop]
    assert unanswered_stops(chain) == (stop.as_of,)
    assert unanswered_stops([*chain, entry(27, "1", "1", "decision", waiver(""))]) == (stop.as_of,)
    answer = entry(27, "1", "1", "decision", waiver("mended"))
    assert unanswered_stops([*chain, answer]) == ()
    assert last_answer([*chain, answer]) == answer.as_of
    rehearsal = entry(27, "1", "1", "dry_run", waiver("mended"))
    assert unanswered_stops([*chain, rehearsal]) == (stop.as_of,)
    assert last_answer([*chain, rehearsal]) is None


def test_stops_of_a_recipe_do_not_count_for_the_next_one():
    def promoted(day, version, before, recipe):
        facts = Facts(run="r", candidate=version, champion=before, champion_at_decision=before)
        changed = {"facts": facts, "recipe": recipe}
        return entry(day, version, before).model_copy(update=changed)

    chain = [promoted(0, "1", None, "a"), promoted(7, "2", "1", "a"), entry(20, "1", "2", "stop")]
    assert len(unanswered_stops([*chain, promoted(27, "3", "1", "a")])) == 1
    assert unanswered_stops([*chain, promoted(27, "3", "1", "b")]) == ()
    later = [promoted(27, "3", "1", "b"), promoted(34, "4", "3", "b"), entry(41, "3", "4", "stop")]
    assert unanswered_stops([*chain, *later]) == (later[-1].as_of,)


def appended(entries, recorded_days):
    head, chain = None, []
    for draft, day in zip(entries, recorded_days, strict=True):
        head = Entry.append_to(draft, head, START + timedelta(days=day))
        chain.append(head)
    return chain


def test_an_instant_knows_what_had_been_recorded_by_then():
    chain = appended([entry(0, "1"), entry(7, "2", "1")], [0, 9])
    assert entries_as_of(chain, START + timedelta(days=8)) == (chain[0],)
    assert entries_as_of(chain, START + timedelta(days=9)) == tuple(chain)


def test_in_a_replay_of_the_past_decisions_count_from_their_as_of():
    chain = appended([entry(0, "1"), entry(7, "2", "1"), entry(3, "2", "2")], [90, 91, 92])
    assert entries_as_of(chain, START + timedelta(days=5)) == (chain[0],)
    assert entries_as_of(chain, START - timedelta(days=1)) == ()
    assert entries_as_of(chain, START + timedelta(days=91)) == tuple(chain[:2])


def test_updates_belong_to_the_period_of_their_anchor():
    def moved(day, after, before, lane, kind="promotion"):
        facts = Facts(
            run="r", candidate=after, champion=before, champion_at_decision=before, lane=lane
        )
        return entry(day, after, before, kind, facts if kind == "promotion" else None)

    chain = [entry(0, "1"), moved(1, "8", "1", "update"), moved(2, "9", "8", "update")]
    assert update_versions(chain) == {"8", "9"}
    assert [one.version for one in champion_periods(chain, TRAINED)] == ["1"]
    undone = [*chain, moved(3, "1", "9", "update", "rollback")]
    assert [one.version for one in champion_periods(undone, TRAINED)] == ["1"]
    replaced = [*undone, moved(7, "2", "1", "refresh"), moved(8, "10", "2", "update")]
    found = champion_periods(replaced, TRAINED | {"8": START, "9": START, "10": START})
    assert [one.version for one in found] == ["1", "2"]
    restored = [*undone[:3], moved(7, "2", "9", "refresh"), entry(8, "9", "2", "rollback")]
    assert [one.version for one in champion_periods(restored, TRAINED)] == ["1", "2", "1"]
    branched = [*chain, entry(9, "9", "9", "branch").model_copy(update={"champion_before": None})]
    [only] = champion_periods(branched, TRAINED)
    assert (only.version, only.since) == ("1", branched[-1].as_of)
