"""Materialization of a model that retrains: what is stored, what is left alone, and why."""

from __future__ import annotations

import dataclasses
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.connections import Connections
from pipelines.core.errors import SpecError, TimeError
from pipelines.core.time import instant_text
from pipelines.features.online.store import OnlineStore
from pipelines.flows.check import Readiness, check_readiness
from pipelines.flows.features.materialize import (
    MaterializeReport,
    materialize,
    materialize_new_model,
)
from pipelines.flows.features.store_gaps import missing_online
from pipelines.flows.retrain.request import Request
from tests.support.pharmacy import FIRST, PLAIN, RICH, WEEK, Pharmacy, sold

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SERVING = {"every": "6h", "delay": "15m"}
SALES, STOCK = "demand.dispensing_by_pharmacy_medicine", "demand.stock_by_pharmacy_medicine"


@pytest.fixture
def online() -> OnlineStore:
    return MemoryOnline()


@pytest.fixture(scope="module")
def declared(champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    """A champion, another declaration, and an empty online store. Only to be copied."""
    pharmacy = champion.copy(tmp_path_factory.mktemp("declared") / "home")
    pharmacy.declare(RICH, serving=SERVING)
    return pharmacy


@pytest.fixture
def parts(declared: Pharmacy, tmp_path: Path, online: OnlineStore) -> Connections:
    """A home of its own, with a champion and an empty online store."""
    return dataclasses.replace(declared.copy(tmp_path / "home").parts(), online=online)


@pytest.fixture(scope="module")
def first_fill(
    declared: Pharmacy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pharmacy, MaterializeReport]:
    """The embedded online store is filled as of ``FIRST``. Only to be copied."""
    pharmacy = declared.copy(tmp_path_factory.mktemp("filled") / "home")
    return pharmacy, fill(FIRST, pharmacy.parts())


@pytest.fixture
def filled(first_fill: tuple[Pharmacy, MaterializeReport], tmp_path: Path) -> Connections:
    """A home of its own, in that state."""
    return first_fill[0].copy(tmp_path / "home").parts()


def outcomes(report: MaterializeReport) -> dict[str, str]:
    return {view.view: view.outcome for view in report.views}


def fill(as_of: datetime, parts: Connections, **how: bool) -> MaterializeReport:
    return materialize("demand", as_of, parts.materialization, **how)


def first(request: Request, parts: Connections) -> MaterializeReport | None:
    return materialize_new_model(request, parts.materialization)


def ready(as_of: datetime, parts: Connections) -> Readiness:
    return check_readiness(Request(model="demand", as_of=as_of), parts.retraining)


def contents(store: OnlineStore, parts: Connections) -> dict[str, Any]:
    """All rows of all views."""
    keys = entities(parts)
    return {
        state.name: {
            key: row.values
            for key, row in zip(keys, store.read(state.name, keys).rows, strict=True)
            if row is not None
        }
        for state in store.views()
    }


def entities(parts: Connections) -> list[tuple[str, str]]:
    """Everybody who sold anything by a week later."""
    spec = parts.load_spec("demand")
    snapshot = parts.open_events(spec).snapshot(spec.streams, FIRST + WEEK)
    with parts.open_events(spec).tables(snapshot, spec.streams) as tables:
        found = tables["dispensing"].select("pharmacy", "medicine").distinct().to_pyarrow()
    return sorted((row["pharmacy"], row["medicine"]) for row in found.to_pylist())


def test_two_at_once_take_turns(parts: Connections, online: OnlineStore) -> None:
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _: fill(FIRST, parts), range(2)))
    first, second = sorted(
        (outcomes(one) for one in reports), key=lambda one: one[SALES] != "whole"
    )
    assert first == {SALES: "whole", STOCK: "whole"}
    assert "whole" not in second.values()
    alone = MemoryOnline()
    fill(FIRST, dataclasses.replace(parts, online=alone))
    assert contents(online, parts) == contents(alone, parts)


