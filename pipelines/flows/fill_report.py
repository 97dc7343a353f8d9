"""Fills a section of a version's report with what a later step has found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from pipelines.core.run_page import RunPages
from pipelines.release.lock import OtherLock, in_turn
from pipelines.reporting.retraining.later_sections import LaterSection, with_section
from pipelines.reporting.retraining.sections import REPORT


def fill_section(
    model: str,
    version: str,
    section: LaterSection,
    body: str,
    pages: RunPages,
    lock: Callable[[str, str], AbstractContextManager[object]],
) -> None:
    """Put the content of a section into a version's report; repeatable.

    Nothing is done if the version has no report, or was removed.

    Arguments:
        model: the model's name.
        version: its number.
        section: which one.
        body: its content, as HTML.
        pages: have the report.
        lock: held meanwhile, so that steps at the same time keep each other's sections.

    Raises:
        LockedError: another process has held the lock for minutes.
        Unavailable: MLflow does not answer; running again is safe.
    """
    with in_turn(lock, model, OtherLock.REPORT):
        pages.change_file(model, version, REPORT, lambda text: with_section(text, section, body))
