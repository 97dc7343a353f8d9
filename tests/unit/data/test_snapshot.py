"""Bad events and a bad disk: each is an error with a name, and running again afterwards works."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import DataError, IntegrityError, SpecError
from pipelines.data.events import FileEvents
from pipelines.data.ingest.partitions import write_events
from pipelines.data.snapshot import Snapshot, load_snapshot, open_streams, take_snapshot
from pipelines.spec.model import ModelSpec

Rows = Callable[..., pa.Table]
AS_OF = datetime(2026, 1, 21, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def take(
    store: LocalStore, tmp_path: Path, sales_model: Callable[..., ModelSpec]
) -> Callable[..., Snapshot]:
    def snapshot(spec: ModelSpec | None = None, as_of: datetime = AS_OF) -> Snapshot:
        sources = {"sales": FileEvents(store)}
        return take_snapshot((spec or sales_model()).streams, as_of, sources, tmp_path / "cache")

    return snapshot


def _put(store: LocalStore, key: str, table: pa.Table) -> None:
    path = store.folder / "sales" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def test_a_store_without_the_stream_reports_what_it_looked_for(
    take: Callable[..., Snapshot],
) -> None:
    with pytest.raises(DataError, match="'sales' has no object") as raised:
        take()
    assert "sales/dt=YYYY-MM-DD/" in raised.value.wanted


def test_an_empty_object_is_named(store: LocalStore, take: Callable[..., Snapshot]) -> None:
    store.write("sales/dt=2026-01-02/broken.parquet", b"")
    with pytest.raises(DataError, match="an object is empty") as raised:
        take()
    assert "dt=2026-01-02/broken.parquet" in raised.value.where


def test_an_object_that_is_no_parquet_is_named(
    store: LocalStore, take: Callable[..., Snapshot]
) -> None:
    store.write("sales/dt=2026-01-02/broken.parquet", b"sale,shop\n1,2\n")
    with pytest.raises(DataError, match="no Parquet file") as raised:
        take()
    assert "dt=2026-01-02/broken.parquet" in raised.value.where


def test_a_half_uploaded_object_is_named(
    store: LocalStore, take: Callable[..., Snapshot], sales_rows: Rows
) -> None:
    _put(store, "dt=2026-01-01/a.parquet", sales_rows(range(3)))
    path = store.folder / "sales/dt=2026-01-01/a.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="no Parquet file"):
        take()


def test_a_feature_gone_upstream_in_fresh_objects_only(
    store: LocalStore, take: Callable[..., Snapshot], sales_rows: Rows
) -> None:
    write_events(store, "sales", sales_rows(range(5)), "told_at")
    take()
    _put(store, "dt=2026-01-10/new.parquet", sales_rows([9]).drop_columns(["price"]))
    with pytest.raises(DataError) as raised:
        take()
    error = raised.value
    assert error.what == "1 column missing: price"
    assert error.where == "stream sales, object sales/dt=2026-01-10/new.parquet"
    assert "'units'" in error.got
    assert "dt=2026-01-05" in error.wanted, "an earlier object that has the column is not named"


def test_a_renamed_column_is_guessed(
    store: LocalStore, take: Callable[..., Snapshot], sales_rows: Rows
) -> None:
    renamed = sales_rows([1]).rename_columns({"price": "unit_price"})
    _put(store, "dt=2026-01-02/a.parquet", renamed)
    with pytest.raises(DataError, match="'price' may be called 'unit_price' now"):
        take()


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("units", pa.array(["many"]), "'units' is of another type"),
        ("price", pa.array(["1.5"]), "'price' is of another type"),
        ("sale", pa.array([17]), "'sale' is of another type"),
        ("paid", pa.array([1]), "'paid' is of another type"),
        ("due", pa.array(["2026-01-05T00:00:00Z"]), "'due' is of another type"),
        ("told_at", pa.array([datetime(2026, 1, 2)], pa.timestamp("us")), "have no zone"),  # noqa: DTZ001
        ("told_at", pa.array([None], pa.timestamp("us", "UTC")), "a time is missing"),
        (
            "sold_at",
            pa.array([datetime(1, 1, 2, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "an event time is impossible",
        ),
        (
            "sold_at",
            pa.array([datetime(2026, 1, 9, tzinfo=UTC)], pa.timestamp("us", "UTC")),
            "an event was known before it happened",
        ),
    ],
)
def test_values_that_contradict_the_declaration(
    store: LocalStore,
    take: Callable[..., Snapshot],
    sales_rows: Rows,
    column: str,
    values: pa.Array,
    message: str,
) -> None:
    _put(store, "dt=2026-01-02/a.parquet", sales_rows([1], **{column: values}))
    with pytest.raises(DataError, match=message) as raised:
        take()
    assert "sales/dt=2026-01-02/a.parquet" in raised.value.where
    assert column in str(raised.value)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("units", pa.array([3], pa.int16())),
        ("units", pa.array([None], pa.null())),
        ("price", pa.array([3], pa.int32())),
        ("price", pa.array([float("nan")])),
        ("sale", pa.array(["s1"]).dictionary_encode()),
        ("told_at", pa.array([datetime(2026, 1, 3, tzinfo=UTC)], pa.timestamp("ns", "Asia/Tokyo"))),
    ],
)
def test_types_that_mean_the_same_are_taken(
    store: LocalStore,
    take: Callable[..., Snapshot],
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
    column: str,
    values: pa.Array,
) -> None:
    _put(store, "dt=2026-01-02/a.parquet", sales_rows([1], **{column: values}))
    _put(store, "dt=2026-01-01/b.parquet", sales_rows([0]))
    tables = open_streams(take(), sales_model().streams, tmp_path / "cache", ibis.duckdb.connect())
    schema = {name: str(kind) for name, kind in tables["sales"].schema().items()}
    assert schema == {
        "event_time": "timestamp(6)",
        "known_time": "timestamp(6)",
        "sale": "string",
        "shop": "string",
        "units": "int64",
        "price": "float64",
        "paid": "boolean",
        "due": "timestamp(6)",
    }
    rows = tables["sales"].to_pyarrow().to_pylist()
    assert len(rows) == 2
    assert not any(row["price"] != row["price"] for row in rows), "NaN has to be a missing value"


def test_an_object_under_a_day_later_than_its_rows_is_refused(
    store: LocalStore, take: Callable[..., Snapshot], sales_rows: Rows
) -> None:
    """A run as of the rows' own day would not look there."""
    _put(store, "dt=2026-01-15/a.parquet", sales_rows([1]))
    with pytest.raises(DataError, match="before the day of its folder"):
        take()


