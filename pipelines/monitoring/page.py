"""A monitoring report as it is shown next to the model's versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class ReportPage:
    """What the page of a report shows.

    Arguments:
        model: its name.
        version: the champion that the report is about.
        as_of: the instant of the report; a model has one page for each.
        content: hash of the report.
        title: one line.
        text: the report's screen; pictures among the files are shown below it.
        tags: for searching.
        metrics: by name, the values with their instants, oldest first.
        files: by name.
    """

    model: str
    version: str
    as_of: datetime
    content: str
    title: str
    text: str
    tags: Mapping[str, str]
    metrics: Mapping[str, Sequence[tuple[datetime, float]]]
    files: Mapping[str, bytes]


class ReportPages(Protocol):
    """Where pages of reports are kept."""

    def publish(self, page: ReportPage) -> str:
        """Make the page of a report, once; its address for a browser, or "".

        A page of the same instant with other content is replaced.

        Raises:
            Unavailable: running again is safe.
        """
        ...
