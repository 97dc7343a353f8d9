"""A champion that reads an online store, and retrainings that its availability stops.

Production is real here: an online store that the real flow filled, from which requests are answered
and logged. Where a fault is planted, it is in what production has: its events, its clock, its jobs,
its service. What training reads is always right.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.core.findings import Finding
from pipelines.flows.retrain.request import Request
from pipelines.release.budget import tries
from pipelines.simulation.scenarios import Scenario
from tests.support.live.partial_run import run_until
from tests.support.live.served_log import Production
from tests.support.pharmacy import (
    FIRST,
    ON_HAND,
    SECOND,
    START,
    WEEKDAY,
    Pharmacy,
    RetrainResult,
    sold,
    write_days,
)
from tests.support.shared_worlds import built_once

SERVING = {"every": "1d", "offset": "22h", "delay": "1h"}
SALES = {**sold(28), "name": "sales", "aggregate": "count", "column": None}
PRICE = {**sold(1), "name": "price", "aggregate": "last", "column": "price"}
MEDICINE = {"kind": "attribute", "name": "medicine"}
FEATURES = (MEDICINE, WEEKDAY, sold(14), SALES, PRICE, ON_HAND)


def served_champion() -> Pharmacy:
    """A champion that reads an online store, and the quiet week after it; only to be copied.

    A retraining as of ``SECOND`` with the same recipe has been begun. It goes on in each copy with
    its check of availability, because what training reads is the same in all of them.
    """
    folder = built_once("served", _build)
    return Pharmacy(folder / "home", str(folder / "store"))


def _build(folder: Path) -> None:
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, SECOND)
    pharmacy.declare(FEATURES, serving=SERVING)
    Production(pharmacy).materialize(FIRST)
    reported = pharmacy.retrain(FIRST)
    assert reported.outcome == "first_version", reported.against()
    request = Request(model="demand", as_of=SECOND)
    begun = run_until("features", request, pharmacy.parts().retraining)
    assert not begun.report.skipped, begun.report


def elsewhere(folder: Path, *scenarios: Scenario, start: datetime = START) -> Path:
    """Other events than training reads: those that production has."""
    write_days(folder / "production", start, SECOND, *scenarios)
    return folder / "production"


def findings(reported: RetrainResult) -> dict[str, Finding]:
    return {f.name: f for f in reported.done.findings if f.name.startswith("availability.")}


def stopped(pharmacy: Pharmacy, **requested: Any) -> tuple[RetrainResult, dict[str, Finding]]:
    """A retraining that stops before anything is trained, and costs the year nothing."""
    parts = pharmacy.parts()
    budget = parts.load_spec("demand").gates.budget
    before = len(tries(parts.ledger.entries("demand"), budget))
    reported = pharmacy.retrain(SECOND, **requested)
    assert reported.outcome == "reject", f"{reported.outcome}: nothing stopped it"
    assert reported.skipped == ("train", "evaluate", "record", "audit", "register")
    assert all(name.startswith("availability.") for name in reported.against())
    assert len(pharmacy.registry.versions("demand")) == 1, "nothing was registered"
    assert len(tries(parts.ledger.entries("demand"), budget)) == before, "it was no comparison"
    assert parts.ledger.champion("demand", "live") == "1"
    return reported, findings(reported)


def fitted(pharmacy: Pharmacy, as_of: datetime) -> dict[str, Finding]:
    """The findings of a run that nothing stops before its candidate is fitted; it ends there."""
    request = Request(model="demand", as_of=as_of, dry_run=True)
    evidence = run_until("train", request, pharmacy.parts().retraining).evidence
    assert evidence.trained is not None, evidence.findings
    return {one.name: one for one in evidence.findings if one.name.startswith("availability.")}
