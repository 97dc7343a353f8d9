"""Planted faults through a whole retraining: the finding that must name each, and what stays shut.

The champion was made before the fault. In the week that follows something breaks, and the
candidate's recipe is the better one: without the contract it would be promoted on broken data.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import DataError, SpecError
from pipelines.core.findings import Verdict
from pipelines.core.time import Window
from pipelines.data.ingest.partitions import write_events
from pipelines.release.registry import CHAMPION
from pipelines.simulation.faults import (
    ClockSlip,
    ColumnGone,
    CounterRestart,
    DuplicateRows,
    FeedStopped,
    HospitalBackfill,
    LateBurst,
    NullFilledWithZero,
    UnitChange,
)
from pipelines.simulation.scale import Scale
from pipelines.simulation.scenarios import Scenario
from pipelines.simulation.world import KNOWN_COLUMNS, World
from tests.support.pharmacy import (
    FIRST,
    RICH,
    SECOND,
    START,
    WEEKDAY,
    Pharmacy,
    RetrainResult,
    planted,
)

DAY = timedelta(days=1)
UNDONE = ("features", "availability", "train", "evaluate", "record", "audit", "register")
SUITE, ENVELOPE = "contract.suite", "contract.envelope"

# What is planted, and the findings that must name it: of the hand-written suite, where it
# has a check for it, and of the envelope, which is generated.
FAULTS: dict[str, tuple[Scenario, tuple[str, ...]]] = {
    "tablets instead of packs": (
        UnitChange(start=FIRST),
        (
            f"{SUITE}.dispensing.quantity.mean",
            f"{ENVELOPE}.dispensing.quantity.range",
            f"{ENVELOPE}.dispensing.quantity.median",
        ),
    ),
    "tablets in one chain, for three days": (
        UnitChange(start=FIRST + 4 * DAY, chain="beta"),
        (f"{SUITE}.dispensing.quantity.mean", f"{ENVELOPE}.dispensing.quantity.range"),
    ),
    "a column is empty": (
        ColumnGone(start=FIRST, column="quantity"),
        (f"{SUITE}.dispensing.quantity.missing", f"{ENVELOPE}.dispensing.quantity.missing"),
    ),
    "a column that only a feature reads is empty": (
        ColumnGone(start=FIRST, stream="stock", column="on_hand"),
        (f"{SUITE}.stock.on_hand.missing", f"{ENVELOPE}.stock.on_hand.missing"),
    ),
    "a feed stopped for three days": (
        FeedStopped(start=FIRST + 4 * DAY),
        (f"{ENVELOPE}.stock.table.days", f"{ENVELOPE}.stock.table.volume"),
    ),
    "one chain's feed stopped": (
        FeedStopped(start=FIRST, stream="dispensing", chain="beta"),
        (f"{ENVELOPE}.dispensing.table.volume",),
    ),
    "a feed without ids doubled": (
        DuplicateRows(start=FIRST, share=1.0, stream="stock", known_column="reported_at"),
        (f"{ENVELOPE}.stock.table.volume",),
    ),
    "clocks two hours behind": (
        ClockSlip(start=FIRST, by_minutes=-120),
        (f"{ENVELOPE}.dispensing.table.lag_median",),
    ),
    "missing prices written as zero": (
        NullFilledWithZero(start=FIRST),
        (f"{SUITE}.dispensing.price.range",),
    ),
    "a counter that restarts within the week": (
        CounterRestart(start=FIRST + 3 * DAY, again_from=FIRST.date()),
        ("contract.identity.dispensing",),
    ),
    "a counter that restarts with ids of long ago": (
        CounterRestart(start=FIRST, again_from=(FIRST - 28 * DAY).date()),
        ("contract.identity.dispensing",),
    ),
    "everything days late": (
        LateBurst(start=FIRST),
        (f"{ENVELOPE}.dispensing.table.lag_median", f"{ENVELOPE}.dispensing.table.hours"),
    ),
}


def nothing_moved(pharmacy: Pharmacy, outcome: str) -> None:
    """The run is in the ledger with what it found; champion and versions are as they were."""
    entries = pharmacy.parts().ledger.entries("demand")
    assert [entry.outcome for entry in entries] == ["first_version", outcome]
    assert entries[-1].trained is None, "nothing was trained"
    assert pharmacy.registry.alias("demand", CHAMPION) == "1"
    assert [info.version for info in pharmacy.registry.versions("demand")] == ["1"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_nothing_is_trained_on_it(
    champion: Pharmacy, tmp_path: Path, fault: str
) -> None:
    scenario, names = FAULTS[fault]
    pharmacy = planted(champion, tmp_path, scenario)
    pharmacy.declare(RICH)
    reported = pharmacy.retrain(SECOND)
    against = reported.against()
    assert {name: against.get(name) for name in names} == dict.fromkeys(names, "fail")
    assert (reported.outcome, reported.skipped) == ("reject", UNDONE)
    nothing_moved(pharmacy, "reject")


def test_a_feed_that_brought_nothing_all_week_is_no_data_and_never_a_pass(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = planted(champion, tmp_path, FeedStopped(start=FIRST))
    pharmacy.declare(RICH)
    reported = pharmacy.retrain(SECOND)
    about_stock = {f.name: f.verdict for f in reported.done.findings if ".stock." in f.name}
    assert set(about_stock.values()) == {Verdict.NO_DATA}
    assert f"{SUITE}.stock.table.volume" in about_stock
    assert (reported.outcome, reported.skipped) == ("hold", UNDONE)
    nothing_moved(pharmacy, "hold")


def test_a_column_that_is_missing_from_the_files_stops_the_snapshot(
    champion: Pharmacy, tmp_path: Path
) -> None:
    gone = ColumnGone(start=FIRST, column="quantity", missing=True)
    pharmacy = planted(champion, tmp_path, gone)
    with pytest.raises(DataError, match=r"column.* missing: quantity"):
        pharmacy.retrain(SECOND)
    assert len(pharmacy.parts().ledger.entries("demand")) == 1


def test_clocks_that_are_ahead_stop_the_snapshot(champion: Pharmacy, tmp_path: Path) -> None:
    """Events then happen after they are known, and no window of the past would be one."""
    pharmacy = planted(champion, tmp_path, ClockSlip(start=FIRST, by_minutes=120))
    with pytest.raises(DataError, match="known before it happened"):
        pharmacy.retrain(SECOND)
    assert len(pharmacy.parts().ledger.entries("demand")) == 1


def test_a_hospital_that_is_filled_in_at_once_is_reported_as_late_large_and_strange(
    champion: Pharmacy, tmp_path: Path
) -> None:
    """Three weeks of unknown wards, all known on one day: another population.

    The contract sees how it came (late), what it holds (ten times the packs) and from where
    (pharmacies that training never had).
    """
    backfill = HospitalBackfill(
        start=FIRST - 28 * DAY, end=FIRST - 7 * DAY, known_at=FIRST + 2 * DAY
    )
    pharmacy = planted(champion, tmp_path, backfill, history=False)
    pharmacy.declare(RICH)
    reported = pharmacy.retrain(SECOND)
    observed = {
        f"{ENVELOPE}.dispensing.table.lag",
        f"{ENVELOPE}.dispensing.pharmacy.categories",
        f"{ENVELOPE}.dispensing.quantity.range",
    }
    assert observed <= reported.against().keys()
    nothing_moved(pharmacy, "reject")


# What a contract over one week cannot see, and must not


@pytest.fixture(scope="module")
def quiet(champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> RetrainResult:
    """The same week without a fault."""
    return planted(champion, tmp_path_factory.mktemp("quiet")).retrain(SECOND)


def test_a_quiet_week_raises_no_alarm(quiet: RetrainResult) -> None:
    checked = [f for f in quiet.done.findings if f.name.startswith("contract.")]
    assert len(checked) > 40
    assert [f.name for f in checked if f.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize("share", [pytest.param(0.05, marks=pytest.mark.proof), 1.0])
def test_a_feed_that_is_delivered_twice_changes_nothing(
    champion: Pharmacy, quiet: RetrainResult, tmp_path: Path, share: float
) -> None:
    """Every copy has the id of an event that is known already, so it does not count."""
    twice = planted(champion, tmp_path, DuplicateRows(start=FIRST, share=share)).retrain(SECOND)
    assert twice.done.evidence.snapshot.id != quiet.done.evidence.snapshot.id
    contract = twice.done.evidence.contract.findings
    assert [f.name for f in contract if f.verdict is not Verdict.PASS] == []
    [copies] = [f for f in contract if f.name == "contract.identity.dispensing"]
    assert "rows repeat an earlier row and do not count" in copies.reason
    assert twice.done.evidence.evaluation == quiet.done.evidence.evaluation
    assert twice.outcome == quiet.outcome


# A label that leaks into a feature

COMPLAINT: dict[str, Any] = {
    "kind": "window",
    "name": "complaints",
    "stream": "dispensing",
    "by": ["pharmacy"],
    "aggregate": "mean",
    "column": "complaint",
    "window": "28d",
}


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dispensings, each with whether it was complained of; that is known three days later."""
    store = tmp_path_factory.mktemp("complaints") / "store"
    world = World(Scale(name="few", pharmacies=4, medicines=3, prescriptions_per_day=40), 7)
    tables = world.events(Window(START, FIRST))
    sold = tables["dispensing"]
    reported_at = pc.add(sold["recorded_at"], pa.scalar(3 * DAY, pa.duration("us")))
    complaint = pc.greater(sold["quantity"], pa.scalar(1)).cast(pa.float64())
    sold = sold.append_column("complaint", complaint).append_column("told_at", reported_at)
    for name, table in {"dispensing": sold, "stock": tables["stock"]}.items():
        write_events(LocalStore(store), name, table, KNOWN_COLUMNS[name])
    return store


