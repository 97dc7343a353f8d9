"""Compressed files and archives, whatever their names say."""

import bz2
import gzip
import io
import lzma
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError
from tests.support.imports import Imports

HEAD = "sale,shop,units,price,sold_at,told_at\n"
GOOD = (
    HEAD + "s1,north,3,1.5,2026-01-05T10:00:00Z,2026-01-05T11:00:00Z\n"
    "s2,south,,2,2026-01-05T12:00:00+02:00,2026-01-06T00:00:00.25Z\n"
    "s3,south,4.0,,2026-01-06 09:00 +00:00,2026-01-06 09:30Z\n"
)


def test_packed_files_parquet_and_other_names(imports: Imports, tmp_path: Path) -> None:
    imports.run(imports.file(gzip.compress(GOOD.encode()), "sales.csv.gz"))
    zoned = pa.timestamp("ms", "Europe/Lisbon")
    table = pa.table(
        {
            "Sale No": ["s8", "s9"],
            "shop": pa.array(["east", None]),
            "units": pa.array([1, 2], pa.int32()),
            "price": pa.array([1, 2], pa.int8()),
            "at": pa.array([datetime(2026, 2, 1, tzinfo=UTC)] * 2, zoned),
            "told_at": ["2026-02-01T00:00:00Z", "2026-02-01T00:00:01Z"],
            "another": [1, 2],
        }
    )
    pq.write_table(table, tmp_path / "plain.parquet")
    names = {"sale": "Sale No", "sold_at": "at"}
    assert imports.run(tmp_path / "plain.parquet", columns=names).written == 2
    packed = imports.file(
        gzip.compress((tmp_path / "plain.parquet").read_bytes()), "packed.parquet.gz"
    )
    assert imports.run(packed, columns=names).already_there == 2
    assert [row["sale"] for row in imports.rows()] == ["s1", "s2", "s3", "s8", "s9"]


@pytest.mark.parametrize("suffix", ["bz2", "xz", "zst", "zip"])
def test_compressed_files(imports: Imports, suffix: str) -> None:
    plain = imports.parquet(sale=["p"]).read_bytes()
    imports.run(
        imports.file(_packed(GOOD.encode(), suffix), f"a.csv.{suffix}"),
        imports.file(_packed(plain, suffix), f"b.{suffix}"),
    )
    assert [row["sale"] for row in imports.rows()] == ["p", "s1", "s2", "s3"]
    damaged = _packed(GOOD.encode() * 50, suffix)[:-30]
    with pytest.raises(DataError, match="damaged"):
        imports.run(imports.file(damaged, f"c.csv.{suffix}"))


def _packed(content: bytes, suffix: str) -> bytes:
    if suffix == "zip":
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("folder/sales", content)
        return target.getvalue()
    if suffix == "zst":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        return sink.getvalue().to_pybytes()
    return bz2.compress(content) if suffix == "bz2" else lzma.compress(content)


@pytest.mark.parametrize("names", [["a.csv", "b.csv"], ["[Content_Types].xml", "a"], []])
def test_an_archive_of_several_files_is_refused(imports: Imports, names: list[str]) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, GOOD)
    content = target.getvalue() if names else b"Obj\x01avro"
    with pytest.raises(DataError):
        imports.run(imports.file(content, "x.zip"))
