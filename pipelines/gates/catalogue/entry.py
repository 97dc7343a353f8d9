"""One kind of finding: its name, what it means, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pipelines.core.findings import Gate

Decides = Literal["yes", "no", "depends"]


@dataclass(frozen=True)
class FindingEntry:
    """One kind of finding.

    Arguments:
        name: full dotted name; ``<part>`` stands for one part that depends on the declaration.
        meaning: what is checked, and when it does not pass.
        action: what a person can do when it does not pass.
        decides: whether it counts in the decision; ``depends`` on the verdict or declaration.
    """

    name: str
    meaning: str
    action: str
    decides: Decides = "yes"

    @property
    def gate(self) -> Gate:
        """The gate that makes it."""
        return Gate(self.name.partition(".")[0])

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Names that the entry describes. A repeated check of a suite ends with its number."""
        parts = re.split(r"<[^>]+>", self.name)
        return re.compile(r"[^.]+".join(re.escape(part) for part in parts) + r"(\.\d+)?")

    def describes(self, name: str) -> bool:
        """Whether a finding of this name belongs to the entry."""
        return self.pattern.fullmatch(name) is not None
