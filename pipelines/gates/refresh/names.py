"""The name of the stop-loss's finding, for rooms that must not load the statistics behind it."""

from __future__ import annotations

STOP = "refresh.stop"
