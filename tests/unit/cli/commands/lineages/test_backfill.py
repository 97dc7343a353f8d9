"""``gauntlet backfill``: instants after the present, and workers on Spark, are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pharmacy import Pharmacy

LAST = "9999-12-31"  # its end is the last instant that Python has


@pytest.mark.parametrize(
    ("first", "every", "where"),
    [
        (LAST, "7d", "--from"),
        (LAST, "", "--from"),
        ("2025-03-31", "365000d", "backfill of demand"),
        ("2025-03-31", "", "2025-03-31T00:00:00Z to 9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_after_the_present_is_refused(
    tmp_path: Path, first: str, every: str, where: str
) -> None:
    pharmacy = Pharmacy(tmp_path / "home", str(tmp_path / "store"))
    pharmacy.declare(schedule="0 6 * * 1")
    cadence = ("--every", every) if every else ()
    refused = pharmacy.cli("backfill", "demand", "--from", first, "--to", LAST, *cadence)
    assert refused.code == 2, refused.err
    assert where in refused.err


def test_workers_on_spark_are_refused(tmp_path: Path) -> None:
    pharmacy = Pharmacy(tmp_path / "home", str(tmp_path / "store"))
    pharmacy.declare(schedule="0 6 * * 1")
    weeks = ("--from", "2025-03-31", "--to", "2025-04-14", "--workers", "1")
    refused = pharmacy.cli("backfill", "demand", *weeks, GAUNTLET_ENGINE="spark://host:7077")
    assert refused.code == 2, refused.err
    assert "weeks can be prepared with DuckDB only" in refused.err
    assert "GAUNTLET_ENGINE=spark://host:7077" in refused.err
