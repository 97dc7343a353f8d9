"""Bad input through the command line: its message and exit code, and nothing is left behind.

An error names what, where, got, wanted and do, as far as each makes sense. What is wrong with a
single object or value is tested where it is found (``tests/unit/data``); here it has come through
the whole program.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines.release.registry import CHAMPION
from tests.support.pharmacy import FIRST, SECOND, START, WEEK, Pharmacy
from tests.support.refused_input import (
    new_pharmacy,
    newest,
    refused,
    untouched,
    write_three_days,
)

ORIGIN = datetime(1970, 1, 1)  # noqa: DTZ001 - a Parquet file without zones is the point


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of events before ``FIRST``."""
    return write_three_days(tmp_path_factory.mktemp("days"))


@pytest.fixture
def pharmacy(days: Path, tmp_path: Path) -> Pharmacy:
    """A new home and its own copy of the three days."""
    return new_pharmacy(days, tmp_path)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.ParquetFile(path).read()), path)


def column(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def shifted(table: pa.Table, name: str, by: timedelta) -> pa.Table:
    return column(table, name, pc.add(table[name], pa.scalar(by, pa.duration("us"))))


# Events that cannot be read


def test_no_file(pharmacy: Pharmacy) -> None:
    shutil.rmtree(Path(pharmacy.store) / "stock")
    reported = refused(pharmacy.cli_retrain(FIRST, "--json"), 3, "no_events", what="'stock'")
    assert reported["where"].endswith("store/stock/")
    assert reported["wanted"]
    assert "import events" in reported["hint"]
    untouched(pharmacy)


def test_an_undeclared_model_is_not_released_and_not_rolled_back(pharmacy: Pharmacy) -> None:
    """A typing mistake: "no challenger is on trial" would look like an answer."""
    for words in (["release", "demnad"], ["rollback", "demnad", "--reason", "harm"]):
        refused(pharmacy.cli(*words, "--json"), 2, "declaration", what="there is no model 'demnad'")


def test_without_a_rollout_release_explains_how_to_decide(pharmacy: Pharmacy) -> None:
    pharmacy.declare()
    reported = pharmacy.cli("release", "demand", "--json").body
    assert (reported["action"], "declare a `rollout`" in reported["next_step"]) == ("idle", True), (
        reported
    )


def test_a_setting_that_cannot_be_used_is_named_by_its_variable(pharmacy: Pharmacy) -> None:
    answer = pharmacy.cli("ledger", "demand", "--json", GAUNTLET_SERVE_ROWS="many")
    refused(answer, 2, "declaration", where="GAUNTLET_SERVE_ROWS", got="many", wanted="integer")


@pytest.mark.parametrize("typed", ["2025-05-12T10:00", "yesterday", ""])
def test_an_instant_without_a_zone_or_sense_is_named_by_its_place(
    pharmacy: Pharmacy, typed: str
) -> None:
    for command in ("materialize", "explore", "check"):
        words = ["--sql", "SELECT 1"] if command == "explore" else []
        reported = pharmacy.cli(command, "demand", "--as-of", typed, "--json", *words)
        refused(reported, 2, "time", where="the command line", got=typed, wanted="2026-01-05")


def test_a_home_that_cannot_be_made_is_named_by_its_path(pharmacy: Pharmacy) -> None:
    home = Path(pharmacy.store) / "file" / "home"
    home.parent.write_text("no folder")
    for words in (("materialize", "demand"), ("features",), ("ledger", "demand")):
        reported = pharmacy.cli(*words, "--json", GAUNTLET_HOME=str(home))
        refused(reported, 5, "unavailable", where=str(home), hint="GAUNTLET_HOME")


def test_an_empty_file(pharmacy: Pharmacy) -> None:
    newest(pharmacy).write_bytes(b"")
    refused(
        pharmacy.cli_retrain(FIRST, "--json"),
        3,
        "data",
        what="an object is empty",
        where="stream dispensing, object dispensing/dt=",
        wanted="a Parquet file",
        hint="write the object again",
    )
    untouched(pharmacy)


def as_text(table: pa.Table) -> pa.Table:
    return column(table, "quantity", table["quantity"].cast(pa.string()))


def without_zones(table: pa.Table) -> pa.Table:
    return column(table, "recorded_at", table["recorded_at"].cast(pa.timestamp("us")))


def in_milliseconds(table: pa.Table) -> pa.Table:
    """Times written in milliseconds and labelled microseconds: all of it happened in 1970."""
    for name in ("dispensed_at", "recorded_at"):
        small = pc.divide(table[name].cast(pa.int64()), 1000)
        table = column(table, name, small.cast(pa.timestamp("us", "UTC")))
    return table


@pytest.mark.parametrize(
    ("change", "answers"),
    [
        pytest.param(
            lambda table: table.drop_columns(["quantity"]), {"got": "quantity"}, id="missing"
        ),
        pytest.param(
            lambda table: table.rename_columns(
                ["qty" if name == "quantity" else name for name in table.column_names]
            ),
            {"got": "quantity"},
            id="renamed",
        ),
        pytest.param(as_text, {"got": "quantity"}, id="another type"),
        pytest.param(without_zones, {"got": "recorded_at", "wanted": "zone"}, id="naive time"),
        pytest.param(
            lambda table: shifted(table, "dispensed_at", timedelta(days=5)),
            {"what": "known before it happened", "wanted": "event time <= known time"},
            id="known before it happened",
        ),
        pytest.param(
            lambda table: shifted(table, "dispensed_at", -timedelta(days=365 * 300)),
            {"what": "event time is impossible", "wanted": "1900-01-01"},
            id="impossible time",
        ),
        pytest.param(
            in_milliseconds, {"got": "1970", "what": "before the day of its folder"}, id="unit"
        ),
    ],
)
def test_events_that_contradict_the_declaration(
    pharmacy: Pharmacy, change: Callable[[pa.Table], pa.Table], answers: dict[str, str]
) -> None:
    path = newest(pharmacy)
    rewrite(path, change)
    reported = pharmacy.cli_retrain(FIRST, "--json")
    whole = refused(reported, 3, "data", where="stream dispensing, object dispensing/dt=")
    everything = " ".join(str(part) for part in whole.values())
    for words in answers.values():
        assert words in everything
    assert whole["got"]
    assert whole["wanted"]
    untouched(pharmacy)


def test_the_words_of_an_error_on_a_terminal(pharmacy: Pharmacy) -> None:
    newest(pharmacy).write_bytes(b"PAR1")
    answer = pharmacy.cli_retrain(FIRST)
    assert answer.code == 3
    assert answer.err.startswith("error: an object is no Parquet file\n")
    for part in ("where:", "got:", "wanted:", "hint:"):
        assert f"\n  {part}" in answer.err, answer.err


def test_naive_times_are_not_imported(pharmacy: Pharmacy, tmp_path: Path) -> None:
    table = pq.ParquetFile(newest(pharmacy, "stock")).read()
    head = ",".join(table.column_names)
    file = tmp_path / "stock.csv"
    file.write_text(head + "\n" + ",".join("2025-03-31 21:00" for _ in table.column_names) + "\n")
    before = sorted(Path(pharmacy.store).rglob("*"))
    answer = pharmacy.cli("import", "demand", "stock", str(file), "--json")
    refused(answer, 3, "data", where=str(file))
    assert sorted(Path(pharmacy.store).rglob("*")) == before


# Too little to learn from


def test_no_matured_label(champion: Pharmacy, tmp_path: Path) -> None:
    """Two weeks of history: points there are, and none of the training span."""
    pharmacy = Pharmacy(tmp_path / "home", champion.store)
    pharmacy.declare()
    answer = pharmacy.cli_retrain(START + 2 * WEEK, "--json")
    reported = refused(answer, 3, "no_matured_label", what="no training row has a label")
    assert reported["hint"]
    untouched(pharmacy)


def test_a_single_class(champion: Pharmacy, tmp_path: Path) -> None:
    """A condition that no event meets: every label is 0."""
    pharmacy = Pharmacy(tmp_path / "home", champion.store)
    label = pharmacy.declare()["label"]
    nowhere = [{"column": "region", "is": "nowhere"}]
    pharmacy.declare(label={**label, "where": nowhere})
    reported = refused(
        pharmacy.cli_retrain(FIRST, "--json"), 3, "single_class", where="demand: label"
    )
    assert "0.0" in reported["got"]
    untouched(pharmacy)


# Events that can be read and must not be trained on


def test_contradicting_events_are_rejected_and_not_trained_on(pharmacy: Pharmacy) -> None:
    path = newest(pharmacy)

    def again(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("quantity")
        tenfold = pc.multiply(table["quantity"], 10)
        return pa.concat_tables([table, table.set_column(at, table.schema.field(at), tenfold)])

    rewrite(path, again)
    answer = pharmacy.cli_retrain(FIRST, "--json")
    assert answer.code == 0, answer.err
    body = answer.body
    assert (body["decision"]["outcome"], body["candidate"]) == ("reject", None)
    (identity,) = (f for f in body["findings"] if f["name"] == "contract.identity.dispensing")
    assert identity["verdict"] == "fail"
    assert "quantity" in identity["reason"]
    assert pharmacy.cli("champion", "demand", "--json").body["version"] is None


# A champion that is not what was registered


def test_a_damaged_champion_is_refused_by_name(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    shutil.rmtree(pharmacy.home / "versions", ignore_errors=True)
    model = pharmacy.home / "registry" / "demand" / "1" / "model" / "model.skops"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(bytes(content))
    with pytest.raises(Exception, match="does not have the recorded content") as caught:
        pharmacy.retrain(SECOND)
    assert caught.value.code == "integrity"  # type: ignore[attr-defined]
    assert caught.value.where == "demand version 1"  # type: ignore[attr-defined]
    assert len(pharmacy.parts().ledger.entries("demand")) == 1
    assert pharmacy.registry.alias("demand", CHAMPION) == "1"
