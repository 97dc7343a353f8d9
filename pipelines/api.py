"""Gauntlet from Python: the commands ``check``, ``retrain``, ``backtest`` and ``explain``.

Each function does what the command of its name does, with the same settings, and returns a record.
In a notebook, it shows what the command prints. Libraries are loaded when a function needs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from pipelines.cli.commands.backtest import replay, report_page, show
from pipelines.cli.commands.check import CheckedModel, run_check, show_check
from pipelines.cli.commands.retrain import run_retraining, show_decision, show_step
from pipelines.cli.commands.watch.explain import Explanation, explanation, show_explanation
from pipelines.cli.options import instant
from pipelines.cli.output import printed_html, printed_text
from pipelines.core.markup import html_text, markdown_block
from pipelines.flows.retrain.request import LIVE, Request, StepReport
from pipelines.wiring import SystemClock

if TYPE_CHECKING:
    from pipelines.backtest.results import BacktestReport
    from pipelines.flows.retrain.steps import Retraining

R = TypeVar("R")
_HEIGHT = 720  # of a page inside a notebook, in pixels


@dataclass(frozen=True, repr=False)
class Result(Generic[R]):
    """A record and how it is shown.

    ``print(result)`` and a notebook show what the command prints.

    Arguments:
        record: the result itself.
        show: prints it on the terminal.
        page: makes a page of HTML that a notebook shows instead; None: there is none.
    """

    record: R
    show: Callable[[], None] = field(compare=False)
    page: Callable[[], str] | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return printed_text(self.show).strip("\n")

    def _repr_markdown_(self) -> str:
        """For viewers of notebooks that show no HTML."""
        return markdown_block(repr(self))

    def _repr_html_(self) -> str:
        """For notebooks. A page has its own styles, so it is shown in a frame, without scripts."""
        if self.page is None:
            return printed_html(self.show)
        return (
            f'<iframe sandbox="" srcdoc="{html_text(self.page())}" width="100%" '
            f'height="{_HEIGHT}" style="border: 0" title="report"></iframe>'
        )


def check(
    model: str, as_of: datetime | str | None = None, *, lineage: str = LIVE
) -> Result[CheckedModel]:
    """Check whether a declared model is ready to be retrained, as ``gauntlet check`` does.

    Arguments:
        model: name of a declared model.
        as_of: instant of the run, with a time zone; default: now.
        lineage: ``live``, or a backfill's.

    Returns:
        ``record.readiness`` has ``ready``, ``problems`` and ``findings``.

    Raises:
        GauntletError: the declaration is wrong, or something does not answer.
    """
    found = run_check(model, _text(as_of), lineage)
    return Result(found, partial(show_check, found))


def retrain(
    model: str,
    as_of: datetime | str | None = None,
    *,
    lineage: str = LIVE,
    reason: str = "",
    dry_run: bool = False,
    waive: tuple[str, ...] = (),
) -> Result[Retraining]:
    """Train a candidate, compare it with the champion, decide and record: ``gauntlet retrain``.

    Arguments:
        model: name of a declared model.
        as_of: instant of the run, with a time zone; default: now.
        lineage: ``live``, or a backfill's.
        reason: why the run exists; the ledger keeps it.
        dry_run: compare, but do not register or decide; uses a try of the error budget.
        waive: names of findings to ignore once; needs a reason.

    Returns:
        ``record.decision`` has ``outcome`` and ``reasons``, ``record.findings`` what they rest on,
        ``record.version`` the registered version.

    Raises:
        GauntletError: the declaration is wrong, another run is active, or a server does not answer.
    """
    reports: list[StepReport] = []
    request = Request(
        model=model,
        as_of=instant(_text(as_of), SystemClock().now()),
        lineage=lineage,
        reason=reason,
        dry_run=dry_run,
        waive=waive,
    )
    done = run_retraining(request, reports.append)

    def show() -> None:
        for report in reports:
            show_step(report)
        show_decision(done, everything=False)

    return Result(done, show)


def backtest(
    model: str,
    first: datetime | str,
    end: datetime | str | None = None,
    *,
    sweep: tuple[str, ...] = (),
) -> Result[BacktestReport]:
    """Replay the promotion policy over history, against simpler ones: ``gauntlet backtest``.

    Arguments:
        model: name of a declared model.
        first: policies act from its first Monday on.
        end: they act before this instant; default: now.
        sweep: values of keys of the declaration to compare, such as
            ``"gates.refresh.evidence=better,likely"``.

    Returns:
        ``record.policies`` has one result for each policy. A notebook shows the report with its
        plots.

    Raises:
        GauntletError: the declaration is wrong, or something does not answer.
    """
    report = replay(model, str(_text(first)), _text(end), sweep)
    return Result(report, partial(show, report), partial(report_page, report))


def explain(
    model: str, version: str | int | None = None, *, lineage: str = LIVE, everything: bool = False
) -> Result[Explanation]:
    """Explain a decision, and replay its verdict: ``gauntlet explain``.

    Arguments:
        model: name of a model.
        version: a version; default: the newest decision.
        lineage: ``live``, or a backfill's.
        everything: show every finding, those that passed among them.

    Returns:
        ``record.entry`` is the ledger's entry, ``record.replayed`` the decision, judged again.

    Raises:
        GauntletError: there is no such model, lineage or decision.
    """
    found = explanation(model, None if version is None else str(version), lineage)
    return Result(found, partial(show_explanation, found, everything=everything))


def _text(at: datetime | str | None) -> str | None:
    """An instant as the command line takes it."""
    return at.isoformat() if isinstance(at, datetime) else at
