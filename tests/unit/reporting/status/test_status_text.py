"""The status of a model on a terminal of 80 columns."""

from datetime import UTC, date, datetime, timedelta

from pipelines.reporting.status.model_status import (
    BudgetStatus,
    ChampionStatus,
    DecisionStatus,
    ModelStatus,
    MonitoringStatus,
    Overview,
    PendingTask,
    RolloutStatus,
    StreamStatus,
    ViewStatus,
)
from pipelines.reporting.status.status_text import model_rows, overview_text

NOW = datetime(2026, 1, 19, 8, tzinfo=UTC)
WEEK = timedelta(weeks=1)
BUSY = ModelStatus(
    model="demand",
    owner="demand-forecasting",
    unit="absolute_error",
    champion=ChampionStatus(
        version="3", since=NOW - WEEK, trained_until=NOW - 3 * WEEK, age_weeks=3, cost=2.4
    ),
    decision=DecisionStatus(
        sequence=7,
        outcome="await_review",
        as_of=NOW,
        recorded_at=NOW,
        candidate="4",
        reasons=("every gate passed; the declaration asks for a person's approval",),
    ),
    pending=(
        PendingTask(
            what="version 4 awaits approval",
            next_step="gauntlet approve demand 4 --by YOU --evidence 0f1e2d3c",
            version="4",
        ),
    ),
    rollout=RolloutStatus(
        challenger="2",
        stage="canary",
        share=0.1,
        since=NOW - WEEK,
        next_check=NOW,
        weeks=1,
        planned_weeks=4,
        evidence="not shown to be worse than 0",
    ),
    streams=(
        StreamStatus(name="dispensing", newest_day=date(2026, 1, 18), stale=False),
        StreamStatus(name="stock", newest_day=None, stale=True),
    ),
    views=(ViewStatus(name="by_pharmacy", as_of=NOW - timedelta(hours=3), expired=True),),
    budget=BudgetStatus(year=2026, left=11, tries=1),
    monitoring=MonitoringStatus(
        as_of=NOW, health="broken_data", action="fix_feed", reason="no rows", alarms=1
    ),
)


def shown(*models: ModelStatus) -> str:
    return "\n".join(overview_text(Overview(at=NOW, models=models)))


def test_everything_that_an_operator_looks_for_is_on_the_screen() -> None:
    text = shown(BUSY)
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for part in (
        "demand: version 3 is champion since 2026-01-12, 7d ago",
        "3.0 weeks, trained until 2025-12-29; costs about 2.4 absolute_error",
        "last decision 2026-01-19 await review of version 4: every gate passed",
        "TO DO version 4 awaits approval: `gauntlet approve demand 4 --by YOU",
        "version 2 in canary, 10% of entities, since 2026-01-12 (7d ago); 1 of 4 matured weeks",
        "next check 2026-01-19 08:00 UTC; not shown to be worse than 0",
        "broken data, action fix feed, as of 2026-01-19; 1 alarm, no rows",
        "11 tries left in 2026, 1 made",
        "dispensing 2026-01-18, stock none STALE",
        "by_pharmacy 3h ago EXPIRED",
    ):
        assert part in flat


def test_a_part_that_cannot_be_read_is_shown_as_a_problem() -> None:
    text = shown(BUSY, ModelStatus(model="orders", problems=("the ledger is damaged",)))
    assert text.splitlines()[-2:] == [
        "orders: no champion",
        "  PROBLEM         the ledger is damaged",
    ]


def test_a_model_is_one_row_of_the_list_with_what_is_due() -> None:
    quiet = ModelStatus(model="orders", owner="supply")
    broken = quiet.model_copy(update={"problems": ("the ledger is damaged",)})
    assert model_rows(Overview(at=NOW, models=(BUSY, quiet, broken))) == [
        ("demand", "3", "2026-01-12", "await review", "a person", "demand-forecasting"),
        ("orders", "none", "", "", "", "supply"),
        ("orders", "none", "", "", "a problem", "supply"),
    ]
