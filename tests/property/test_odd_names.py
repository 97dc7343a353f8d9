"""Names that the code itself, SQL, Ibis or pandas use are names like any other.

A world with such names gives the same rows as the same world with plain names: from the import over
snapshot, frame and suite to the online store.
"""

import ast
import re
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.online.memory import MemoryOnline
from pipelines.core.names import COLUMN, NAME, folded, unused
from pipelines.data.events import FileEvents
from pipelines.data.ingest.files import import_files
from pipelines.data.profile import stream_facts
from pipelines.data.snapshot import open_streams, take_snapshot
from pipelines.features.frame import build_frame
from pipelines.features.online.lookup import look_up
from pipelines.features.online.materialize import fill
from pipelines.features.online.store import ViewState
from pipelines.features.online.views import view_definitions
from pipelines.quality.arrival import with_arrival
from pipelines.quality.sql.compile import compile_expectation
from pipelines.quality.sql.runner import run_plans
from pipelines.spec.frame_checks import FRAME_COLUMNS
from pipelines.spec.model import ModelSpec
from pipelines.spec.views import feature_views
from tests.property.random_frames import TIMES

ROOT = Path(__file__).parents[2] / "pipelines"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
AS_OF = MONDAY + timedelta(days=6)
KINDS = {"string": 2, "float": 3, "integer": 2, "boolean": 1, "timestamp": 1}
PLAIN = tuple(f"c{number}" for number in range(sum(KINDS.values())))
RESERVED = {"event_time", "known_time", *FRAME_COLUMNS}


@cache
def odd_names() -> tuple[str, ...]:
    """Identifiers in the code, words of SQL and of Ibis, once each whatever the case."""
    words = {
        word for (word,) in duckdb.sql("SELECT keyword_name FROM duckdb_keywords()").fetchall()
    }
    words |= {name for name in dir(ibis.Table) + dir(pa.Table) if not name.startswith("__")}
    words |= {"index", "level_0", "Dest", "self", "cls", "by", "having", "rowid", "filename"}
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if len(node.value) < 500:
                    words |= set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", node.value))
            elif isinstance(node, ast.arg):
                words.add(node.arg)
    named = {folded(word): word for word in sorted(words) if len(word) <= COLUMN.longest}
    return tuple(word for key, word in named.items() if key not in RESERVED)


def rows_of(names: tuple[str, ...]) -> pa.Table:
    """Thirty events of four entities; column ``number`` has the kind of its place in ``KINDS``."""
    zoned, count = pa.timestamp("us", tz="UTC"), 30
    at = [MONDAY + timedelta(hours=4 * number) for number in range(count)]
    columns: dict[str, Any] = {"happened_at": pa.array(at, zoned)}
    for place, (name, kind) in enumerate(zip(names, kinds(), strict=True)):
        value = {
            "string": [f"v{number % (2 + place)}" for number in range(count)],
            "float": [
                None if number % 11 == 5 else number / (3 + place) for number in range(count)
            ],
            "integer": [number % (5 + place) for number in range(count)],
            "boolean": [number % 3 == 0 for number in range(count)],
            "timestamp": pa.array([one + timedelta(days=place) for one in at], zoned),
        }
        columns[name] = value[kind]
    return pa.table(columns)


def kinds() -> list[str]:
    return [kind for kind, number in KINDS.items() for _ in range(number)]


def feature_name(number: int, names: tuple[str, ...]) -> str:
    """The name of column ``number`` as that of a feature, where it can be one."""
    name = folded(names[number])
    taken = {folded(key) for key in names[:2]}
    return (
        name
        if re.fullmatch(NAME.pattern, name) and name not in taken
        else unused(f"f{number}", names)
    )


