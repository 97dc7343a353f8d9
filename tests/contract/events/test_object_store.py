"""What every object store does, run on a folder and on S3 with and without versions."""

import pickle
import socket
from pathlib import Path

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.adapters.objects.s3 import S3Store
from pipelines.core.errors import IntegrityError, SpecError, Unavailable
from pipelines.data.objects import ObjectStore


@pytest.fixture(params=["folder", "s3-versions", "s3-plain"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return LocalStore(tmp_path / "store")
    kind = "versioned_bucket" if request.param == "s3-versions" else "plain_bucket"
    return S3Store(f"s3://{request.getfixturevalue(kind)}/below/here")


def _read(store: ObjectStore, key: str, to: Path) -> bytes:
    [stored] = list(store.list(key))
    store.read(stored, to)
    return to.read_bytes()


def test_an_empty_store_lists_nothing(store: ObjectStore) -> None:
    assert list(store.list("stock/")) == []


def test_what_was_written_is_listed_and_read(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"from a file")
    written = store.write("stock/dt=2026-01-05/a.parquet", source)
    assert list(store.list("stock/")) == [written]
    assert written.size == len(b"from a file")
    assert _read(store, "stock/dt=2026-01-05/a.parquet", tmp_path / "copy") == b"from a file"


def test_a_store_that_was_sent_to_another_process_reads_the_same(
    store: ObjectStore, tmp_path: Path
) -> None:
    written = store.write("a/x", b"first")
    sent = pickle.loads(pickle.dumps(store))
    sent.read(written, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"first"


def test_keys_come_in_order_and_only_below_the_prefix(store: ObjectStore) -> None:
    for key in ("b/2", "a/dt=2026-01-10/x", "a/dt=2026-01-09/y", "ab/1"):
        store.write(key, b"x")
    assert [one.key for one in store.list("a/")] == ["a/dt=2026-01-09/y", "a/dt=2026-01-10/x"]
    assert [one.key for one in store.list("a/dt=2026-01-1")] == ["a/dt=2026-01-10/x"]
    assert [one.key for one in store.list("")] == sorted(
        ["b/2", "a/dt=2026-01-10/x", "a/dt=2026-01-09/y", "ab/1"]
    )


def test_writing_if_absent_keeps_what_is_there(store: ObjectStore, tmp_path: Path) -> None:
    first = store.write("a/x", b"first")
    assert store.write("a/x", b"second", if_absent=True) == first
    assert _read(store, "a/x", tmp_path / "copy") == b"first"


def test_writing_over_changes_the_etag(store: ObjectStore, tmp_path: Path) -> None:
    first = store.write("a/x", b"first")
    second = store.write("a/x", b"other", if_absent=False)
    assert second.etag != first.etag
    assert _read(store, "a/x", tmp_path / "copy") == b"other"


def test_a_replaced_object_is_the_old_version_or_an_error_never_the_new_content(
    store: ObjectStore, tmp_path: Path
) -> None:
    store.write("a/x", b"first")
    [listed] = list(store.list("a/"))
    store.write("a/x", b"other", if_absent=False)
    try:
        store.read(listed, tmp_path / "copy")
    except IntegrityError:
        assert listed.version_id is None
    else:
        assert listed.version_id is not None
        assert (tmp_path / "copy").read_bytes() == b"first"


def test_an_empty_object_is_an_object(store: ObjectStore, tmp_path: Path) -> None:
    store.write("a/empty", b"")
    assert _read(store, "a/empty", tmp_path / "copy") == b""


def test_an_object_that_never_was_cannot_be_read(store: ObjectStore, tmp_path: Path) -> None:
    stored = store.write("a/x", b"first")
    with pytest.raises(IntegrityError):
        store.read(stored.model_copy(update={"key": "a/other"}), tmp_path / "copy")


def test_a_draft_of_a_killed_process_is_removed_when_its_object_is_written_again(
    tmp_path: Path,
) -> None:
    """The object was complete, and the process was killed before it removed the draft."""
    store = LocalStore(tmp_path)
    store.write("a/x", b"first")
    left = tmp_path / "a" / ".draft-killed"
    left.mkdir()
    (left / "content").hardlink_to(tmp_path / "a" / "x")
    store.write("a/x", b"first")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]


def test_an_s3_address_has_a_bucket(versioned_bucket: str) -> None:
    assert S3Store(f"s3://{versioned_bucket}/a/").address == f"s3://{versioned_bucket}/a"
    with pytest.raises(SpecError, match="cannot read an S3 address"):
        S3Store("s3:///prefix")


def test_a_bucket_that_is_not_there_is_named(s3_environment: None) -> None:
    with pytest.raises(Unavailable, match="NoSuchBucket") as raised:
        list(S3Store("s3://missing-bucket").list("a/"))
    assert "s3://missing-bucket" in raised.value.where


def test_an_s3_that_is_away_is_unavailable(
    s3_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AWS_ENDPOINT_URL", "http://127.0.0.1:9"
    )  # the discard port: nothing listens
    with pytest.raises(Unavailable) as raised:
        list(S3Store("s3://bucket", timeout_s=1).list("a/"))
    assert "127.0.0.1:9" in raised.value.where
    assert raised.value.exit_code == 5


def test_an_s3_that_never_answers_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel accepts the connection, and no process reads from it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "someone")
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        store = S3Store("s3://bucket", timeout_s=0.1)
        with pytest.raises(Unavailable, match=r"timeout|timed out"):
            list(store.list("a/"))


def test_all_attempts_end_within_fifteen_seconds() -> None:
    config = S3Store("s3://bucket").client.meta.config
    assert config.connect_timeout == config.read_timeout
    attempts = config.retries["total_max_attempts"]
    pauses_s = sum(2**number for number in range(attempts - 1))
    assert attempts * config.read_timeout + pauses_s <= 15