def test_an_object_outside_of_a_day_is_refused(
    store: LocalStore, take: Callable[..., Snapshot], sales_rows: Rows
) -> None:
    _put(store, "all.parquet", sales_rows([1]))
    with pytest.raises(DataError, match="outside of a day's folder"):
        take()


def test_a_stream_without_a_source_is_named(
    sales_model: Callable[..., ModelSpec], tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match="sales"):
        take_snapshot(sales_model().streams, AS_OF, {}, tmp_path)


def test_a_damaged_cached_object_is_found_and_heals_once_deleted(
    store: LocalStore,
    take: Callable[..., Snapshot],
    sales_rows: Rows,
    sales_model: Callable[..., ModelSpec],
    tmp_path: Path,
) -> None:
    write_events(store, "sales", sales_rows(range(5)), "told_at")
    taken = take()
    victim = tmp_path / "cache" / "objects" / taken.streams["sales"].objects[2].sha256[:2]
    [path] = victim.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError) as raised:
        open_streams(taken, sales_model().streams, tmp_path / "cache", ibis.duckdb.connect())
    assert raised.value.where == str(path)
    path.unlink()
    assert take() == taken
    tables = open_streams(taken, sales_model().streams, tmp_path / "cache", ibis.duckdb.connect())
    assert tables["sales"].count().execute() == 5


def test_a_manifest_is_not_trusted(
    store: LocalStore, take: Callable[..., Snapshot], sales_rows: Rows, tmp_path: Path
) -> None:
    write_events(store, "sales", sales_rows(range(5)), "told_at")
    taken = take()
    assert load_snapshot(tmp_path / "cache", taken.id) == taken
    path = tmp_path / "cache" / "snapshots" / f"{taken.id}.json"
    held = json.loads(path.read_text())
    held["record"]["streams"]["sales"]["objects"].pop()
    path.write_text(json.dumps(held))
    with pytest.raises(IntegrityError, match="manifest"):
        load_snapshot(tmp_path / "cache", taken.id)
    assert take() == taken
    assert load_snapshot(tmp_path / "cache", taken.id) == taken


def test_an_unknown_snapshot_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no snapshot"):
        load_snapshot(tmp_path, "0" * 64)