def declared(names: tuple[str, ...]) -> ModelSpec:
    keys, aggregates = names[:2], {"float": ["sum", "mean", "last"], "integer": ["min", "max"]}
    features: list[dict[str, Any]] = [{"kind": "attribute", "name": "key_1", "column": keys[1]}]
    for number, kind in enumerate(kinds()):
        fitting = aggregates.get(kind, ["distinct"])
        for aggregate in fitting[:1] if number > 3 else fitting:
            name = feature_name(number, names)
            if any(feature["name"] == name for feature in features):
                name = f"{aggregate}_{number}"
            feature: dict[str, Any] = {"kind": "window", "name": name, "stream": "events"}
            feature |= {"by": list(keys)}
            feature |= {"aggregate": aggregate, "column": names[number], "window": "3d"}
            feature["where"] = [{"column": names[4], "at_least": 1}] if number % 2 else []
            features.append(feature)
    label = {"kind": "aggregate", "stream": "events", "by": list(keys), "aggregate": "sum"}
    return ModelSpec.model_validate(
        {
            "name": "odd",
            "description": "odd names",
            "owner": "tests",
            "streams": {
                "events": {
                    "event_time": "happened_at",
                    "known_time": {"event_time_plus": "1h"},
                    "id": [names[0], names[4]],
                    "columns": dict(zip(names, kinds(), strict=True)),
                }
            },
            "points": {"kind": "grid", "stream": "events", "keys": list(keys), "every": "1d"},
            "label": label | {"column": names[2], "horizon": "1d"},
            "features": features,
            "serving": {"every": "1d"},
            "split": {"train": "28d"},
            "estimator": {"path": "sklearn.dummy.DummyRegressor"},
            "metric": {"name": "absolute_error", "minimum_effect": 0.1},
        }
    )


def ordered(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)


def results(names: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Everything that the product makes of the events, without names."""
    spec = declared(names)
    stream, store = spec.streams["events"], LocalStore(folder / "store")
    pq.write_table(rows_of(names).slice(0, 20), folder / "first.parquet")
    pq.write_table(rows_of(names), folder / "all.parquet")
    written = [
        import_files([folder / f"{file}.parquet"], "events", stream, store).written
        for file in ("first", "all")
    ]
    sources = {"events": FileEvents(store)}
    snapshot = take_snapshot(spec.streams, AS_OF, sources, folder / "cache")
    tables = open_streams(snapshot, spec.streams, folder / "cache", ibis.duckdb.connect())
    frame = build_frame(spec.frame, tables, AS_OF).to_pyarrow()
    checks: list[tuple[str, dict[str, Any]]] = [
        ("expect_column_values_to_be_unique", {"column": names[4]}),
        ("expect_compound_columns_to_be_unique", {"column_list": list(names[:5])}),
        ("expect_column_mean_to_be_between", {"column": names[5], "min_value": 0}),
        ("expect_column_quantile_values_to_be_between", {
            "column": names[3],
            "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1]]},
        }),
        ("expect_column_values_to_be_in_set", {"column": names[0], "value_set": ["v0"]}),
    ]  # fmt: skip
    arrived = with_arrival(tables["events"])
    plans = [compile_expectation(arrived, kind, kwargs) for kind, kwargs in checks]
    online = MemoryOnline()
    [view] = feature_views(spec)
    state = ViewState(f"odd.{view.name}", AS_OF, AS_OF, tuple(view_definitions(spec, view)))
    fill(online, spec, view, tables, state, replaces=None, whole=True)
    points = [
        {names[0]: first, names[1]: second}
        for first, second in sorted({(row[names[0]], row[names[1]]) for row in frame.to_pylist()})
    ]
    looked_up = look_up(spec, online, points, AS_OF + timedelta(hours=1))
    facts = stream_facts(tables["events"], stream, None)
    return {
        "written": written,
        "frame": ordered(frame),
        "suite": run_plans(arrived, {i: plan for i, plan in enumerate(plans) if plan}),
        "online": list(looked_up.values.values()),
        "facts": [facts.rows, facts.repeated, facts.contradicting, *facts.missing_share.values()],
    }


@cache
def plain() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return results(PLAIN, Path(folder))


def compare(names: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = results(names, Path(folder))
    for part, value in plain().items():
        assert found[part] == value, (part, names)


# Those that once collided with an internal name, and the likeliest to do so again.
KNOWN = (
    "h", "_bad", "_day", "_object", "row_number", "row", "file", "copy", "count", "name", "schema",
    "index", "level_0", "self", "by", "having", "select", "group_rows", "rows", "Day", "hash", "v0",
    "label", "known_lag_s", "n", "turn", "rowid", "filename", "staged", "fresh", "shift_us", "Dest",
)  # fmt: skip


@pytest.mark.parametrize("start", range(0, 27, 9))
def test_names_that_are_likely_to_collide_are_like_any_other(start: int) -> None:
    usable = [name for name in KNOWN if folded(name) not in RESERVED]
    compare(tuple((usable + usable)[start : start + len(PLAIN)]))


@settings(max_examples=TIMES, phases=[Phase.generate])
@given(
    st.lists(
        st.deferred(lambda: st.sampled_from(odd_names())), min_size=9, max_size=9, unique_by=folded
    ).map(tuple)
)
def test_names_from_the_code_are_like_any_other(names: tuple[str, ...]) -> None:
    compare(names)
