"""The ledger port: the append-only, hash-chained and replayable record of every decision."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal, Protocol

from pydantic import Field, ValidationError

from pipelines.core.counts import counted
from pipelines.core.errors import IntegrityError, StaleEvidenceError
from pipelines.core.findings import Finding
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record, canonical_json, sha256_text
from pipelines.core.time import Window, instant_text
from pipelines.release.broken_windows.window import BrokenWindow
from pipelines.release.policies import Lane, policy_of
from pipelines.release.policy import Decision, Facts, decide
from pipelines.release.retrain_reason import RetrainReason
from pipelines.release.rollout.segment_champions import SegmentChange
from pipelines.release.rollout.transition import Transition
from pipelines.release.witness import WitnessedEntry
from pipelines.training.split import TrainingDates

LIVE = "live"
GENESIS = "0" * 64
Kind = Literal[
    "decision",
    "dry_run",
    "audit",
    "review",
    "promotion",
    "first_version",
    "segment_promotion",
    "rollout",
    "rollback",
    "segment_rollback",
    "stop",
    "manual_alias_change",
    "history",
    "broken_window",
    "branch",
]


class BranchPoint(Record):
    """The entry of another lineage after which a lineage begins."""

    lineage: str
    sequence: int = Field(ge=1)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class NewEntry(Record):
    """An entry that has not been appended to a chain yet.

    Kinds:
        decision: judged; the champion stays.
        dry_run: a judged dry run; it used a try of the error budget, see ``budget``.
        audit: a manual audit, not judged; it used a try as well.
        review: an approval was refused or came too late.
        promotion, first_version: judged; the candidate became champion.
        segment_promotion: judged; the candidate became champion of some segments.
        rollout: a rollout began, advanced, or ended without a promotion.
        rollback: a former champion became champion again.
        segment_rollback: the champion answers some segments again that had one of their own.
        stop: the stop-loss of refreshes did the same; its finding has the account.
        manual_alias_change: the champion's alias was moved outside Gauntlet, and set back. Entries
            of release 0.1.0 followed the alias instead.
        history: days of a stream were dropped, or a rewritten history was accepted.
        broken_window: a window of events was marked as broken, or as mended.
        branch: a lineage began with the champion of ``live``; always the first entry.

    Entries that were judged hold what ``replay`` needs: findings, facts and decision.
    """

    model: str
    lineage: str = LIVE
    kind: Kind
    run: str = Field(description="id of the run; at most one entry per run and kind")
    as_of: Instant
    champion_before: str | None
    champion_after: str | None
    reasons: tuple[str, ...] = Field(min_length=1)
    decision: Decision | None = None
    facts: Facts | None = None
    findings: tuple[Finding, ...] = ()
    spec: str = Field(default="", description="digest of the declaration")
    recipe: str = ""
    snapshot: str = Field(default="", description="id of the snapshot")
    trained: TrainingDates | None = Field(
        default=None, description="of the candidate; none in entries of release 0.1.0"
    )
    transition: Transition | None = Field(
        default=None,
        description="of a rollout",
    )
    segments: SegmentChange | None = Field(
        default=None, description="which segments another version answers from now on"
    )
    monitoring: RetrainReason | None = Field(
        default=None, description="why monitoring started the retraining; None: it did not"
    )
    broken: BrokenWindow | None = Field(
        default=None, description="a window that is never trained on"
    )
    increment: Window | None = Field(
        default=None, description="known times of the rows that an update's contract checked"
    )
    branch_point: BranchPoint | None = Field(
        default=None, description="where the lineage begins; only in a branch"
    )

    @property
    def outcome(self) -> str:
        """The decision's outcome; else the stage of a rollout; else the entry's kind."""
        if self.decision:
            return self.decision.outcome.value
        return self.transition.stage.value if self.transition else self.kind

    @property
    def candidate(self) -> str | None:
        """The version that was judged, or None."""
        return self.facts.candidate if self.facts else None

    @property
    def lane(self) -> Lane:
        """The lane that the candidate was judged in."""
        # Release 0.1.0 had no lanes; this finding decided about refreshes.
        first = any(one.name == "recent_window.refresh" and one.blocking for one in self.findings)
        return "refresh" if first else self.facts.lane if self.facts else "change"

    @property
    def moves(self) -> bool:
        """Whether the champion changed."""
        return self.champion_before != self.champion_after

    @property
    def changes_champions(self) -> bool:
        """Whether another version answers all entities, or those of some segments."""
        return self.moves or self.segments is not None


class Entry(NewEntry):
    """An entry of a chain.

    ``previous`` is the hash of the entry before it. ``hash`` is the SHA-256 of the text that was
    stored, which holds every other field. It is checked against that text when the entry is read,
    never against the parsed entry, because a later release may have more fields.
    """

    sequence: int = Field(ge=1)
    recorded_at: Instant
    previous: str = Field(pattern=r"^[0-9a-f]{64}$")
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")

    @classmethod
    def append_to(cls, draft: NewEntry, head: Entry | None, now: datetime) -> Entry:
        """Make the entry that follows ``head``. Recorded times never decrease within a lineage."""
        body = {
            **draft.as_json(),
            "sequence": head.sequence + 1 if head else 1,
            "recorded_at": max(now, head.recorded_at) if head else now,
            "previous": head.hash if head else GENESIS,
            "hash": GENESIS,
        }
        entry = cls.model_validate(body)
        return entry.model_copy(update={"hash": sha256_text(entry.body)})

    @property
    def body(self) -> str:
        """The text to store, as this release writes it; the hash is stored with it."""
        fields = ENTRY_FORMAT.to_json(self)
        del fields["hash"]
        return canonical_json(fields)

    @classmethod
    def from_body(cls, body: str, stored_hash: str, where: str) -> Entry:
        """The entry that was stored as this text.

        Arguments:
            body: the stored text.
            stored_hash: the hash that is stored with it.
            where: the entry's position, for error messages.

        Raises:
            FormatError: a newer release wrote it.
            ValueError: the text does not match the hash or is not a valid entry.
        """
        if sha256_text(body) != stored_hash:
            raise ValueError("the content does not have the hash recorded for it")
        try:
            return ENTRY_FORMAT.from_json({**json.loads(body), "hash": stored_hash}, where)
        except ValidationError as cause:
            raise ValueError(f"cannot be read: {cause.errors()[0]['msg']}") from cause
        except (TypeError, ValueError) as cause:
            raise ValueError(f"cannot be read: {cause}") from cause


ENTRY_FORMAT = StoredFormat("a ledger entry", Entry)


class Ledger(Protocol):
    """Append-only, one chain per model and lineage. Implementations: SQLite and PostgreSQL."""

    def append(self, draft: NewEntry, after: int) -> Entry:
        """Append an entry, unless the chain has changed since ``after``.

        If an entry of the same lineage, run and kind exists, it is returned and nothing is written.
        A run can therefore be repeated, even if the response to its first attempt was lost.

        Arguments:
            draft: what to record; ``champion_before`` is the champion at ``after``.
            after: sequence of the last entry that the caller has read; 0 for none.

        Raises:
            StaleEvidenceError: the chain has grown since, or has another champion.
            Unavailable: the database did not answer; running again is safe.
        """
        ...

    def entries(self, model: str, lineage: str = LIVE, after: int = 0) -> tuple[Entry, ...]:
        """The chain, oldest first.

        Arguments:
            after: sequence of the last entry that the caller has read; 0 for the whole chain.

        Raises:
            IntegrityError: an entry does not match its hash.
        """
        ...

    def head(self, model: str, lineage: str = LIVE) -> Entry | None:
        """The newest entry; None in an empty chain."""
        ...

    def of_run(self, model: str, lineage: str, run: str) -> tuple[Entry, ...]:
        """The entries of this run, oldest first."""
        ...

    def champion(self, model: str, lineage: str = LIVE, at: datetime | None = None) -> str | None:
        """The champion, now or as recorded by the instant ``at`` (inclusive)."""
        ...

    def lineages(self, model: str) -> tuple[str, ...]:
        """Every lineage that has an entry, in alphabetical order."""
        ...

    def witnessed(self, model: str, lineage: str = LIVE) -> WitnessedEntry | None:
        """The newest entry that is known outside the ledger's database; None if none is."""
        ...

    def witness(self, entry: Entry) -> None:
        """Record an entry outside the database, if a killed process appended it and did not."""
        ...

    def verify(self, model: str) -> int:
        """Check every chain of the model, and the database's guards against changes.

        Returns: the number of entries checked.

        Raises:
            IntegrityError: a check failed; the message lists every fault.
        """
        ...