def test_what_was_noted_and_damaged_counts_as_unknown(
    store: LocalStore, take: Callable[..., Snapshot], sales_rows: Rows, tmp_path: Path
) -> None:
    write_events(store, "sales", sales_rows(range(5)), "told_at")
    taken = take()
    for path in (tmp_path / "cache" / "notes").rglob("*.json"):
        path.write_text(path.read_text().replace('"rows":1', '"rows":7')[:-20])
    assert take() == taken


def test_the_instant_is_part_of_the_id(
    store: LocalStore, take: Callable[..., Snapshot], sales_rows: Rows
) -> None:
    write_events(store, "sales", sales_rows(range(5)), "told_at")
    assert take().id != take(as_of=AS_OF + timedelta(days=1)).id


_TAKE = """
import resource, sys
from pathlib import Path
from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import GauntletError
from pipelines.core.time import parse_instant
from pipelines.data.snapshot import take_snapshot
from pipelines.data.events import FileEvents
from pipelines.spec.model import ModelSpec

spec = ModelSpec.model_validate_json(Path(sys.argv[1]).read_text())
if int(sys.argv[4]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
try:
    source = FileEvents(LocalStore(Path(sys.argv[2])))
    as_of, cache = parse_instant("2026-01-21"), Path(sys.argv[3])
    taken = take_snapshot(spec.streams, as_of, {"sales": source}, cache)
except GauntletError as error:
    print(error)
    sys.exit(error.exit_code)
print(taken.id)
"""


def test_a_full_disk_leaves_nothing_half_written_and_the_next_run_succeeds(
    store: LocalStore, sales_model: Callable[..., ModelSpec], sales_rows: Rows, tmp_path: Path
) -> None:
    """The system refuses to let a file grow beyond 20 kB; one object of three is larger."""
    write_events(store, "sales", sales_rows([1, 2]), "told_at")
    big = sales_rows([3] * 5000, sale=[f"{i * 7919 % 5003:x}-{i:x}" for i in range(5000)])
    [written] = write_events(store, "sales", big, "told_at")
    assert written.size > 20_000
    declared = tmp_path / "model.json"
    declared.write_text(json.dumps(sales_model().as_json()))
    cache = tmp_path / "cache"

    def take(limit: int) -> subprocess.CompletedProcess[str]:
        arguments = [str(declared), str(store.folder), str(cache), str(limit)]
        return subprocess.run(
            [sys.executable, "-c", _TAKE, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            cwd=Path(__file__).parents[3],
        )

    failed = take(20_000)
    assert failed.returncode == 5, failed.stderr
    assert "no room left" in failed.stdout
    assert not (cache / "snapshots").exists()
    files = [path for path in cache.rglob("*") if path.is_file()]
    assert not [path for path in files if "arrivals" in path.parts or "draft" in path.name]
    assert len([path for path in files if "objects" in path.parts]) == 2
    again = take(0)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (cache / "snapshots" / f"{again.stdout.strip()}.json").is_file()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_is_really_full(
    store: LocalStore, sales_model: Callable[..., ModelSpec], sales_rows: Rows, tmp_path: Path
) -> None:
    numbers = range(20_000)
    big = sales_rows([3] * 20_000, sale=[f"{i * 7919 % 20011:x}-{i:x}" for i in numbers])
    write_events(store, "sales", big, "told_at")
    declared, disk = tmp_path / "model.json", tmp_path / "disk"
    declared.write_text(json.dumps(sales_model().as_json()))
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets not even root mount a small disk")
    try:
        arguments = [str(declared), str(store.folder), str(disk / "cache"), "0"]
        failed = subprocess.run(
            [sys.executable, "-c", _TAKE, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            cwd=Path(__file__).parents[3],
        )
        assert failed.returncode == 5, failed.stderr
        assert "no room left" in failed.stdout
        assert not [path for path in disk.rglob("*") if path.is_file()]
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = subprocess.run(
            [sys.executable, "-c", _TAKE, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
            cwd=Path(__file__).parents[3],
        )
        assert again.returncode == 0, again.stdout + again.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_store_and_cache_may_have_any_name(
    tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows
) -> None:
    store = LocalStore(tmp_path / "env=prod" / "it's [1]* {a,b}%20")
    write_events(store, "sales", sales_rows(range(3)), "told_at")
    cache, streams = tmp_path / "c?che" / "dt=2026-01-01", sales_model().streams
    taken = take_snapshot(streams, AS_OF, {"sales": FileEvents(store)}, cache)
    table = open_streams(taken, streams, cache, ibis.duckdb.connect())["sales"]
    assert table.count().execute() == 3
