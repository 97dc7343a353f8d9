"""A version's page during and after its rollout, above the review page of the offline gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from pipelines.core.counts import counted
from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.markup import markdown_code, markdown_text
from pipelines.core.records import Instant, Record
from pipelines.core.time import minute_text
from pipelines.gates.canary.refresh_gain import PAYS
from pipelines.release.ledger import Entry
from pipelines.release.policy import Outcome
from pipelines.release.rollout.outcome import rollout_outcome
from pipelines.release.rollout.segment_champions import SegmentChampions
from pipelines.release.rollout.state import segments_after
from pipelines.release.rollout.transition import Stage
from pipelines.reporting.markdown import SIGNS, interval_text, number, sentence, table

_REVIEW = "*Review before live traffic:*\n\n"  # the review page follows
_LIVE_GATES = (Gate.SHADOW, Gate.CANARY)
_WORST_FIRST = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS)
_TITLES = {
    Stage.SHADOW: "◔ In shadow: it predicts beside the champion, and its answers are only logged",
    Stage.CANARY: "◔ In canary: it answers part of the entities",
    Stage.PROMOTED: "✔ Champion: it won its canary",
    Stage.PROMOTED_FOR_SEGMENTS: "✔ Champion of segments: its canary showed that they gain",
    Stage.HOLDBACK: "✔ Champion, in holdback: it won its canary",
}
_PROMOTED = (Stage.PROMOTED, Stage.PROMOTED_FOR_SEGMENTS)
_ENDED_TITLES = {
    "rolled back": "✘ Rolled back: it did harm",
    "failed in shadow": "✘ Failed in shadow",
    "inconclusive": "○ Not promoted: its canary was inconclusive",
    "void": "○ Void: its rollout proves nothing",
}


class RolloutHistory(Record):
    """One version's rollout, as recorded in the ledger."""

    version: str
    transitions: tuple[Entry, ...] = Field(min_length=1, description="from shadow on, oldest first")
    replaced: Entry | None = Field(default=None, description="what changed the champion since")

    @property
    def last_stage(self) -> Stage:
        """The newest stage."""
        return _stage(self.transitions[-1])

    @property
    def promoted(self) -> bool:
        """Whether the version became champion, of all entities or of segments."""
        return any(_stage(entry) in _PROMOTED for entry in self.transitions)

    @property
    def outcome(self) -> str | None:
        """The outcome that made the version champion, in words; None if it did not become one."""
        made = [entry for entry in self.transitions if _stage(entry) in _PROMOTED]
        return Outcome(made[0].outcome).words if made else None

    @property
    def was_live(self) -> bool:
        """Whether the version is on trial or champion at the end of the ledger."""
        return self.replaced is None and (self.promoted or self.last_stage is not Stage.ENDED)

    @property
    def status(self) -> str:
        """The rollout's status in a word or two, as written to the version's tag."""
        if self.replaced is not None:
            taken_back = "taken back" if self.replaced.kind in ("rollback", "stop") else "replaced"
            return taken_back if self.promoted else "void"
        if self.promoted and self.last_stage is Stage.ENDED:
            return "kept"
        return rollout_outcome(self.transitions[-1]) or self.last_stage.value.replace("_", " ")


class LatestCheck(Record):
    """The findings of the newest check of live traffic."""

    as_of: Instant
    summary: str
    findings: tuple[Finding, ...] = ()
    weeks: int = Field(default=0, description="whole matured weeks that count")
    planned_weeks: int = 0
    next_check: Instant | None = None


def rollout_histories(entries: Iterable[Entry]) -> list[RolloutHistory]:
    """The history of every version that was ever on live traffic, in order of start.

    Arguments:
        entries: a model's ledger, oldest first.
    """
    found: list[RolloutHistory] = []
    segments: SegmentChampions | None = None
    for entry in entries:
        segments = segments_after(segments, entry)
        answering = segments.versions if segments else ()
        own = entry.transition is not None
        if entry.transition is not None and entry.transition.stage is Stage.SHADOW:
            found.append(RolloutHistory(version=entry.transition.challenger, transitions=(entry,)))
        elif own and found:
            last = found[-1]
            found[-1] = last.model_copy(update={"transitions": (*last.transitions, entry)})
        if entry.changes_champions:
            found = [
                one.model_copy(update={"replaced": entry})
                if one.was_live
                and not (own and one is found[-1])
                and one.version not in (entry.champion_after, *answering)
                else one
                for one in found
            ]
    return found


def rollout_page(history: RolloutHistory, latest: LatestCheck | None, page: str) -> str:
    """A version's page with its rollout on top; replaces a rollout that the page already shows.

    Arguments:
        history: the version's rollout.
        latest: the newest check; None: show the findings of the newest transition.
        page: the current page.
    """
    review = page.split(_REVIEW, 1)[-1]
    summary, stages = rollout_summary(history, latest), rollout_stages(history)
    return f"{summary}\n\n{stages}\n\n{_REVIEW}{review}"


