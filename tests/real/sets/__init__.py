"""The published sets by the name of their model, in the order of the tables."""

from __future__ import annotations

from tests.real.sets import (
    air_quality,
    bike_sharing,
    cd_orders,
    chicago_taxi,
    hotel_bookings,
    metro_traffic,
    nhs_antidepressants,
    nhs_doac,
    noaa_rain,
    nyc_taxi,
    online_retail,
    optical_insects,
    ozone_houston,
    pharma_sales,
    pjm_load,
    pnw_flights,
)
from tests.real.sets.real_set import DATA, RealSet

SETS: dict[str, RealSet] = {
    part.SET.name: part.SET
    for part in (
        bike_sharing,
        pnw_flights,
        pharma_sales,
        pjm_load,
        metro_traffic,
        air_quality,
        hotel_bookings,
        online_retail,
        nhs_doac,
        nhs_antidepressants,
        optical_insects,
        noaa_rain,
        ozone_houston,
        nyc_taxi,
        chicago_taxi,
        cd_orders,
    )
}

__all__ = ["DATA", "SETS", "RealSet"]
