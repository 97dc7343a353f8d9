"""The page ``docs/findings.md``, written from the catalogue of findings."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pipelines.core.findings import Gate
from pipelines.gates.catalogue.entry import FindingEntry
from pipelines.gates.catalogue.lookup import CATALOGUE

_HEAD = """# Findings

`make docs` writes this page from `pipelines/gates/catalogue`.

A finding is one checked fact. Its name is stable: alerts and waivers refer to it. `<...>` stands
for a name in your declaration or data. The reason in each finding has the numbers; this page says
what the check means, and what to do when the verdict is not `pass`.
[How to read a rejected run](rejected-run.md) explains verdicts and outcomes.

*Decides*: a finding that decides stops the candidate unless it passes. A finding that does not
decide is only shown. "Depends" means that it decides under conditions that its guide describes.
"""
_GUIDES = {
    Gate.CONTRACT: "[How it decides](deciding.md), [the suite](declaration.md#the-suite)",
    Gate.AVAILABILITY: "[Availability and parity](availability.md)",
    Gate.RECENT_WINDOW: "[How it decides](deciding.md)",
    Gate.CHAMPION: "[A broken champion](deciding.md#a-broken-champion)",
    Gate.REFRESH: "[How it decides](deciding.md)",
    Gate.UPDATE: "[Updates](updates.md)",
    Gate.AUDIT: "[The audit](audit.md)",
    Gate.BUDGET: "[The year's error budget](deciding.md#the-years-error-budget)",
    Gate.SHADOW: "[Releases](release.md)",
    Gate.CANARY: "[The canary](canary.md)",
}


def findings_page() -> str:
    """The page as Markdown: one section for each gate, one row for each finding."""
    return "\n".join((_HEAD, *(part for gate in Gate for part in _section(gate))))


def _section(gate: Gate) -> Iterator[str]:
    yield f"## {gate.value.replace('_', ' ').capitalize()}\n"
    yield f"{_GUIDES[gate]}\n"
    yield "| finding | meaning | decides | what to do |\n|---|---|---|---|"
    yield from (_row(entry) for entry in CATALOGUE if entry.gate is gate)
    yield ""


def _row(entry: FindingEntry) -> str:
    return f"| `{entry.name}` | {entry.meaning} | {entry.decides} | {entry.action} |"


if __name__ == "__main__":
    sys.stdout.write(findings_page())