def rollout_summary(history: RolloutHistory, latest: LatestCheck | None) -> str:
    """The outcome of a rollout and its findings, in Markdown."""
    parts = (_headline(history, latest), _findings(history, latest))
    return "\n\n".join(part for part in parts if part)


def _headline(history: RolloutHistory, latest: LatestCheck | None) -> str:
    if history.replaced is not None:
        title = _ENDED_TITLES["void"]
        if history.promoted:
            title = f"○ No longer champion: version {history.replaced.champion_after} is"
        reasons = list(history.replaced.reasons)
    else:
        last, ended = history.transitions[-1], history.last_stage is Stage.ENDED
        kept = _TITLES[Stage.PROMOTED] if history.promoted and ended else ""
        outcome = _ENDED_TITLES.get(rollout_outcome(last), "")
        title = kept or outcome or _TITLES[history.last_stage]
        reasons = [latest.summary] if latest is not None and not ended else list(last.reasons)
    return "\n\n".join([f"{title}\n---", *(sentence(reason) for reason in reasons[:2])])


def _findings(history: RolloutHistory, latest: LatestCheck | None) -> str:
    """What was measured, what did not pass, worst first, and the number of other passes."""
    findings = newest_findings(history, latest)
    if not findings:
        return ""
    shown = [one for one in findings if one.interval is not None or _is_negative(one)]
    shown.sort(key=lambda one: (not one.blocking, _WORST_FIRST.index(one.verdict)))
    measured = [one for one in shown if one.value is not None]
    rows = [(markdown_text(one.name), SIGNS[one.verdict], *_numbers(one)) for one in measured]
    pays = [one for one in findings if one.name == PAYS]
    others = len(findings) - len(shown) - len(pays)
    note = "Above zero, the challenger is better."
    if others:
        note = f"{counted(others, 'further check')} passed. {note}"
    reasons = "\n".join(
        f"- {SIGNS[one.verdict]}, {markdown_code(one.name)}: {sentence(one.reason)}"
        for one in shown
        if _is_negative(one)
    )
    head = ("finding", "", "gain or value", "interval", "threshold", "unit")
    numbers = table(head, rows) if rows else ""
    sentences = (sentence(one.reason) for one in pays)
    parts = ("### Live traffic", _when(latest), numbers, note, reasons, *sentences)
    return "\n\n".join(part for part in parts if part)


def newest_findings(history: RolloutHistory, latest: LatestCheck | None) -> list[Finding]:
    """The findings about live traffic of the newest check that has any."""
    findings = _live_findings(latest.findings if latest is not None else ())
    for entry in reversed(history.transitions):
        findings = findings or _live_findings(entry.findings)
    return findings


def _live_findings(findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.gate in _LIVE_GATES]


def _is_negative(one: Finding) -> bool:
    return one.blocking and one.verdict is not Verdict.PASS


def _numbers(one: Finding) -> tuple[str, ...]:
    value = "" if one.value is None else number(one.value)
    threshold = "" if one.threshold is None else number(one.threshold)
    unit = one.unit if one.blocking else "informative"
    return value, interval_text(one.interval), threshold, unit


def _when(latest: LatestCheck | None) -> str:
    if latest is None:
        return ""
    text = f"As of {minute_text(latest.as_of)}"
    if latest.planned_weeks:
        text += f", {latest.weeks} of {latest.planned_weeks} weeks have matured"
    if latest.next_check is not None and latest.next_check > latest.as_of:
        text += f"; next check {minute_text(latest.next_check)}"
    return f"{text}."


def rollout_stages(history: RolloutHistory) -> str:
    """The stages of a rollout as a table, in Markdown."""
    entries = history.transitions
    if history.replaced is not None:
        entries = (*entries, history.replaced)
    return "### History\n\n" + table(("as of", "stage", "share", "reason"), list(_rows(entries)))


def _rows(entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        outcome, share = rollout_outcome(entry), 0.0
        stage = entry.transition.stage.value if entry.transition else entry.kind.replace("_", " ")
        if entry.transition is not None:
            share = entry.transition.share or entry.transition.shadow_share
        yield (
            minute_text(entry.as_of),
            f"{stage}: {outcome}" if outcome else stage,
            f"{share:.0%}" if share else "",
            sentence("; ".join(entry.reasons).split(": ")[0]),
        )


def _stage(entry: Entry) -> Stage:
    if entry.transition is None:
        raise ValueError(f"entry {entry.sequence} is no transition of a rollout")
    return entry.transition.stage
