"""The as-of instants of a backfill, and the name of its lineage."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.core.errors import SpecError, TimeError
from pipelines.core.time import FixedClock
from pipelines.flows.backfill import BackfillRequest, backfill_instants, open_backfill
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import declaration
from tests.support.sales_home import AS_OF, SalesHome, connections_to
from tests.support.sales_home import rows as sales_rows

DAY = timedelta(days=1)
MONDAY = datetime(2025, 10, 6, 6, tzinfo=UTC)
SPEC = ModelSpec.model_validate(declaration(schedule="0 6 * * 1"))


def test_both_ends_are_inclusive() -> None:
    weekly = backfill_instants(SPEC, MONDAY, MONDAY + 14 * DAY, None)
    assert weekly == tuple(MONDAY + week * 7 * DAY for week in range(3))
    assert backfill_instants(SPEC, MONDAY, MONDAY + 14 * DAY, 7 * DAY) == weekly


def test_a_long_time_between_instants_leaves_the_first_one_only() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert backfill_instants(SPEC, MONDAY, last, 3_000_000 * DAY) == (MONDAY,)


def test_a_schedule_begins_with_its_first_instant_after_the_day() -> None:
    first = datetime(2025, 10, 2, tzinfo=UTC)
    assert backfill_instants(SPEC, first, first + 8 * DAY, None) == (MONDAY,)


def test_a_schedule_in_a_zone_follows_its_clock() -> None:
    spec = SPEC.model_copy(update={"schedule_zone": "Europe/Berlin"})
    found = backfill_instants(spec, datetime(2025, 10, 20, tzinfo=UTC), MONDAY + 28 * DAY, None)
    assert [f"{at:%m-%d %H:%M}" for at in found] == ["10-20 04:00", "10-27 05:00", "11-03 05:00"]


@pytest.mark.parametrize(
    ("changed", "last", "every", "message"),
    [
        ({}, MONDAY - DAY, None, "ends before it begins"),
        ({"schedule": "0 8 * * 1"}, MONDAY, None, "instant is 2025-10-06T08:00:00Z"),
        ({}, MONDAY + DAY, timedelta(minutes=1), "more than 520"),
        ({"schedule": None}, MONDAY + DAY, None, "--every 7d"),
        ({}, MONDAY + DAY, timedelta(0), "such as 7d"),
    ],
)
def test_a_backfill_without_usable_instants_is_refused(
    changed: dict[str, Any], last: datetime, every: timedelta | None, message: str
) -> None:
    spec = SPEC.model_copy(update=changed)
    with pytest.raises(SpecError, match=message):
        backfill_instants(spec, MONDAY, last, every)


def opened(
    *dates: datetime, spec: ModelSpec = SPEC, suite: Mapping[str, Any] | None = None, **options: Any
) -> Any:
    parts: Any = SimpleNamespace(
        load_spec=lambda _: spec,
        load_suite=lambda _: suite or {},
        clock=FixedClock(MONDAY + 30 * DAY),
    )
    return open_backfill(BackfillRequest(model="demand", as_of=dates, **options), parts)


def test_the_lineage_names_what_the_backfill_is() -> None:
    dates = (MONDAY, MONDAY + 7 * DAY)
    name = opened(*dates).lineage
    assert name.startswith("backfill-20251006-20251013-")
    assert opened(*dates, reason="another").lineage == name
    others = {
        opened(*dates, from_scratch=True).lineage,
        opened(MONDAY, MONDAY + 6 * DAY, MONDAY + 7 * DAY).lineage,
        opened(*dates, spec=ModelSpec.model_validate(declaration(seeds=[1]))).lineage,
        opened(*dates, suite={"dispensing": {"expectations": []}}).lineage,
    }
    assert name not in others
    assert len(others) == 4


def test_instants_out_of_order_or_in_the_future_are_refused() -> None:
    with pytest.raises(SpecError, match="do not increase"):
        opened(MONDAY, MONDAY)
    with pytest.raises(TimeError):
        opened(MONDAY, MONDAY + 60 * DAY)


def test_a_backfill_waits_while_another_process_works_on_its_lineage(tmp_path: Path) -> None:
    home = SalesHome(tmp_path, connections_to(sales_rows(), tmp_path, AS_OF))
    home.declare()
    messages: list[str] = []
    request = BackfillRequest(model="sales", as_of=(AS_OF,), from_scratch=True)
    with ExitStack() as other:

        def progress(text: str) -> None:
            messages.append(text)
            if text.startswith("waiting"):
                threading.Timer(0.3, other.close).start()

        backfill = open_backfill(request, replace(home.parts, progress=progress))
        other.enter_context(home.parts.lock("sales", backfill.lineage))
        [week] = backfill.weeks()
    assert week.outcome == "first_version"
    [waited] = [text for text in messages if text.startswith("waiting")]
    assert "another run of this model is at work, held by " in waited


def test_weeks_do_not_read_a_declaration_that_changes_meanwhile(tmp_path: Path) -> None:
    home = SalesHome(tmp_path, connections_to(sales_rows(), tmp_path, AS_OF))
    home.declare()
    request = BackfillRequest(model="sales", as_of=(AS_OF,), from_scratch=True)
    backfill = open_backfill(request, home.parts)
    home.declare(description="of another backfill")
    [week] = backfill.weeks()
    [version] = home.parts.versions.registry.versions("sales")
    assert (week.version, version.spec) == (version.version, backfill.spec.digest)
