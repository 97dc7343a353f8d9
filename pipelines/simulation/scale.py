"""The size and start of a world."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from pipelines.core.records import Instant, Record


class Scale(Record):
    """Size of a world; the same scale and seed always give the same world."""

    name: str
    pharmacies: int = Field(ge=1)
    medicines: int = Field(ge=1)
    prescriptions_per_day: float = Field(
        gt=0,
        description="all pairs, over an average year in which every day is a working day and every "
        "newcomer is there; the first year of a world has about a fifth less",
    )
    start: Instant = datetime(2025, 1, 6, tzinfo=UTC)
    newcomer_share: float = Field(
        default=0.15, ge=0, le=1, description="pharmacies and medicines that appear after the start"
    )
    late_share: float = Field(default=0.03, ge=0, le=1, description="rows known after 1 to 4 days")
    price_missing_share: float = Field(default=0.02, ge=0, le=1)


SMALL = Scale(name="small", pharmacies=12, medicines=10, prescriptions_per_day=600)
DEMO = Scale(name="demo", pharmacies=20, medicines=12, prescriptions_per_day=1_500)
BENCHMARK = Scale(name="benchmark", pharmacies=200, medicines=40, prescriptions_per_day=36_000)
