"""The description of a registered model: its champion, since when, and how it came to this."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.core.addresses import version_link
from pipelines.core.markup import markdown_text
from pipelines.predictions.segments import segment_words
from pipelines.release.explanation import explain_entry
from pipelines.release.ledger import Entry
from pipelines.release.rollout.state import ReleaseState
from pipelines.reporting.markdown import sentence, table

_MOST = 12  # changes of the champion in the table
_HOW = {
    "decision": "retraining",
    "review": "approval",
    "first_version": "first version",
    "promotion": "promotion",
    "segment_promotion": "promotion for segments",
    "rollback": "rollback",
    "segment_rollback": "rollback of segments",
    "stop": "stop-loss",
}


def model_page(model: str, entries: Sequence[Entry], owner: str) -> str:
    """The description in Markdown, newest change first.

    Arguments:
        model: its name.
        entries: its ledger of the lineage ``live``, oldest first.
        owner: who is responsible; "" if not known.
    """
    changes = [entry for entry in reversed(entries) if entry.moves]
    answers = [entry for entry in reversed(entries) if entry.changes_champions]
    newest = entries[-1] if entries else None
    lines = ["**No champion yet.**"]
    if changes:
        champion = changes[0].champion_after
        lines = [f"**Champion: {_version(model, champion)}, since {changes[0].as_of:%Y-%m-%d}.**"]
        if segments := ReleaseState.from_entries(model, entries).segments:
            lines.append(f"Other versions answer {markdown_text(segments.since_when())}.")
    if newest is not None:
        lines.append(f"Last decision as of {newest.as_of:%Y-%m-%d}: {_became(newest)}.")
    if owner:
        lines.append(f"Owner: {markdown_text(owner)}.")
    rows = [
        (
            f"{entry.as_of:%Y-%m-%d}",
            _answering(model, entry),
            _HOW.get(entry.kind, entry.kind.replace("_", " ")),
            sentence(next(iter(explain_entry(entry)), "")),
        )
        for entry in answers[:_MOST]
    ]
    history = table(("since", "champion", "by", "reason"), rows) if rows else ""
    more = len(answers) - _MOST
    note = f"{more} earlier changes: `gauntlet ledger {model}`" if more > 0 else ""
    return "\n\n".join(part for part in (" ".join(lines), history, note) if part) + "\n"


def _answering(model: str, entry: Entry) -> str:
    """The version that answers from an entry on, and in which segments if not in all."""
    if entry.segments is None:
        return _version(model, entry.champion_after)
    version = _version(model, entry.segments.version or entry.champion_after)
    named = segment_words(entry.segments.column, entry.segments.values)
    return f"{version} for {markdown_text(named)}"


def _version(model: str, version: str | None) -> str:
    return f"[version {version}]({version_link(model, version)})" if version else "none"


def _became(entry: Entry) -> str:
    if entry.decision is None:
        return entry.outcome.replace("_", " ")
    about = f" (version {entry.candidate})" if entry.candidate else ""
    return f"{entry.decision.outcome.words}{about}"
