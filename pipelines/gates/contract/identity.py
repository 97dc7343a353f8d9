"""Findings about events that were delivered more than once, one for each stream with an id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipelines.core.findings import Finding, Measurement, Verdict, make_finding
from pipelines.data.identity import Copies


def identity_findings(copies: Mapping[str, Copies], most: float) -> Iterable[Finding]:
    """One finding for each stream that declares an id and has a repeated or a missing one.

    Contradictions fail. They block when their share of the fresh rows is above ``most``; otherwise
    they are shown.

    Arguments:
        copies: by stream.
        most: largest share of fresh rows that may contradict an earlier row.
    """
    for stream, found in copies.items():
        if found.repeated or found.without_id:
            share = found.fresh_contradicting / max(found.fresh_rows, 1)
            yield make_finding(
                f"contract.identity.{stream}",
                Verdict.FAIL if found.contradicting else Verdict.PASS,
                _sentence(stream, found, most),
                Measurement(value=share, threshold=most, unit="share", rows=found.fresh_rows),
                blocking=share > most or not found.contradicting,
            )


def _sentence(stream: str, found: Copies, most: float) -> str:
    parts = []
    if found.contradicting:
        examples = ". ".join(found.examples)
        parts.append(
            f"{found.contradicting:,} of {found.rows:,} rows have the id of an earlier row and "
            f"other values, {found.fresh_contradicting:,} of them among {found.fresh_rows:,} fresh "
            f"rows, wanted at most {most:.2%} of these. The row that became known first counts. "
            f"{examples}"
        )
    if found.equal:
        parts.append(f"{found.equal:,} rows repeat an earlier row and do not count")
    if found.without_id:
        parts.append(f"{found.without_id:,} rows have no id, and each counts")
    return f"{stream}: {'; '.join(parts)}"
