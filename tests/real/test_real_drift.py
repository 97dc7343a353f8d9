"""Drift alarms on published data against dates that are known."""

from __future__ import annotations

import pandas as pd
import pytest

from pipelines.drift.calibration import column_drift
from pipelines.drift.profile import profile_like, reference_profile
from tests.real.sets import SETS
from tests.real.sets.pharma_sales import DRUGS
from tests.real.sets.real_set import DATA

pytestmark = [pytest.mark.real]


def test_the_filled_outage_of_january_2017_is_found_in_most_drug_groups() -> None:
    """The shop did not report in that month; its hours were filled with averages afterwards."""
    if not SETS["pharma_sales"].present:
        pytest.skip("the real set pharma_sales is not in ../shared/data")
    hours = pd.read_csv(DATA / "pharma_sales" / "saleshourly.csv.gz")
    hours["decision_time"] = pd.to_datetime(hours["datum"], format="%m/%d/%Y %H:%M")
    time = hours["decision_time"]
    reference = reference_profile(hours[time < "2016-01-04"], DRUGS)

    def alarms(start: str, end: str) -> set[str]:
        fresh = profile_like(reference, hours[(time >= start) & (time < end)])
        return {one.column for one in column_drift(reference, fresh) if one.alarm}

    assert alarms("2016-11-28", "2016-12-26") == set()
    found = alarms("2017-01-02", "2017-01-30")
    assert found == {"M01AB", "M01AE", "N02BA", "N02BE", "N05B", "R03"}
