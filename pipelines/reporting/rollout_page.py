"""What live traffic says of a version, above what its review page said before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from pydantic import Field

from pipelines.core.findings import Finding, Gate, Verdict
from pipelines.core.records import Instant, Record
from pipelines.release.ledger import Entry
from pipelines.release.rollout.outcome import rollout_outcome
from pipelines.release.rollout.transition import Stage
from pipelines.reporting.markdown import SIGNS, interval_text, number, sentence, table

_BEFORE = "*What was said before live traffic:*\n\n"
_LIVE = (Gate.SHADOW, Gate.CANARY)
_WORST = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS)
_STANDS = {
    Stage.SHADOW: "◔ In shadow: it answers beside the champion, unheard",
    Stage.CANARY: "◔ In its canary: it answers some entities",
    Stage.PROMOTED: "✔ Champion: its canary was won",
    Stage.HOLDBACK: "✔ Champion, watched: its canary was won",
}
_ENDED = {
    "rolled back": "✘ Rolled back: it did harm",
    "failed in shadow": "✘ Failed in shadow",
    "inconclusive": "○ Not promoted: its canary could not tell",
    "void": "○ Void: its trial proves nothing",
}


class RolloutHistory(Record):
    """One version's way through live traffic, as the ledger has it."""

    version: str
    moves: tuple[Entry, ...] = Field(min_length=1, description="from shadow on, oldest first")
    replaced: Entry | None = Field(default=None, description="what changed the champion since")

    @property
    def promoted(self) -> bool:
        """Whether it became champion."""
        return any(_stage(entry) is Stage.PROMOTED for entry in self.moves)

    @property
    def stood(self) -> bool:
        """Whether it was on trial or champion until now."""
        return self.replaced is None and (
            self.promoted or _stage(self.moves[-1]) is not Stage.ENDED
        )

    @property
    def stands(self) -> str:
        """How it stands, in a word or two."""
        last = self.moves[-1]
        if self.replaced is not None:
            taken_back = "taken back" if self.replaced.kind == "rollback" else "replaced"
            return taken_back if self.promoted else "void"
        if self.promoted and _stage(last) is Stage.ENDED:
            return "kept"
        return rollout_outcome(last) or _stage(last).value


class LatestCheck(Record):
    """What the newest look at live traffic found."""

    as_of: Instant
    summary: str
    findings: tuple[Finding, ...] = ()
    weeks: int = Field(default=0, description="whole matured weeks that counted")
    planned_weeks: int = 0
    next_look: Instant | None = None


def rollout_histories(chain: Iterable[Entry]) -> list[RolloutHistory]:
    """Every version's that was ever on live traffic, in the order in which they came there."""
    found: list[RolloutHistory] = []
    for entry in chain:
        own = entry.transition is not None
        if entry.transition is not None and entry.transition.stage is Stage.SHADOW:
            found.append(RolloutHistory(version=entry.transition.challenger, moves=(entry,)))
        elif own and found:
            last = found[-1]
            found[-1] = last.model_copy(update={"moves": (*last.moves, entry)})
        if entry.moves:
            found = [
                one.model_copy(update={"replaced": entry})
                if one.stood and not (own and one is found[-1])
                else one
                for one in found
            ]
    return found


def rollout_page(history: RolloutHistory, latest: LatestCheck | None, page: str) -> str:
    """A version's page with its live traffic on top; put there before, it is replaced.

    Arguments:
        history: the version's.
        glance: the newest look, if one was made; else what its moves followed from is shown.
        page: the page as it is.
    """
    before = page.split(_BEFORE, 1)[-1]
    parts = (_headline(history, latest), _found(history, latest), _moves(history))
    return "\n\n".join(part for part in parts if part) + f"\n\n{_BEFORE}{before}"


def _headline(history: RolloutHistory, latest: LatestCheck | None) -> str:
    if history.replaced is not None:
        title = f"○ Champion no more: version {history.replaced.champion_after} is"
        if not history.promoted:
            title = _ENDED["void"]
        said = list(history.replaced.reasons)
    else:
        last = history.moves[-1]
        ended = _stage(last) is Stage.ENDED
        stood = _STANDS[Stage.PROMOTED] if history.promoted and ended else ""
        title = stood or _ENDED.get(rollout_outcome(last), "") or _STANDS[_stage(last)]
        said = [latest.summary] if latest is not None and not ended else list(last.reasons)
    return "\n\n".join([f"{title}\n---", *(sentence(reason) for reason in said[:2])])


def _found(history: RolloutHistory, latest: LatestCheck | None) -> str:
    """What was measured and what did not pass, the worst first; how many others passed."""
    findings = latest.findings if latest is not None else ()
    findings = tuple(f for f in findings if f.gate in _LIVE)
    for entry in reversed(history.moves):
        findings = findings or tuple(f for f in entry.findings if f.gate in _LIVE)
    if not findings:
        return ""
    told = [one for one in findings if one.interval is not None or _against(one)]
    told.sort(key=lambda one: (not one.blocking, _WORST.index(one.verdict)))
    rows = [(one.name, SIGNS[one.verdict], *_numbers(one)) for one in told]
    note = (
        f"{len(findings) - len(told)} further checks passed. Above zero the challenger is better."
    )
    lines = "\n".join(f"- `{one.name}`: {sentence(one.reason)}" for one in told if _against(one))
    head = ("finding", "", "gain or value", "interval", "held against", "unit")
    parts = ("### What live traffic says", _when(latest), table(head, rows), note, lines)
    return "\n\n".join(part for part in parts if part)


def _against(one: Finding) -> bool:
    return one.blocking and one.verdict is not Verdict.PASS


def _numbers(one: Finding) -> tuple[str, ...]:
    value = "" if one.value is None else number(one.value)
    threshold = "" if one.threshold is None else number(one.threshold)
    return value, interval_text(one.interval), threshold, one.unit if one.blocking else "shown only"


def _when(latest: LatestCheck | None) -> str:
    if latest is None:
        return ""
    weeks = (
        f", {latest.weeks} of {latest.planned_weeks} weeks have matured"
        if latest.planned_weeks
        else ""
    )
    later = latest.next_look is not None and latest.next_look > latest.as_of
    again = f"; next look {_minute(latest.next_look)}" if latest.next_look and later else ""
    return f"As of {_minute(latest.as_of)}{weeks}{again}."


def _moves(history: RolloutHistory) -> str:
    rows = list(_rows((*history.moves, *([history.replaced] if history.replaced else []))))
    return "### Its way\n\n" + table(("as of", "in the ledger", "share", "because"), rows)


def _rows(entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        how, share = rollout_outcome(entry), 0.0
        what = entry.transition.stage.value if entry.transition else entry.kind
        if entry.transition is not None:
            share = entry.transition.share or entry.transition.shadow_share
        why = sentence("; ".join(entry.reasons).split(": ")[0])
        told = f"{share:.0%}" if share else ""
        yield _minute(entry.as_of), f"{what}: {how}" if how else what, told, why


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _stage(entry: Entry) -> Stage:
    assert entry.transition is not None
    return entry.transition.stage