def declare_complaints(pharmacy: Pharmacy, *features: dict[str, Any]) -> None:
    """Declare the label: will there be a complaint about a dispensing within a week?"""
    streams = pharmacy.declare()["streams"]
    streams["dispensing"]["columns"] |= {"complaint": "float", "told_at": "timestamp"}
    pharmacy.declare(
        (WEEKDAY, *features),
        streams=streams,
        points={"kind": "event", "stream": "dispensing", "keys": ["pharmacy"]},
        label={"kind": "own_row", "column": "complaint", "known_at": "told_at", "horizon": "7d"},
        metric={"name": "squared_error", "minimum_effect": 0.001},
    )


def test_an_outcome_used_before_it_was_known_is_found_by_the_leak_probe(
    complaints: Path, tmp_path: Path
) -> None:
    """The pharmacy's share of complaints in the last month counts some that are still unknown."""
    pharmacy = Pharmacy(tmp_path / "home", str(complaints))
    declare_complaints(pharmacy, COMPLAINT)
    reported = pharmacy.retrain(FIRST)
    assert reported.against() == {"availability.leak_probe": "fail"}
    (probe,) = (f for f in reported.done.findings if f.name == "availability.leak_probe")
    assert "complaints" in probe.reason
    assert reported.outcome == "reject"
    assert reported.skipped == ("availability", "train", "evaluate", "record", "audit", "register")
    assert pharmacy.registry.versions("demand") == ()


def test_the_label_itself_as_a_feature_is_refused_as_it_is_declared(
    complaints: Path, tmp_path: Path
) -> None:
    pharmacy = Pharmacy(tmp_path / "home", str(complaints))
    declare_complaints(pharmacy, {"kind": "attribute", "name": "complaint"})
    with pytest.raises(SpecError, match="the label itself"):
        pharmacy.retrain(FIRST)
