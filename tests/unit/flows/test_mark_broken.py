"""A broken window is recorded once, and only for what the model declares."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.adapters.database import open_engine
from pipelines.adapters.ledger.sql import SqlLedger
from pipelines.core.errors import SpecError
from pipelines.core.time import FixedClock
from pipelines.flows.mark_broken import MarkCollaborators, mark_broken
from pipelines.release.broken_windows.window import BrokenWindow
from pipelines.spec.model import ModelSpec
from tests.support.sales import sales_model

__all__ = ["sales_model"]

NOW = datetime(2026, 2, 1, tzinfo=UTC)
WINDOW = BrokenWindow(start=NOW - timedelta(days=7), end=NOW, stream="sales", by="Ada")


@pytest.fixture
def using(sales_model: Callable[..., ModelSpec]) -> MarkCollaborators:
    clock = FixedClock(NOW)
    return MarkCollaborators(
        load_spec=lambda _: sales_model(),
        ledger=SqlLedger(open_engine("sqlite://"), clock),
        lock=lambda _model, _lineage: nullcontext(),
        clock=clock,
    )


def test_a_mark_is_recorded_once_and_can_be_taken_back(using: MarkCollaborators) -> None:
    first = mark_broken("sales", WINDOW, "tablets", using)
    assert (first.kind, first.broken, first.reasons) == ("broken_window", WINDOW, ("tablets",))
    assert mark_broken("sales", WINDOW, "tablets", using) == first
    mended = WINDOW.model_copy(update={"mended": True})
    assert mark_broken("sales", mended, "imported again", using).sequence == 2
    assert mark_broken("sales", WINDOW, "tablets", using).sequence == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"stream": "returns"}, "x"), ({"column": "colour"}, "x"), ({}, " ")],
)
def test_a_mark_names_what_is_declared_and_why(
    using: MarkCollaborators, changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(SpecError):
        mark_broken("sales", WINDOW.model_copy(update=changes), reason, using)
    assert using.ledger.entries("sales") == ()