def training_dates(entries: Iterable[Entry], version: str | None) -> TrainingDates | None:
    """Until when a version was trained; ``None`` if no entry has its dates."""
    return next((e.trained for e in entries if e.trained and e.candidate == version), None)


def retrained_on_reason(entries: Iterable[Entry]) -> tuple[datetime, ...]:
    """The instants of the retrainings that monitoring started, each once, in the order of time."""
    return tuple(sorted({e.run: e.as_of for e in entries if e.monitoring is not None}.values()))


def chain_errors(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The errors in a chain of entries, oldest first; empty when it is intact.

    Each entry's hash was checked against its stored text when it was read. This function cannot
    detect that the newest entries are missing, or that an entry was forged with a right hash:
    ``verification.verified_entries`` does.
    """
    found: list[str] = []
    head: Entry | None = None
    for number, entry in enumerate(entries, start=1):
        place = f"{entry.model}/{entry.lineage} entry {entry.sequence}"
        if entry.sequence != number:
            found.append(f"{place}: found where entry {number} should be")
        if entry.previous != (head.hash if head else GENESIS):
            found.append(f"{place}: does not follow from the entry before it")
        if entry.champion_before != (head.champion_after if head else None):
            found.append(f"{place}: names another champion than the entry before it left")
        if head and entry.recorded_at < head.recorded_at:
            found.append(f"{place}: is recorded before the entry that it follows")
        head = entry
    return tuple(found)


def damaged(errors: Sequence[str], where: str) -> IntegrityError:
    """The exception for a ledger with these errors."""
    return IntegrityError(
        f"the ledger has {counted(len(errors), 'error')}",
        where=where,
        got="\n" + "\n".join(f"    {error}" for error in errors),
        wanted="a chain in which each entry carries the hash of the one before",
        hint="restore the ledger from its backup, and find out who wrote to the database",
    )


def check_head(draft: NewEntry, after: int, head: Entry | None) -> None:
    """Raise ``StaleEvidenceError`` unless the new entry was made for this head of the chain."""
    current = (head.sequence, head.champion_after) if head else (0, None)
    if (after, draft.champion_before) == current:
        return
    won = "an empty ledger"
    if head:
        won = (
            f"entry {head.sequence} ({head.kind} of run {head.run}, recorded "
            f"{instant_text(head.recorded_at)}); champion is {head.champion_after}"
        )
    raise StaleEvidenceError(
        "another process wrote to the ledger first",
        where=f"ledger of {draft.model}, lineage {draft.lineage}",
        got=won,
        wanted=f"entry {after} at the head and champion {draft.champion_before}",
        hint="run again: it collects evidence against the current champion",
    )


def replay(entry: Entry) -> Decision:
    """Judge the stored findings again, under the policy of that time.

    Raises:
        IntegrityError: the verdict differs from the recorded one, or the entry was not judged.
    """
    where = f"ledger of {entry.model}, lineage {entry.lineage}, entry {entry.sequence}"
    if entry.decision is None or entry.facts is None:
        raise IntegrityError(
            "an entry holds no judgement to replay",
            where=where,
            got=f"kind {entry.kind}",
            wanted="decision, review, promotion or first_version",
        )
    again = decide(entry.findings, entry.facts, policy_of(entry.decision.policy))
    if again != entry.decision:
        raise IntegrityError(
            "a replay gives another decision than was recorded",
            where=where,
            got=f"{again.outcome}: {'; '.join(again.reasons)}",
            wanted=f"{entry.decision.outcome}: {'; '.join(entry.decision.reasons)}",
            hint="compare the two; if a policy was edited in place, give the edit a new version",
        )
    return again
