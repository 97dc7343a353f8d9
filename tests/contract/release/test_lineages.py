"""A lineage for a backfill begins with the champion that live had, and keeps its history."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.adapters.lock.file import FileLock
from pipelines.core.errors import GauntletError, IntegrityError, SpecError
from pipelines.core.findings import Verdict
from pipelines.core.time import FixedClock
from pipelines.flows.lineages.adoption import plan_adoption
from pipelines.flows.lineages.champion_errors import with_errors
from pipelines.flows.lineages.compare import candidate_facts
from pipelines.flows.lineages.pruning import prune_lineage
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import identify_run
from pipelines.flows.versions import VersionReader
from pipelines.flows.workspace import RunFolders
from pipelines.release.ledger import Entry, NewEntry
from pipelines.release.lineage_comparison.comparison import compare_lineages
from pipelines.release.lineages import branch, summarize, verified_history
from pipelines.release.promotion import promote
from pipelines.release.verification import verified_entries
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import PLAIN, RICH, declaration
from tests.support.promotion_home import AT, Home, inputs

WEEK = timedelta(days=7)
PAST = "past"  # a lineage; its versions are backfill-1, backfill-2, ...


def promoted(home: Home, run: str, champion: str | None, weeks: int, lineage: str = "live") -> Any:
    """A version that was promoted as of some weeks after the first one, and recorded then."""
    at = AT + weeks * WEEK
    made = inputs(run, home.register(run, lineage), champion, lineage=lineage)
    made = made.model_copy(update={"as_of": at})
    return promote(made, home.ledger, home.registry, FixedClock(at + timedelta(hours=1)))


def begun(home: Home, weeks: int, lineage: str = PAST) -> Entry | None:
    return branch("demand", lineage, AT + weeks * WEEK, home.ledger)


@pytest.fixture
def three(home: Home) -> Home:
    """A home in which version 2 replaced version 1 after a week, and 3 after two."""
    for number in range(3):
        promoted(home, f"run-{number}", str(number) if number else None, number)
    return home


def test_a_lineage_begins_with_the_champion_before_its_first_week(three: Home) -> None:
    entry = begun(three, 2)
    assert entry is not None
    assert (entry.kind, entry.champion_after, entry.sequence) == ("branch", "2", 1)
    assert three.ledger.champion("demand", PAST) == "2"
    assert three.alias == "3", "what serves is not touched"
    again = begun(three, 2)
    assert again == entry
    assert len(three.ledger.entries("demand", PAST)) == 1


def test_the_history_of_a_lineage_is_that_of_live_and_then_its_own(three: Home) -> None:
    begun(three, 2)
    promoted(three, "other", "2", 2, PAST)
    history = verified_history("demand", three.ledger, PAST)
    assert [(e.lineage, e.champion_after) for e in history] == [
        *(("live", "1"), ("live", "2")),
        *((PAST, "2"), (PAST, "backfill-1")),
    ]
    assert verified_history("demand", three.ledger) == verified_entries("demand", three.ledger)


def test_a_week_before_the_first_version_begins_without_a_champion(three: Home) -> None:
    assert begun(three, 0) is None
    assert three.ledger.entries("demand", PAST) == ()


def test_a_lineage_that_began_without_a_branch_gets_none(three: Home) -> None:
    promoted(three, "scratch", None, 1, PAST)
    assert begun(three, 2) is None


def test_live_is_never_branched(three: Home) -> None:
    with pytest.raises(GauntletError, match="live begins with a first version"):
        branch("demand", "live", AT, three.ledger)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"champion_after": "1"}, "begins with another champion"),
        ({"branch_point": {"lineage": "live", "sequence": 2, "hash": "0" * 64}}, "this hash"),
        ({"branch_point": {"lineage": "live", "sequence": 9, "hash": "0" * 64}}, "this hash"),
        ({"branch_point": None}, "branches off"),
        ({"lineage": "live"}, "branches off"),
    ],
)
def test_a_forged_branch_is_named(
    home: Home, three: Home, change: dict[str, Any], message: str
) -> None:
    made = begun(three, 2, "honest")
    assert made is not None
    lineage = change.get("lineage", PAST)
    head = home.ledger.head("demand", lineage)
    body = made.as_json() | {"lineage": lineage, "run": "forged"} | change
    body = {key: value for key, value in body.items() if key in NewEntry.model_fields}
    if head is not None:
        body["champion_before"] = head.champion_after
    home.ledger.append(NewEntry.model_validate(body), after=head.sequence if head else 0)
    with pytest.raises(IntegrityError) as problem:
        verified_history("demand", home.ledger, lineage)
    assert message in str(problem.value)


def test_a_summary_counts_what_a_lineage_decided(three: Home) -> None:
    begun(three, 2)
    promoted(three, "other", "2", 2, PAST)
    found = summarize("demand", PAST, three.ledger)
    assert (found.begins_with, found.decisions, found.promotions) == ("2", 1, 1)
    assert found.champion == "backfill-1"
    assert (found.first, found.last) == (AT + 2 * WEEK, AT + 2 * WEEK)
    live = summarize("demand", "live", three.ledger)
    assert (live.begins_with, live.decisions, live.champion) == (None, 3, "3")


def test_a_rollback_to_a_version_of_a_backfill_names_its_lineage(three: Home) -> None:
    begun(three, 2)
    promoted(three, "other", "2", 2, PAST)
    with pytest.raises(GauntletError, match="gauntlet adopt demand --lineage past"):
        three.rollback("undo", "backfill-1")


def parts(home: Home, tmp_path: Path, **others: Any) -> Any:
    """Collaborators for what reads ledger and registry only."""
    versions = VersionReader(home.registry, tmp_path / "copies", home.ledger)
    lock = partial(FileLock(tmp_path / "locks", FixedClock(AT)).hold, process="test")
    found = {"versions": versions, "ledger": home.ledger, "lock": lock}
    return SimpleNamespace(**found, runs=RunFolders(tmp_path / "runs"), **others)


def test_a_pruned_lineage_keeps_its_decisions_and_no_version(three: Home, tmp_path: Path) -> None:
    begun(three, 2)
    promoted(three, "other", "2", 2, PAST)
    files = tmp_path / "runs" / "demand" / "other"
    files.mkdir(parents=True)
    collaborators = parts(three, tmp_path)
    assert prune_lineage("demand", PAST, collaborators) == 1
    assert prune_lineage("demand", PAST, collaborators) == 0
    assert not files.exists()
    assert [one.version for one in three.registry.versions("demand")] == ["1", "2", "3"]
    assert three.ledger.champion("demand", PAST) == "backfill-1"
    declared = ModelSpec.model_validate(declaration())
    with pytest.raises(GauntletError, match="the lineage was pruned"):
        plan_adoption("demand", PAST, parts(three, tmp_path, load_spec=lambda _: declared))
    with pytest.raises(SpecError, match="never pruned"):
        prune_lineage("demand", "live", collaborators)


@pytest.mark.parametrize("lineage", ["live", PAST])
def test_a_lineage_without_a_champion_of_its_own_is_not_adopted(
    three: Home, tmp_path: Path, lineage: str
) -> None:
    begun(three, 2)
    with pytest.raises(SpecError, match="no champion that could be adopted"):
        plan_adoption("demand", lineage, parts(three, tmp_path))


def test_a_recipe_that_does_not_fit_the_present_declaration_is_refused(
    three: Home, tmp_path: Path
) -> None:
    begun(three, 2)
    promoted(three, "other", "2", 2, PAST)
    own = {"slices": [{"column": "weekday", "margin": 1.0}]}
    declared, adopted = (
        ModelSpec.model_validate(declaration(features, **changes))
        for features, changes in ((PLAIN, own), (RICH, {}))
    )
    collaborators = parts(three, tmp_path, load_spec=lambda _: declared)
    collaborators.versions = SimpleNamespace(load=lambda *_: SimpleNamespace(spec=adopted))
    with pytest.raises(SpecError, match="'weekday' is neither a feature nor a key"):
        plan_adoption("demand", PAST, collaborators)


def test_a_model_without_decisions_has_nothing_to_adopt(home: Home, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no champion that could be adopted"):
        plan_adoption("demand", "live", parts(home, tmp_path))


def weeks(home: Home) -> list[tuple[str, ...]]:
    """The differences of each week between live and the backfill."""
    found = compare_lineages("demand", "live", PAST, home.ledger)
    return [week.differences for week in found.weeks]


def test_a_backfill_with_the_same_findings_differs_by_nothing(three: Home) -> None:
    begun(three, 1)
    promoted(three, "again-1", "1", 1, PAST)
    promoted(three, "again-2", "backfill-1", 2, PAST)
    found = compare_lineages("demand", "live", PAST, three.ledger)
    assert [week.as_of for week in found.weeks] == [AT + WEEK, AT + 2 * WEEK]
    assert weeks(three) == [(), ()]
    first = found.weeks[0]
    assert first.first is not None
    assert first.second is not None
    assert (first.first.champion, first.second.champion) == ("2", "backfill-1")


@pytest.mark.parametrize(
    ("changed", "differences"),
    [
        ({"recipe": "another"}, ["recipe"]),
        ({"spec": "another"}, ["declaration"]),
        ({"snapshot": "another"}, ["data_revision"]),
        ({}, ["unknown"]),
    ],
)
def test_a_difference_is_attributed_and_the_next_week_follows_from_it(
    three: Home, changed: dict[str, Any], differences: list[str]
) -> None:
    begun(three, 1)
    held = inputs("held", three.register("held", PAST), "1", Verdict.FAIL, PAST)
    at = AT + WEEK
    held = held.model_copy(update={"as_of": at, **changed})
    promote(held, three.ledger, three.registry, FixedClock(at + timedelta(hours=1)))
    promoted(three, "next", "1", 2, PAST)
    assert weeks(three)[0] == tuple(differences)
    later = compare_lineages("demand", "live", PAST, three.ledger).weeks[1]
    assert later.differences == (), "the same findings and outcome"


@pytest.mark.parametrize("needs", [{"rollout": "pending"}, {"review": "required"}])
def test_a_backfill_that_promotes_what_live_has_to_release_differs_by_the_release(
    home: Home, needs: dict[str, Any]
) -> None:
    promoted(home, "first", None, 0)
    at = AT + WEEK
    made = inputs("live", home.register("live"), "1", **needs)
    promote(made.model_copy(update={"as_of": at}), home.ledger, home.registry, FixedClock(at))
    begun(home, 1)
    promoted(home, "past", "1", 1, PAST)
    held = inputs("held", home.register("held"), "1", Verdict.FAIL, **needs)
    at = AT + 2 * WEEK
    promote(held.model_copy(update={"as_of": at}), home.ledger, home.registry, FixedClock(at))
    promoted(home, "next", "backfill-1", 2, PAST)
    assert weeks(home) == [("release",), ("earlier_week",)]


def test_a_review_that_an_earlier_release_requested_in_a_backfill_stays_its_decision(
    home: Home,
) -> None:
    """Judged anew without a review, it would be promoted although its entries ask for approval."""
    spec = ModelSpec.model_validate(declaration(review="required"))
    request = Request(model="demand", as_of=AT, lineage=PAST)
    run = identify_run(request, spec, {}, home.ledger).id
    made = inputs(run, home.register(run, PAST), None, lineage=PAST, review="required")
    awaits = home.promote(made)
    assert awaits.outcome == "await_review"
    assert identify_run(request, spec, {}, home.ledger).decided == awaits
    promote(
        made.model_copy(update={"facts": made.facts.model_copy(update={"review": "none"})}),
        home.ledger,
        home.registry,
        FixedClock(AT),
    )
    with pytest.raises(IntegrityError, match="needs an approval"):
        verified_entries("demand", home.ledger, PAST)


def test_decisions_of_one_day_are_compared_although_hours_apart(three: Home) -> None:
    begun(three, 1)
    made = inputs("later", three.register("later", PAST), "1", lineage=PAST)
    at = AT + WEEK + timedelta(hours=6)
    made = made.model_copy(update={"as_of": at})
    promote(made, three.ledger, three.registry, FixedClock(at + timedelta(hours=1)))
    promoted(three, "run-3", "3", 3)
    promoted(three, "last", "backfill-1", 3, PAST)
    found = compare_lineages("demand", "live", PAST, three.ledger)
    assert [(bool(week.first), bool(week.second)) for week in found.weeks] == [
        (True, True),
        (True, False),
        (True, True),
    ]


def test_a_comparison_with_a_finished_backfill_stays_the_same_when_live_goes_on(
    three: Home,
) -> None:
    begun(three, 1)
    assert weeks(three) == [], "the backfill has decided nothing"
    promoted(three, "again-1", "1", 1, PAST)
    before = compare_lineages("demand", "live", PAST, three.ledger)
    assert [week.as_of for week in before.weeks] == [AT + WEEK]
    promoted(three, "run-3", "3", 3)
    assert compare_lineages("demand", "live", PAST, three.ledger) == before


def test_only_a_version_that_was_removed_has_no_origin(three: Home, tmp_path: Path) -> None:
    versions = parts(three, tmp_path).versions
    assert candidate_facts("demand", None, versions) is None
    assert candidate_facts("demand", "backfill-9", versions) is None
    with pytest.raises(IntegrityError, match="does not vouch"):
        candidate_facts("demand", "2", versions)  # no decision recorded its content


def test_only_a_version_that_was_removed_is_a_week_without_errors(
    three: Home, tmp_path: Path
) -> None:
    begun(three, 1)
    promoted(three, "again-1", "1", 1, PAST)
    compared = compare_lineages("demand", "live", PAST, three.ledger)
    own = parts(three, tmp_path, clock=FixedClock(AT + 9 * WEEK))
    with pytest.raises(IntegrityError, match="does not vouch"):
        with_errors(compared, own)  # no decision recorded its content
    prune_lineage("demand", PAST, own)
    three.registry.set_alias("demand", "champion", None)
    three.registry.remove(three.registry.get("demand", "2"))
    (week,) = with_errors(compared, own).weeks
    assert week.no_errors == "version 2 was removed"
