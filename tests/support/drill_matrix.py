"""The result of a drill, for tests of what shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.faults.matrix import Cell, CleanStretch, FaultCost, FaultRow, Matrix

AT = datetime(2025, 3, 10, tzinfo=UTC)
COST = FaultCost(value=2.5, low=1.5, high=3.5, level=0.9, rows=500)
MATRIX = Matrix(
    model="demand",
    version="3",
    as_of=AT,
    drilled_at=AT,
    metric="absolute_error",
    minimum_effect=0.5,
    quick=False,
    rows=(
        FaultRow(
            fault="null_spike",
            description="Values are missing.",
            sizes=("2%", "50%"),
            place="dispensing.quantity",
            cells=(Cell(size=0.02, cost=COST), Cell(size=0.5, caught_by=("contract.x", "b"))),
        ),
        FaultRow(
            fault="shifted_labels",
            description="Labels are in the wrong rows.",
            sizes=("100%",),
            cells=(Cell(size=1, cost=COST.model_copy(update={"value": 9.0})),),
        ),
        FaultRow(fault="split", description="d", sizes=("1%",), not_applicable="no rollout"),
    ),
    lookback=timedelta(days=1),
    stretches=(CleanStretch(as_of=AT, fired=("contract.a",)), CleanStretch(as_of=AT, fired=())),
)