def test_champion_and_declaration_are_filled_together(
    filled: Connections, first_fill: tuple[Pharmacy, MaterializeReport]
) -> None:
    """The champion sums two days, the declaration a fortnight; one view holds both."""
    _, report = first_fill
    assert outcomes(report) == {SALES: "whole", STOCK: "whole"}
    assert report.champion == "1"
    [sales] = [state for state in filled.online.views() if state.name == SALES]
    assert len(sales.definitions) == 2, "the champion's own definition of `sold` is not stored"
    assert contents(filled.online, filled)[SALES], "nothing was stored"


def test_again_there_is_nothing_to_do(filled: Connections) -> None:
    before = filled.online.views()
    again = fill(FIRST + 5 * HOUR, filled)
    assert set(outcomes(again).values()) == {"unchanged"}, "the one at six is still to come"
    assert filled.online.views() == before


def test_steps_come_to_what_one_stride_comes_to(filled: Connections) -> None:
    for hours in (6, 30, 31, 54):
        report = fill(FIRST + hours * HOUR, filled)
    assert set(outcomes(report).values()) == {"increment"}
    assert all(view.events for view in report.views)
    assert max(view.rows for view in report.views) <= 100
    at_once = MemoryOnline()
    fill(FIRST + 54 * HOUR, dataclasses.replace(filled, online=at_once))
    assert contents(filled.online, filled) == contents(at_once, filled)


def test_a_champion_of_another_recipe_leaves_a_view_of_the_same_definitions_an_increment(
    parts: Connections, tmp_path: Path
) -> None:
    """Beside the champion's, a stream is read as it is declared: its columns in their order."""
    empty = Pharmacy(tmp_path / "new", "").parts().ledger
    report = fill(FIRST, dataclasses.replace(parts, ledger=empty))
    assert report.champion is None
    views = {view.view: view for view in fill(FIRST + DAY, parts).views}
    assert views[SALES].reason == "other definitions were stored", "the champion has its own"
    assert views[STOCK].outcome == "increment", views[STOCK].reason


def test_a_column_that_is_declared_no_more_is_the_reason_for_a_whole_view(
    parts: Connections, tmp_path: Path
) -> None:
    empty = Pharmacy(tmp_path / "new", "").parts().ledger
    alone = dataclasses.replace(parts, ledger=empty)
    fill(FIRST, alone)
    path = parts.home / "models" / "demand.yaml"
    declared = yaml.safe_load(path.read_text())
    del declared["streams"]["dispensing"]["columns"]["chain"]
    path.write_text(yaml.safe_dump(declared, sort_keys=False))
    views = {view.view: view for view in fill(FIRST + DAY, alone).views}
    assert views[SALES].reason == "the stream's columns are declared otherwise than they were"
    assert views[STOCK].outcome == "increment"


def test_an_older_instant_leaves_a_newer_state(parts: Connections, online: OnlineStore) -> None:
    fill(FIRST + DAY, parts)
    before = online.views()
    report = fill(FIRST, parts)
    assert set(outcomes(report).values()) == {"newer_is_stored"}
    assert online.views() == before


def test_a_newer_state_without_a_new_feature_reports_what_it_lacks(
    parts: Connections, online: OnlineStore
) -> None:
    fill(FIRST + DAY, parts)
    Pharmacy(parts.home, "").declare((*RICH, sold(7) | {"name": "other"}), serving=SERVING)
    sales, stock = fill(FIRST, parts).views
    assert sales.reason.startswith("it lacks 1 definition, ")
    assert "lacks" not in stock.reason


def test_force_puts_an_older_state_back_exactly(filled: Connections) -> None:
    before = contents(filled.online, filled)
    fill(FIRST + WEEK, filled)
    assert contents(filled.online, filled) != before
    report = fill(FIRST, filled, force=True)
    assert set(outcomes(report).values()) == {"whole"}
    assert contents(filled.online, filled) == before, "an entity of the later week is still there"


