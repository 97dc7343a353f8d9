"""What a run of an experiment tracker shows: a retraining, or a monitoring report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

Values = Mapping[str, Sequence[tuple[datetime, float]]]
# An address in a page that begins so leads to a file of the page's run.
RUN_FILES = "run_files/"
RETRAINING = "gauntlet.run"  # tag with the id of the retraining that a run shows


@dataclass(frozen=True)
class PagePart:
    """A run below another one, such as a fit with one seed.

    Arguments:
        name: unique in its page.
        parameters: by name.
        metrics: by name.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunPage:
    """What the page of a run shows.

    Arguments:
        model: its name.
        lineage: of the ledger.
        key: name and value of the tag that identifies the run; a model has one run for each.
        content: hash of the page; a page with the same content is not written again.
        title: one line.
        text: in Markdown; pictures among the files are shown below it.
        tags: for searching.
        parameters: by name.
        metrics: by name, the values with their instants, oldest first.
        files: by name.
        tables: names of the files that are tables, as JSON of columns and data.
        parts: runs below this one.
        version: the version whose run has this one below it; "" for none.
        started: when the work began; ``None``: when the run is made.
        ended: when it ended; ``None``: when the page is complete.
    """

    model: str
    lineage: str
    key: tuple[str, str]
    content: str
    title: str
    text: str
    tags: Mapping[str, str]
    metrics: Values
    files: Mapping[str, bytes]
    parameters: Mapping[str, str] = field(default_factory=dict)
    tables: Sequence[str] = ()
    parts: Sequence[PagePart] = ()
    version: str = ""
    started: datetime | None = None
    ended: datetime | None = None


class RunPages(Protocol):
    """Where pages of runs are kept."""

    def publish(self, page: RunPage) -> str:
        """Make or complete the page of a run; its address for a browser, or "".

        Repeatable. A page of the same key with other content is replaced; the run of a registered
        version is kept and updated.

        Raises:
            Unavailable: running again is safe.
        """
        ...

    def continue_charts(self, model: str, version: str, values: Values) -> None:
        """Add values to the charts of the run that trained a version; repeatable.

        A chart has one line for the whole life of the version. Nothing is done if it was removed.

        Raises:
            Unavailable: running again is safe.
        """
        ...

    def charts(self, model: str, version: str, prefix: str) -> Values:
        """The charts whose names begin so, of the run that trained a version; none if removed.

        Raises:
            Unavailable: running again is safe.
        """
        ...

    def text_file(self, model: str, version: str, name: str) -> str:
        """A text file of the run that trained a version; "" if version or file is not there.

        A killed process may have cut it off, even within a character.

        Raises:
            Unavailable: running again is safe.
        """
        ...

    def change_file(
        self, model: str, version: str, name: str, change: Callable[[str], str]
    ) -> None:
        """Rewrite a text file of the run that trained a version, if it changes; repeatable.

        Nothing is done if version or file were removed. Of two concurrent changes, one is lost:
        hold a lock.

        Arguments:
            change: the new text from the present one.

        Raises:
            Unavailable: running again is safe.
        """
        ...
