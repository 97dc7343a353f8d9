"""The catalogue of features: who uses which definition, and what is known of how it is served."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.adapters.online.memory import MemoryOnline
from pipelines.adapters.online.redis import RedisOnline
from pipelines.core.errors import DataError, SpecError, Unavailable
from pipelines.features.online.store import ViewState
from pipelines.flows.features.catalogue import FeatureCatalogue, FeatureUsage, catalogue
from pipelines.flows.features.feast_export import ViewValues, export_feast
from pipelines.simulation.faults import UnitChange
from pipelines.spec.load import load_models
from pipelines.spec.views import definitions
from tests.support.pharmacy import CLOCK, FIRST, ON_HAND, PLAIN, SECOND, Pharmacy, planted, sold

SERVING = {"every": "1d", "ttl": "2d"}
EMPTY = "redis://127.0.0.1:1/0"


def look(pharmacy: Pharmacy, online: Any = None) -> FeatureCatalogue:
    parts = pharmacy.parts(online=online or MemoryOnline())
    specs = load_models(pharmacy.home / "models").values()
    return catalogue(specs, parts.ledger, parts.versions, parts.online, parts.clock.now())


def uses(found: FeatureCatalogue, name: str) -> dict[str, FeatureUsage]:
    """By definition, of a feature that one model uses."""
    return {one.definition: one.uses[0] for one in found.features if one.name == name}


@pytest.fixture
def pharmacy(champion: Pharmacy, tmp_path: Path) -> Pharmacy:
    return champion.copy(tmp_path / "home")


def test_a_version_keeps_the_definitions_and_how_often_each_was_missing(
    pharmacy: Pharmacy,
) -> None:
    parts = pharmacy.parts()
    info = parts.registry.get("demand", "1")
    folder = parts.registry.download(info, pharmacy.home / "versions")
    saved = json.loads((folder / "extra_files" / "features.json").read_text())["features"]
    spec = parts.load_spec("demand")
    assert {name: one["definition"] for name, one in saved.items()} == definitions(spec)
    assert saved["weekday"]["missing_share"] == 0
    assert 0 < saved["sold"]["missing_share"] < 1, "two days without a sale: the sum is missing"


def test_a_champion_keeps_its_definition_when_the_declaration_has_another(
    pharmacy: Pharmacy,
) -> None:
    before = uses(look(pharmacy), "sold")
    assert [(use.declared, use.champion) for use in before.values()] == [(True, "1")]
    pharmacy.declare((*PLAIN[:2], sold(14), ON_HAND))
    found = look(pharmacy)
    after = uses(found, "sold")
    ((kept, old),) = [(key, use) for key, use in after.items() if use.champion]
    assert kept in before, "the champion's definition changed with the file"
    assert not old.declared
    assert old.missing_share == before[kept].missing_share
    ((_, new),) = [(key, use) for key, use in after.items() if not use.champion]
    assert (new.declared, new.missing_share) == (True, None)
    reported = {one.name: one for one in found.features}
    assert reported["on_hand"].view == "stock_by_pharmacy_medicine"
    assert reported["on_hand"].entity == ("pharmacy", "medicine")
    assert reported["weekday"].uses[0].online.state == "request"
    assert reported["on_hand"].uses[0].online.state == "computed", "no serving is declared"


def test_models_that_share_a_definition_stand_in_one_row(pharmacy: Pharmacy) -> None:
    text = (pharmacy.home / "models" / "demand.yaml").read_text()
    (pharmacy.home / "models" / "refills.yaml").write_text(
        text.replace("name: demand", "name: refills")
    )
    shared = next(one for one in look(pharmacy).features if one.name == "sold")
    assert [(use.model, use.champion) for use in shared.uses] == [
        ("demand", "1"),
        ("refills", None),
    ]


def test_what_the_store_has_is_named_by_definition_and_age(pharmacy: Pharmacy) -> None:
    pharmacy.declare((*PLAIN, ON_HAND), serving=SERVING)
    known = definitions(pharmacy.parts().load_spec("demand"))

    def filled(*states: ViewState) -> MemoryOnline:
        store = MemoryOnline()
        for state in states:
            store.write(state, (), (), replaces=None)
        return store

    def state(view: str, age: timedelta, *names: str) -> ViewState:
        at = CLOCK.now() - age
        return ViewState(f"demand.{view}", at, at, tuple(sorted(known[name] for name in names)))

    def reported(store: Any, name: str) -> tuple[str, float | None]:
        online = uses(look(pharmacy, store), name)[known[name]].online
        return online.state, online.age_s

    sales, stock = "dispensing_by_pharmacy_medicine", "stock_by_pharmacy_medicine"
    day = timedelta(days=1)
    store = filled(state(sales, day, "sold"), state(stock, 3 * day, "on_hand"))
    assert reported(store, "sold") == ("fresh", 86400)
    assert reported(store, "on_hand") == ("stale", 3 * 86400)
    assert reported(filled(state(sales, day)), "sold")[0] == "absent"
    assert reported(filled(), "sold") == ("empty", None)


def test_a_store_that_is_away_is_reported_and_fails_nothing(pharmacy: Pharmacy) -> None:
    pharmacy.declare(serving=SERVING)
    found = look(pharmacy, RedisOnline(EMPTY))
    assert "the online store did not answer" in found.problems[0]
    assert all(use.online.state == "unknown" for use in uses(found, "sold").values()), (
        "nothing was seen, so nothing can be said"
    )
    # By the command line the registry is MLflow, where this home's champion is not.
    reported = pharmacy.cli("features", "demand", GAUNTLET_ONLINE_URL=EMPTY)
    assert reported.code == 0, reported.err
    assert "not looked at: the online store (the online store did not answer" in reported.err
    assert "champion of demand cannot be read" in reported.err
    assert [row.split()[0] for row in reported.out.splitlines() if row][::2] == [
        *("in", "medicine", "weekday"),
        *("dispensing_by_pharmacy_medicine", "sold"),
    ]
    assert re.search(r"sold  .*\n[0-9a-f]{10} sum of quantity over 2d ", reported.out), reported.out
    body = pharmacy.cli("features", "--json", GAUNTLET_ONLINE_URL=EMPTY).body
    assert body["kind"] == "features"
    assert len(body["problems"]) == 2


def test_a_store_that_is_damaged_is_reported_and_fails_nothing(pharmacy: Pharmacy) -> None:
    pharmacy.declare(serving=SERVING)
    (pharmacy.home / "online.db").write_text("not what you think " * 100)
    reported = pharmacy.cli("features", "demand")
    assert reported.code == 0, reported.err
    assert "not looked at: the online store (the online store cannot be read" in reported.err


def test_drift_is_the_newest_runs_and_a_dash_before_there_was_one(
    champion: Pharmacy, tmp_path: Path
) -> None:
    assert {use.drift for use in uses(look(champion.copy(tmp_path / "c")), "sold").values()} == {
        None
    }
    faulty = planted(champion, tmp_path, UnitChange(start=FIRST))
    faulty.retrain(SECOND)
    found = look(faulty)
    (drift,) = [use.drift for use in uses(found, "sold").values()]
    assert drift is not None
    assert any(".quantity." in name for name in drift), drift
    (still,) = [use.drift for use in uses(found, "medicine").values()]
    assert still == (), "the medicine's own values did not change"
    (never,) = [use.drift for use in uses(found, "weekday").values()]
    assert never is None, "a clock does not drift"


def test_an_export_replaces_an_export_and_nothing_else(pharmacy: Pharmacy, tmp_path: Path) -> None:
    folder = tmp_path / "feast"
    reported = pharmacy.cli("features", "export", "--feast", str(folder))
    assert reported.code == 0, reported.err
    (folder / "data").mkdir()
    assert pharmacy.cli("features", "export", "--feast", str(folder), "--json").code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        ".feastignore",
        "README.md",
        "feature_store.yaml",
        "features.py",
    ]


def test_an_export_takes_the_place_of_nothing_else(pharmacy: Pharmacy, tmp_path: Path) -> None:
    specs = list(load_models(pharmacy.home / "models").values())
    other = tmp_path / "other"
    other.mkdir()
    assert export_feast(other, specs), "an empty folder holds nothing that could be lost"
    (other / "README.md").write_bytes(b"mine, \xff")
    with pytest.raises(SpecError, match="no export"):
        export_feast(other, specs)
    with pytest.raises(SpecError, match="no export"):
        export_feast(other / "README.md", specs)
    assert (other / "README.md").read_bytes() == b"mine, \xff"
    with pytest.raises(Unavailable, match="cannot be written"):
        export_feast(other / "README.md" / "below", specs)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_export_that_fails_leaves_the_one_of_before(pharmacy: Pharmacy, tmp_path: Path) -> None:
    """There are no events, so the values cannot be computed."""
    specs, folder = list(load_models(pharmacy.home / "models").values()), tmp_path / "feast"
    export_feast(folder, specs)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    empty = pharmacy.with_store(tmp_path / "nothing").parts()
    with pytest.raises(DataError):
        export_feast(folder, specs, ViewValues(empty.open_events, FIRST, empty.clock))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_values_are_of_an_instant_that_has_come_and_no_instant_goes_unheard(
    pharmacy: Pharmacy, tmp_path: Path
) -> None:
    export = ("features", "export", "--feast", str(tmp_path / "feast"))
    future = pharmacy.cli(*export, "--values", "--as-of", "2999-01-01")
    assert future.code == 2
    assert "as-of lies in the future" in future.err
    unheard = pharmacy.cli(*export, "--as-of", "2025-01-01")
    assert unheard.code == 2
    assert "--values beside it" in unheard.err
    assert not (tmp_path / "feast").exists()