def test_a_changed_definition_makes_the_view_whole(filled: Connections) -> None:
    Pharmacy(filled.home, "").declare((*PLAIN, sold(7) | {"name": "other"}), serving=SERVING)
    [view] = fill(FIRST + DAY, filled).views
    assert (view.outcome, view.reason) == ("whole", "other definitions were stored")


def test_events_delivered_late_under_an_old_known_time_are_not_lost(
    champion: Pharmacy, tmp_path: Path, online: OnlineStore
) -> None:
    """A file of the past appears after the instant by which its rows say that they were known."""
    store = tmp_path / "store"
    shutil.copytree(champion.store, store)
    held_back = sorted((store / "dispensing").rglob(f"dt={FIRST - 2 * DAY:%Y-%m-%d}/*.parquet"))
    aside = [(path, path.read_bytes()) for path in held_back]
    for path in held_back:
        path.unlink()
    pharmacy = champion.copy(tmp_path / "home").with_store(store)
    pharmacy.declare(RICH, serving=SERVING)
    parts = dataclasses.replace(pharmacy.parts(), online=online)
    fill(FIRST, parts)
    for path, content in aside:
        path.write_bytes(content)
    report = {view.view: view for view in fill(FIRST + DAY, parts).views}
    assert aside, "the world has no such day"
    assert report[SALES].reason == "events came in that say they were known before"
    assert report[STOCK].outcome == "increment"
    at_once = MemoryOnline()
    fill(FIRST + DAY, dataclasses.replace(parts, online=at_once))
    assert contents(online, parts) == contents(at_once, parts)


def without_days(champion: Pharmacy, folder: Path, before: datetime) -> Pharmacy:
    """The same model over a store that has lost what it knew before an instant."""
    store = folder / "short"
    shutil.copytree(champion.store, store)
    for day in store.glob("*/dt=*"):
        if day.name < f"dt={before:%Y-%m-%d}":
            shutil.rmtree(day)
    return Pharmacy(folder / "home", str(store))


@pytest.mark.parametrize(
    ("kept_from", "reason"),
    [
        (FIRST + 1 * DAY, "the source holds no event any more that was known before"),
        (FIRST - 14 * DAY, "the source has lost events: "),
    ],
)
def test_a_source_that_keeps_its_events_for_some_days_makes_the_view_whole(
    filled: Connections, champion: Pharmacy, tmp_path: Path, kept_from: datetime, reason: str
) -> None:
    later = without_days(champion, tmp_path, kept_from).parts()
    report = fill(FIRST + 3 * DAY, later)
    assert set(outcomes(report).values()) == {"whole"}
    assert all(view.reason.startswith(reason) for view in report.views), report.views
    at_once = MemoryOnline()
    fill(FIRST + 3 * DAY, dataclasses.replace(later, online=at_once))
    assert contents(later.online, later) == contents(at_once, later), "who is gone is still there"
    report = fill(FIRST + 4 * DAY, later)
    assert set(outcomes(report).values()) == {"increment"}, "the next one is small again"


def test_a_feed_that_fell_silent_is_named(
    champion: Pharmacy, tmp_path: Path, online: OnlineStore
) -> None:
    store = tmp_path / "store"
    shutil.copytree(champion.store, store)
    for folder in (store / "stock").glob("dt=*"):
        if folder.name > f"dt={FIRST:%Y-%m-%d}":
            shutil.rmtree(folder)
    pharmacy = champion.copy(tmp_path / "home").with_store(store)
    pharmacy.declare(RICH, serving=SERVING)
    parts = dataclasses.replace(pharmacy.parts(), online=online)
    fill(FIRST + DAY, parts)
    report = {view.view: view for view in fill(FIRST + 2 * DAY, parts).views}
    assert report[STOCK].silent
    assert not report[SALES].silent


def test_a_model_that_does_not_say_how_it_is_served_gets_a_hint_what_to_add(
    parts: Connections,
) -> None:
    Pharmacy(parts.home, "").declare(RICH)
    with pytest.raises(SpecError, match="add `serving:"):
        fill(FIRST, parts)


