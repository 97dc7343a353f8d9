"""A version's report: published with its sections, which later steps fill."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from pipelines.core.run_page import RunPage, RunPages
from pipelines.release.lock import OtherLock, in_turn
from pipelines.reporting.retraining.later_sections import (
    LaterSection,
    with_section,
    with_sections_of,
)
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


def publish_report(
    page: RunPage,
    version: str,
    pages: RunPages,
    lock: Callable[[str, str], AbstractContextManager[object]],
) -> None:
    """Publish the page of a version's retraining; sections that are filled stay as they are.

    A release or a drill may have filled some since a killed process began to publish the page.

    Arguments:
        page: with the report.
        version: number of the version.
        pages: where it is published.
        lock: held meanwhile, as in ``fill_section``.

    Raises:
        As ``fill_section``.
    """
    with in_turn(lock, page.model, OtherLock.REPORT):
        report = with_sections_of(
            page.files[REPORT].decode(), pages.text_file(page.model, version, REPORT)
        )
        pages.publish(replace(page, files={**page.files, REPORT: report.encode()}))
