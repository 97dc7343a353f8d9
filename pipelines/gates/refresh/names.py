"""Names of findings from a record, for rooms that must not load the statistics behind them."""

from __future__ import annotations

from pipelines.core.findings import Finding, Gate

STOP = "refresh.stop"
REPLAY = "recent_window.replay"


def is_from_record(finding: Finding) -> bool:
    """Whether a finding follows from the recipe's record, so that it can be judged again."""
    return finding.gate is Gate.REFRESH or finding.name == REPLAY