def test_an_as_of_in_the_future_is_refused(parts: Connections) -> None:
    with pytest.raises(TimeError, match="as-of lies in the future"):
        fill(parts.clock.now() + HOUR, parts)


def test_check_reports_what_a_retraining_would_miss_in_the_online_store(
    filled: Connections, online: OnlineStore
) -> None:
    spec = filled.load_spec("demand")
    empty = missing_online(spec, FIRST, online)
    assert any("lacks on_hand" in problem for problem in empty), empty
    assert all("run `gauntlet materialize demand`" in problem for problem in empty), empty
    assert ready(FIRST, filled).ready
    [sales, _] = missing_online(spec, FIRST + DAY, filled.online)
    assert "as of 2025-03-31T00:00:00Z, older than its ttl of 12h15m" in sales
    Pharmacy(filled.home, "").declare((*RICH, sold(7) | {"name": "other"}), serving=SERVING)
    [new] = ready(FIRST, filled).problems
    assert "lacks other of the view dispensing_by_pharmacy_medicine" in new


def test_a_rollback_reports_what_the_champion_of_before_lacks_online(
    champion: Pharmacy, tmp_path: Path
) -> None:
    """What the version before reads has left the store, and it answers from now on."""
    pharmacy = Pharmacy(tmp_path / "home", champion.store)
    for features, at in ((PLAIN, FIRST), (RICH, FIRST + WEEK)):
        pharmacy.declare(features, serving=SERVING)
        pharmacy.cli("materialize", "demand", "--as-of", instant_text(at))
        reported = pharmacy.cli_retrain(at)
        assert reported.code == 0, reported.err
    pharmacy.cli("materialize", "demand", "--as-of", instant_text(FIRST + WEEK + 7 * HOUR))
    back = pharmacy.cli("rollback", "demand", "--reason", "orders doubled", "--json")
    assert back.body["entry"]["champion_after"] == "1", back.out
    [lacking] = back.body["unfilled"]
    assert "lacks sold of the view dispensing_by_pharmacy_medicine" in lacking
    assert "run `gauntlet materialize demand`" in lacking


def test_a_first_version_needs_one_materialization_and_nothing_else(
    champion: Pharmacy, tmp_path: Path
) -> None:
    pharmacy = Pharmacy(tmp_path / "new", champion.store)
    pharmacy.declare(RICH, serving=SERVING)
    parts, request = pharmacy.parts(), Request(model="demand", as_of=FIRST)
    backfill = request.model_copy(update={"lineage": "backfill"})
    assert first(backfill, parts) is None, "that lineage is not served"
    filled = first(request, parts)
    assert filled is not None
    assert {view.as_of for view in filled.views} == {FIRST}, "as of the run, not of the present"
    assert first(request, parts) is None, "it was filled: from now on that is another's work"
    assert pharmacy.retrain(FIRST, parts=parts).outcome == "first_version"


def test_a_store_that_is_empty_despite_a_champion_is_a_fault_and_left_as_it_is(
    parts: Connections, online: OnlineStore
) -> None:
    assert first(Request(model="demand", as_of=FIRST), parts) is None
    assert list(online.views()) == []


def test_the_command_line_fills_the_embedded_store(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = Pharmacy(tmp_path / "home", champion.store)
    pharmacy.declare(RICH, serving=SERVING)
    reported = pharmacy.cli("materialize", "demand", "--as-of", instant_text(FIRST))
    assert reported.code == 0, reported.err
    assert (
        f"{SALES}\n    written whole, as of 2025-03-31T00:00:00Z\n    nothing was" in reported.out
    )
    assert reported.err == "", "a bar leaves nothing in a file"
    lines = reported.out.splitlines()
    assert max(map(len, lines)) <= 80, "unreadable in a narrow terminal"
    assert lines == [line.rstrip() for line in lines]
    again = pharmacy.cli("materialize", "demand", "--as-of", instant_text(FIRST), "--json")
    assert {view["outcome"] for view in again.body["views"]} == {"unchanged"}
