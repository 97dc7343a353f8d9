"""Suites as files: what is refused and how; the envelope as a suite; what findings say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest

from pipelines.adapters.expectations.validation import expectation_mistakes
from pipelines.core.errors import DataError, SpecError
from pipelines.core.findings import Verdict, overall
from pipelines.core.time import Window, parse_instant
from pipelines.gates.contract.findings import contract_findings
from pipelines.quality.envelope.suite import envelope_suite, stream_chunks
from pipelines.quality.sql.runner import SqlRunner
from pipelines.quality.suite import (
    ExpectationResult,
    Suite,
    load_suite,
    merge_suites,
    streams_of,
)
from pipelines.spec.load import load_model
from pipelines.spec.model import ModelSpec
from pipelines.spec.streams import Stream

ROOT = Path(__file__).parents[3]
WINDOW = Window(parse_instant("2025-01-06"), parse_instant("2025-03-31"))
PARTS = Stream.model_validate(
    {
        "event_time": "at",
        "known_time": "seen",
        "id": ["line", "part"],
        "columns": {"line": "integer", "part": "string", "weight": "float", "counter": "integer"},
    }
)


class Refusing:
    """Fails a test that hands over an expectation which SQL should have answered."""

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        raise AssertionError(f"not answered in SQL: {suite['expectations']}")


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return load_model(ROOT / "models" / "demand.yaml")


def parts(connection: Any = None) -> ibis.Table:
    connection = connection or ibis.duckdb.connect()
    connection.raw_sql(
        """
        create or replace table parts as
        select timestamp '2025-01-06' + interval (i) minute as event_time,
               timestamp '2025-01-06' + interval (i + i % 7) minute as known_time,
               i as line, 'p' || (i * 7919 % 13) as part,
               1.0 + (i * 7907 % 1000) / 100.0 as weight, i as counter
        from range(0, 84 * 1440, 11) r(i)
        """
    )
    return connection.table("parts")


def envelope(
    table: ibis.Table, left_out: Sequence[Window] = (), fresh: timedelta = timedelta(days=7)
) -> dict[str, Any]:
    chunks = stream_chunks(table, PARTS, WINDOW, fresh)
    return envelope_suite(chunks, stream="parts", window=WINDOW, left_out=left_out)


def test_chunks_that_are_left_out_set_no_bound() -> None:
    table, week = parts(), timedelta(days=7)
    broken = Window(WINDOW.end - 2 * week, WINDOW.end - week)
    wrong = (table.known_time >= broken.start.replace(tzinfo=None)) & (
        table.known_time < broken.end.replace(tzinfo=None)
    )
    spoilt = table.mutate(weight=table.weight * wrong.ifelse(1000.0, 1.0))
    clean, left_out = envelope(table), envelope(spoilt, left_out=[broken])
    assert left_out["meta"]["chunks"] == clean["meta"]["chunks"] - 1

    def highest(suite: dict[str, Any]) -> float:
        places = ((one["meta"]["column"], one["meta"]["check"]) for one in suite["expectations"])
        checks = dict(zip(places, suite["expectations"], strict=True))
        return float(checks["weight", "range"]["kwargs"]["max_value"])

    assert highest(left_out) < 1.1 * highest(clean) < highest(envelope(spoilt))


def suite_file(folder: Path, *expectations: dict[str, Any]) -> Path:
    path = folder / "demand.json"
    path.write_text(json.dumps({"name": "demand", "expectations": list(expectations)}))
    return path


def expect(kind: str, stream: str = "dispensing", **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs, "meta": {"stream": stream}}


@pytest.mark.parametrize(
    ("expectation", "answers"),
    [
        (expect("expect_column_values_to_be_betwen", column="price"), "to_be_between"),
        (expect("expect_column_to_exist", column="qantity"), "did you mean ['quantity']"),
        (expect("expect_column_to_exist", stream="stocks", column="on_hand"), "'stocks' is not"),
        (expect("expect_column_values_to_be_between", column="price", mostly=2), "mostly"),
        (expect("expect_column_values_to_be_between", column="price", mini=2), "mini"),
        ({"kwargs": {}}, "a type and kwargs"),
    ],
)
def test_a_mistake_in_a_suite_is_named_with_file_and_place(
    expectation: dict[str, Any], answers: str, spec: ModelSpec, tmp_path: Path
) -> None:
    path = suite_file(tmp_path, expect("expect_column_to_exist", column="price"), expectation)
    with pytest.raises(SpecError) as caught:
        load_suite(path, spec, expectation_mistakes)
    message = str(caught.value)
    assert f"{path}: expectations[1]" in message, message
    assert answers in message, message


def test_a_missing_or_unreadable_suite_is_named(spec: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no suite"):
        load_suite(tmp_path / "demand.json", spec, expectation_mistakes)
    broken = tmp_path / "demand.json"
    broken.write_text('{"name": "x",\n oops}')
    with pytest.raises(SpecError, match=r"demand\.json:2"):
        load_suite(broken, spec, expectation_mistakes)


def test_the_example_suite_is_sound(spec: ModelSpec) -> None:
    suite = load_suite(ROOT / "expectations" / "demand.json", spec, expectation_mistakes)
    assert set(streams_of(suite, "dispensing")) == {"dispensing", "stock"}


def test_a_suite_may_name_when_rows_arrived(spec: ModelSpec, tmp_path: Path) -> None:
    days = expect("expect_column_unique_value_count_to_be_between", column="known_day", min_value=7)
    suite = load_suite(suite_file(tmp_path, days), spec, expectation_mistakes)
    table = parts()
    rows = table.filter(table.known_time < WINDOW.start.replace(tzinfo=None) + timedelta(days=6))
    (found,) = contract_findings({"suite": suite}, {"dispensing": rows}, SqlRunner(Refusing()))
    assert (found.verdict, found.value) == (Verdict.FAIL, 6.0), found.reason


def test_the_envelope_loads_in_great_expectations_and_is_the_same_each_time() -> None:
    import great_expectations as gx

    suite = envelope(parts())
    text = json.dumps(suite, sort_keys=True)
    assert json.dumps(envelope(parts()), sort_keys=True) == text, "same rows, another envelope"
    loaded = gx.ExpectationSuite(**json.loads(text))
    assert len(loaded.expectations) == len(suite["expectations"])


def test_the_envelope_asks_only_for_what_a_column_can_promise() -> None:
    checks = {(e["meta"]["column"], e["meta"]["check"]) for e in envelope(parts())["expectations"]}
    assert ("weight", "range") in checks
    assert ("part", "missing") in checks
    assert ("table", "unique") in checks
    assert ("counter", "range") not in checks, "a counter leaves every range in time"
    assert ("part", "categories") not in checks, "the id of an event is not a category"


def test_the_envelope_needs_three_chunks() -> None:
    with pytest.raises(DataError, match="too short"):
        envelope(parts(), fresh=timedelta(days=40))


def test_the_envelope_needs_rows_in_most_chunks() -> None:
    table = parts()
    with pytest.raises(DataError, match="too thin"):
        envelope(table.filter(table.known_time < ibis.timestamp("2025-02-01")))


def test_an_envelope_runs_in_sql_alone_and_holds_for_the_last_week_of_training() -> None:
    table = parts()
    week = table.filter(table.known_time >= ibis.timestamp("2025-03-24"))
    findings = contract_findings(
        {"envelope": envelope(table)}, {"parts": week}, SqlRunner(Refusing())
    )
    assert overall(findings) is Verdict.PASS, [f for f in findings if f.verdict != "pass"]
    assert len({finding.name for finding in findings}) == len(findings)


def one(rows: list[dict[str, Any]], *expectations: dict[str, Any]) -> list[Any]:
    kinds: dict[str, pa.DataType] = {"quantity": pa.float64(), "region": pa.string()}
    schema = pa.schema(kinds)
    table = ibis.duckdb.connect().create_table("t", pa.Table.from_pylist(rows, schema=schema))
    suite = {"name": "s", "expectations": list(expectations)}
    runner = SqlRunner(_Broken())
    return contract_findings({"suite": suite}, {"dispensing": table}, runner)


def test_all_checks_of_a_stream_without_fresh_rows_have_one_dated_reason() -> None:
    stored = parts()
    fresh = stored.filter(stored.known_time > ibis.timestamp("2026-01-01"))
    findings = contract_findings(
        {"envelope": envelope(stored)},
        {"parts": fresh},
        SqlRunner(Refusing()),
        stored={"parts": stored},
    )
    (reason,) = {finding.reason for finding in findings}
    newest = stored.known_time.max().execute()
    assert (
        reason == f"parts has no fresh rows since {newest:%Y-%m-%d}: its feed seems to have stopped"
    )
    assert overall(findings) is Verdict.NO_DATA


class _Broken:
    """A runner whose every check raises inside, as Great Expectations reports it."""

    def run(self, table: ibis.Table, suite: Suite) -> tuple[ExpectationResult, ...]:
        return tuple(
            ExpectationResult(index=i, type=e["type"], success=False, broken="TypeError: no")
            for i, e in enumerate(suite["expectations"])
        )


def test_a_broken_check_is_inconclusive_and_gives_a_reason() -> None:
    (finding,) = one(
        [{"quantity": 1.0}], expect("expect_column_values_to_be_json_parseable", column="region")
    )
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "TypeError" in finding.reason


def test_a_column_that_is_not_in_the_table_is_inconclusive_for_a_range() -> None:
    (finding,) = one(
        [{"quantity": 1.0}],
        expect("expect_column_values_to_be_between", column="gone", min_value=0),
    )
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "gone" in finding.reason


def test_a_warning_is_shown_and_does_not_block() -> None:
    rule = expect("expect_column_values_to_be_between", column="quantity", min_value=5)
    (warned,) = one([{"quantity": 1.0}], {**rule, "severity": "warning"})
    (failed,) = one([{"quantity": 1.0}], rule)
    assert (warned.verdict, warned.blocking) == (Verdict.FAIL, False)
    assert (failed.verdict, failed.blocking) == (Verdict.FAIL, True)
    assert failed.name == "contract.suite.dispensing.quantity.range"
    assert (failed.value, failed.threshold, failed.rows) == (0.0, 1.0, 1)


def test_the_same_check_twice_has_two_names() -> None:
    rule = expect("expect_column_values_to_be_between", column="quantity", min_value=0)
    names = [finding.name for finding in one([{"quantity": 1.0}], rule, rule)]
    assert names == [
        "contract.suite.dispensing.quantity.range",
        "contract.suite.dispensing.quantity.range.2",
    ]


def test_merged_suites_keep_each_stream_apart() -> None:
    left = {"name": "a", "expectations": [expect("expect_column_to_exist", "x", column="c")]}
    right = {"name": "b", "expectations": [expect("expect_column_to_exist", "y", column="c")]}
    merged = merge_suites("both", [left, right], {})
    assert {name: len(part["expectations"]) for name, part in streams_of(merged, "x").items()} == {
        "x": 1,
        "y": 1,
    }
