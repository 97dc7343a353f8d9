"""The audit on the review page: the model's part of the offline gain, and the live gain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipelines.core.findings import Finding, Verdict
from pipelines.reporting.markdown import SIGNS, interval_text, sentence, signed_number, table

if TYPE_CHECKING:
    from pipelines.gates.audit.record import Audit, Distance

LEVEL = 0.95  # level of the intervals of areas; the live gain has its finding's interval
_MOVED = {"training": "training rows", "holdout": "rows scored"}
_NAMED = {
    "champion_training": "the champion's training rows",
    "candidate_training": "the candidate's training rows",
    "candidate_holdout": "the candidate's own scored rows",
}


def audit_section(found: Audit | None, findings: Sequence[Finding]) -> str:
    """The section in Markdown. Empty if the recipe has not changed; the reason if not audited.

    Arguments:
        found: the audit; None if there was none.
        findings: all findings of the run.
    """
    named = {finding.name: finding for finding in findings}
    if found is None:
        live = named.get("audit.live")
        return "" if live is None else f"### Audit: not done\n\n{sentence(live.reason)}"
    parts = (
        "### Audit: where the offline gain comes from",
        _flip(named.get("audit.sign_flip")),
        table(("gain, each recipe fitted anew", "", ""), list(_gains(found, named))),
        "\n".join(f"- {line}" for line in (*_moved(found), *_apart(found), *_luck(found))),
    )
    return "\n\n".join(part for part in parts if part)


def _flip(finding: Finding | None) -> str:
    """A sentence about the signs of the gains; the numbers follow below it."""
    if finding is None:
        return ""
    result = f"{SIGNS[finding.verdict]}: {finding.reason.split(':')[0]}"
    return result if finding.verdict is Verdict.PASS else f"**{result}**"


def _gains(found: Audit, named: dict[str, Finding]) -> Iterator[tuple[str, str, str]]:

    if found.live is not None:
        live = named.get("audit.live")
        interval = interval_text(live.interval) if live is not None else ""
        yield "**on live points, which decide**", f"**{signed_number(found.live.gain)}**", interval
    if found.own is not None:
        terms = found.own.terms
        yield "offline, each on its own rows", signed_number(found.own.total), "of which"
        yield "- new model", signed_number(terms["model"]), "same rows, same labels"
        yield "- new rows", signed_number(terms["rows"]), "same model, another exam"
        yield "- new labels", signed_number(terms["labels"]), "same model, another rule"
    if found.weighted is not None:
        share = f"effective share {found.weighted.effective_share:.0%}; never decides"
        yield "own rows weighted to live", signed_number(found.weighted.gain), share


def _moved(found: Audit) -> Iterator[str]:
    from pipelines.gates.audit.findings import describe_movement

    for moved in found.movements:
        words = describe_movement(moved.left, moved.left_share, moved.entered, moved.entered_share)
        yield f"{_MOVED[moved.population]}: {words}"


def _apart(found: Audit) -> Iterator[str]:
    """The distance of every population from live points; 0.5 means no difference."""
    parts = []
    for name, words in _NAMED.items():
        widest = found.distance(name, "live")
        if widest is not None:
            parts.append(f"{words} {_area(widest)}")
    if parts:
        yield f"how far from live points (area, 0.5 is not at all): {'; '.join(parts)}"


def _area(widest: Distance) -> str:
    interval = widest.auc.interval(LEVEL)
    return f"{widest.auc.area:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def _luck(found: Audit) -> Iterator[str]:
    refits = found.refits
    if refits is not None and refits.luck_share is not None:
        yield (
            f"{refits.luck_share:.0%} of the live gain is luck of fitting; "
            f"luck alone reaches {refits.noise:.3g}"
        )
