"""Verifies a ledger before anything follows it: its chain, its witness, and every decision.

A chain of right hashes shows only that entries were not edited. An account that may write to the
database can append an entry with a right hash. So each entry is also checked against the rules by
which Gauntlet writes entries: a judgement is made again from its stored findings, and a change of
champion or of a rollout's stage must follow from the entries before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Verdict
from pipelines.gates.canary.segment_names import segment_gain_name
from pipelines.gates.refresh.names import STOP
from pipelines.release.ledger import LIVE, Entry, Ledger, chain_errors, damaged, replay
from pipelines.release.policy import Facts, Outcome
from pipelines.release.rollout.recording import follows
from pipelines.release.rollout.state import ReleaseState
from pipelines.release.rollout.transition import Stage
from pipelines.release.witness import WitnessedEntry

_JUDGED = frozenset(
    {"decision", "dry_run", "review", "promotion", "first_version", "segment_promotion"}
)
# The newest chains that were checked: a run reads its own several times.
_sound: dict[tuple[str, str, bool], tuple[tuple[object, ...], tuple[Entry, ...]]] = {}
_OF_SEGMENTS = ("segment_promotion", "segment_rollback")
_KIND_OF_MOVE = {
    Outcome.PROMOTE: "promotion",
    Outcome.FIRST_VERSION: "first_version",
    Outcome.PROMOTE_SEGMENTS: "segment_promotion",
}


def verified_entries(
    model: str, ledger: Ledger, lineage: str = LIVE, *, chosen: bool = False
) -> tuple[Entry, ...]:
    """The entries of a chain, oldest first, after every check of this module.

    Arguments:
        model: the model's name.
        ledger: read as a whole.
        lineage: of the chain.
        chosen: whether a person chooses the champion now; a change by hand is then no error.

    Raises:
        IntegrityError: an entry is damaged, missing, or does not follow from its own findings and
            the entries before it; the message lists every error.
        Unavailable: the ledger does not answer.
    """
    witnessed = ledger.witnessed(model, lineage)  # first: the ledger may only grow after it
    entries = ledger.entries(model, lineage)
    key, read = (model, lineage, chosen), (witnessed, *map(id, entries))
    if _sound.get(key, ((), None))[0] != read:
        check_entries(model, entries, lineage, witnessed, chosen=chosen)
        _sound[key] = read, entries  # which are held, so that no other object has their ids
    return entries


def check_entries(
    model: str,
    entries: Sequence[Entry],
    lineage: str = LIVE,
    witnessed: WitnessedEntry | None = None,
    *,
    chosen: bool = False,
) -> None:
    """Check a whole chain, and that it holds the witnessed entry.

    Raises:
        IntegrityError: as ``verified_entries``.
    """
    found = (
        *chain_errors(entries),
        *witness_errors(model, lineage, entries, witnessed),
        *decision_errors(model, entries),
    )
    if not found and not chosen:
        found = by_hand_errors(model, entries)
    if found:
        raise damaged(found, f"ledger of {model}, lineage {lineage}")


def witness_errors(
    model: str, lineage: str, entries: Sequence[Entry], witnessed: WitnessedEntry | None
) -> tuple[str, ...]:
    """What a chain lacks of the newest entry that was witnessed; empty if nothing."""
    if witnessed is None:
        return ()
    place = f"{model}/{lineage} entry {witnessed.sequence}"
    if witnessed.sequence > len(entries):
        newest = f"the ledger ends with entry {len(entries)}"
        return (f"{place}: was deleted: {newest}, and the witness has a newer one",)
    if entries[witnessed.sequence - 1].hash != witnessed.hash:
        return (f"{place}: is not the entry that the witness has",)
    return ()


def decision_errors(model: str, entries: Iterable[Entry]) -> tuple[str, ...]:
    """The entries that do not follow from their findings and from the entries before them."""
    state, found = ReleaseState(model), list[str]()
    for entry in entries:
        place = f"{entry.model}/{entry.lineage} entry {entry.sequence}"
        found += [f"{place}: {error}" for error in _errors(state, entry)]
        try:
            state = state.after((entry,))
        except IntegrityError as cause:
            found.append(f"{place}: {cause.what}")
            break
    return tuple(found)


def by_hand_errors(model: str, entries: Iterable[Entry]) -> tuple[str, ...]:
    """The entry that made the present champion without a decision; empty if there is none.

    Release 0.1.0 wrote such entries when the alias was moved by hand.
    """
    by_hand = ReleaseState.from_entries(model, entries).moved_by_hand
    if by_hand is None:
        return ()
    place = f"{model}/{by_hand.lineage} entry {by_hand.sequence}"
    moved = f"changes the champion from {by_hand.champion_before} to {by_hand.champion_after}"
    remedy = f"`gauntlet rollback {model} --to VERSION --reason WHY` chooses one"
    return (f"{place}: {moved} without a decision; {remedy}",)


def recorded_content(entries: Iterable[Entry], version: str) -> str | None:
    """The hash of a version's content by the decisions about it; None if there is none.

    Raises:
        IntegrityError: two decisions name different content.
    """
    named = {
        entry.facts.content: entry
        for entry in entries
        if entry.facts is not None and entry.candidate == version and entry.facts.content
    }
    if len(named) > 1:
        numbers = sorted(entry.sequence for entry in named.values())
        raise IntegrityError(
            "the ledger names two contents of one version",
            where=f"version {version}, entries {numbers}",
            got=", ".join(sorted(named)),
            hint="restore the ledger from its backup, and find out who wrote to the database",
        )
    return next(iter(named), None)


def _errors(state: ReleaseState, entry: Entry) -> Iterator[str]:
    """What is wrong with an entry that follows a state."""
    if entry.kind in _JUDGED:
        yield from _judgement_errors(state, entry)
    elif entry.kind == "rollout":
        yield from _rollout_errors(state, entry)
    elif entry.kind in ("rollback", "stop"):
        former = {one.champion_after for one in state.entries} - {None}
        if entry.champion_after not in former:
            yield f"rolls back to version {entry.champion_after}, which never was champion"
        failed = {one.name for one in entry.findings if one.verdict is Verdict.FAIL}
        if entry.kind == "stop" and failed != {STOP}:
            yield f"is a stop without the finding {STOP}"
    elif entry.kind == "segment_rollback":
        yield from _segment_rollback_errors(state, entry)
    elif entry.kind == "branch":
        if state.entries or entry.lineage == LIVE or entry.branch_point is None:
            yield "branches off, and is not the first entry of a lineage for a backfill"
    elif entry.kind in ("audit", "history", "broken_window") and entry.moves:
        yield f"changes the champion by an entry of kind {entry.kind}"
    if entry.segments is not None and entry.kind not in _OF_SEGMENTS:
        yield f"changes the champions of segments by an entry of kind {entry.kind}"


def _segment_rollback_errors(state: ReleaseState, entry: Entry) -> Iterator[str]:
    """A rollback of segments returns to the champion those that had one of their own."""
    change, champions = entry.segments, state.segments
    if entry.moves or change is None or change.version is not None:
        yield "is a rollback of segments and does not return them to the champion"
    elif champions is None or champions.column != change.column:
        yield f"rolls back segments of {change.column}, which had no champion of their own"
    elif strange := sorted(set(change.values) - set(champions.champions)):
        yield f"rolls back segments that had no champion of their own: {', '.join(strange)}"


def _judgement_errors(state: ReleaseState, entry: Entry) -> Iterator[str]:
    facts, decision = entry.facts, entry.decision
    if facts is None or decision is None:
        yield f"is a {entry.kind} without the findings and facts that it was judged by"
        return
    try:
        replay(entry)
    except IntegrityError as cause:
        yield f"{cause.what}: {cause.got}"
        return
    if decision.outcome.moves or entry.moves or entry.kind in _KIND_OF_MOVE.values():
        after = facts.candidate if decision.outcome.moves else entry.champion_before
        if entry.champion_after != after or not facts.candidate:
            yield f"makes version {entry.champion_after} champion, and its judgement does not"
        if entry.kind != _KIND_OF_MOVE.get(decision.outcome):
            yield f"is a {entry.kind} by the judgement {decision.outcome}"
    if decision.outcome is Outcome.PROMOTE_SEGMENTS or entry.segments is not None:
        yield from _segment_promotion_errors(state, entry, facts)
    if entry.reasons != decision.reasons:
        yield "gives other reasons than its judgement"
    if facts.run != entry.run or facts.dry_run != (entry.kind == "dry_run"):
        yield f"is about run {facts.run} by its facts"
    if facts.champion_at_decision != entry.champion_before:
        yield f"was judged against champion {facts.champion_at_decision}"
    newest = max((one.decision.policy for one in state.entries if one.decision), default="", key=_n)
    if _n(decision.policy) < _n(newest):
        yield f"was judged by policy {decision.policy} after entries of policy {newest}"
    yield from _review_errors(state, entry)
    if facts.rollout == "complete" and facts.segment_champions_at_decision != (
        state.segment_champions
    ):
        yield "was judged against other champions of segments"
    if entry.changes_champions and (facts.rollout == "complete" or entry.transition is not None):
        yield from _canary_errors(state, entry)


def _n(policy: str) -> int:
    return int(policy or 0)


def _review_errors(state: ReleaseState, entry: Entry) -> Iterator[str]:
    """A review answers for the evidence that awaited it, and for nothing else."""
    awaited = [
        one.decision.evidence
        for one in state.entries
        if one.run == entry.run and one.decision and one.outcome == Outcome.AWAIT_REVIEW
    ]
    if entry.decision is None or entry.facts is None:
        return
    outcome, approval = entry.decision.outcome, entry.facts.approval
    if approval is not None and not awaited:
        yield "holds an approval of evidence that never awaited review"
    if awaited and (approval or outcome.moves or outcome is Outcome.START_ROLLOUT):
        if entry.decision.evidence != awaited[-1]:
            yield "answers for other evidence than that which awaited review"
        if entry.facts.review != "required":
            yield "needs an approval by the entry that awaited review, and its facts deny it"


def _canary_errors(state: ReleaseState, entry: Entry) -> Iterator[str]:
    """A promotion by live traffic follows the canary of its own challenger."""
    trial, transition, facts = state.trial, entry.transition, entry.facts
    if trial is None or trial.void or trial.transition.stage is not Stage.CANARY:
        yield "is decided by a canary, and there was none"
        return
    admitted = trial.admission.facts
    if facts is None or admitted is None or facts.candidate != trial.challenger:
        yield f"is decided by the canary of version {trial.challenger}"
    elif facts.content != admitted.content:
        yield "names other content than the decision that admitted the version to live traffic"
    ends = Stage.PROMOTED if entry.moves else Stage.PROMOTED_FOR_SEGMENTS
    if entry.changes_champions and (transition is None or transition.stage is not ends):
        yield "promotes a challenger without ending its canary"


def _segment_promotion_errors(state: ReleaseState, entry: Entry, facts: Facts) -> Iterator[str]:
    """A promotion for segments names those that its findings show to gain, and no others."""
    change = entry.segments
    same = change is not None and (
        (change.version, change.values) == (facts.candidate, facts.segments)
        and facts.segment_column in ("", change.column)
    )
    if change is None or not same:
        yield "is a promotion for segments, and its judgement names others"
        return
    if state.segments is not None and state.segments.column != change.column:
        yield f"promotes for {change.column}, and segments of {state.segments.column} are in force"
    shown = {one.name for one in entry.findings if one.blocking and one.verdict is Verdict.PASS}
    for value in change.values:
        name = segment_gain_name(change.column, value)
        if name not in shown:
            yield f"promotes for {change.column} {value} without the finding {name}"


def _rollout_errors(state: ReleaseState, entry: Entry) -> Iterator[str]:
    transition = entry.transition
    if transition is None or entry.moves:
        yield "is a rollout's and changes the champion, or names no stage"
        return
    if not follows(state, transition):
        yield f"takes version {transition.challenger} to {transition.stage} out of turn"
    if transition.stage is Stage.CANARY:
        facts = state.trial.admission.facts if state.trial else None
        waived = facts.waived if facts else ()
        failed = [
            one.name
            for one in entry.findings
            if one.blocking and one.verdict is Verdict.FAIL and one.name not in waived
        ]
        if failed:
            yield f"gives a challenger traffic although its findings fail: {', '.join(failed)}"
