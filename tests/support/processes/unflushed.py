"""Tests do not wait for the disk: they kill processes, not machines, so nothing is lost."""

from __future__ import annotations

import os


def skip_flushes() -> None:
    """Make ``os.fsync`` return at once in this process, and in those that are forked from it."""
    setattr(os, "fsync", lambda _: None)  # noqa: B010 - it is a function for mypy
