"""Drift alarms on published data against dates that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.real.drift import Watched, air_quality, bike_sharing, nhs_antidepressants, pharma_sales
from tests.real.sets.real_set import DATA

pytestmark = [pytest.mark.real]


def present(name: str) -> None:
    """Skip without the data."""
    if not (DATA / name).is_dir():
        pytest.skip(f"the real set {name} is not in ../shared/data")


def from_week(watched: Watched, start: str, end: str) -> set[str]:
    """The columns with an alarm at some look of a stretch."""
    before = watched.rows["decision_time"] < watched.start
    rows = watched.rows[before | (watched.rows["decision_time"] >= start)]
    found = replace(watched, rows=rows, end=end).alarms()
    return {column for column, weeks in found.items() if weeks[-1] >= start}


def test_the_filled_outage_of_january_2017_is_found_in_every_drug_group() -> None:
    """The shop did not report in that month; its hours were filled with averages afterwards."""
    present("pharma_sales")
    sales = pharma_sales()
    assert from_week(sales, "2016-11-28", "2016-12-26") == set()
    assert from_week(sales, "2017-01-02", "2017-02-06") == set(sales.columns)


def test_the_growth_of_bicycle_rentals_is_found_against_last_years_season() -> None:
    present("bike_sharing")
    found = replace(bike_sharing(), columns=("registered", "temp"), end="2012-03-12").alarms()
    assert {column: weeks[0] for column, weeks in found.items()} == {"registered": "2012-01-30"}


def test_a_number_that_means_missing_is_outside_of_the_training_range() -> None:
    present("air_quality_uci")
    week = "2004-09-13"
    raw, known = (replace(air_quality(raw=raw), end=week) for raw in (True, False))
    assert raw.weeks_outside() == ["2004-09-06"]
    assert known.weeks_outside() == []


def test_a_new_price_of_one_drug_in_32_is_missed() -> None:
    """It is 3 % of the rows, and items did not change with it.

    The alarm of segments is about another drug, which was dear and is no more.
    """
    present("nhs_antidepressants")
    found = replace(nhs_antidepressants(), end="2023-02-06").alarms()
    assert found == {"segment": ["2022-12-05"]}
