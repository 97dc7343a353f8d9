"""Opens external files: recognises Parquet and compression by their first bytes, not by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from pipelines.core.errors import DataError

DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)
_PARQUET, _ENCRYPTED = b"PAR1", b"PARE"
_JSON = re.compile(rb'\{["\s]|\[\s*[{\s]')  # not a header such as [id],[name]
_ZIP = b"PK\x03\x04"
_OTHERS = {
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"ARRO": "an Arrow file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"<?xm": "XML",
    b"<htm": "a page of HTML",
    b"<!DO": "a page of HTML",
    b"%PDF": "a PDF document",
}


@contextmanager
def opened(file: Path) -> Iterator[tuple[IO[bytes], bytes]]:
    """The content of a file, uncompressed, and its first four bytes.

    Arguments:
        file: may be compressed with gzip, bzip2, xz or zstd, or be a ZIP archive of one file.

    Raises:
        DataError: when it is damaged, or of a kind that cannot be imported.
    """
    with file.open("rb") as raw, _unpacked(raw, file) as content:
        try:
            head = content.peek(4)[:4]
        except DAMAGED as cause:
            raise damaged(file, cause) from cause
        if _JSON.match(head):
            raise _other(file, "JSON")
        for start, kind in _OTHERS.items():
            if head.startswith(start):
                raise _other(file, kind)
        yield cast("IO[bytes]", content), head


def is_parquet(head: bytes, file: Path) -> bool:
    """Whether a file is Parquet, by its first four bytes.

    Raises:
        DataError: when it is encrypted Parquet.
    """
    if head == _ENCRYPTED:
        raise _other(file, "an encrypted Parquet file")
    return head == _PARQUET


def seekable(content: IO[bytes], file: Path, work: Path) -> Path:
    """The path of the uncompressed content: the file itself, or a copy in the folder ``work``."""
    with file.open("rb") as raw:
        if raw.read(4) == _PARQUET:
            return file
    path = work / "unpacked.parquet"
    try:
        with path.open("wb") as target:
            shutil.copyfileobj(content, target, 1 << 20)
    except DAMAGED as cause:
        if isinstance(cause, OSError) and cause.errno is not None:
            raise
        raise damaged(file, cause) from cause
    return path


def damaged(file: Path, cause: Exception) -> DataError:
    """The error for a compressed file that cannot be read to its end."""
    return DataError("a compressed file is damaged", where=str(file), got=str(cause))


@contextmanager
def _unpacked(raw: IO[bytes], file: Path) -> Iterator[io.BufferedReader]:
    head = raw.read(6)
    raw.seek(0)
    for start, open_inner in _COMPRESSED.items():
        if head.startswith(start):
            try:
                inner = open_inner(raw, file)
            except DAMAGED as cause:
                raise damaged(file, cause) from cause
            with io.BufferedReader(inner, 1 << 20) as content:
                yield content
            return
    yield cast("io.BufferedReader", raw)


def _only_member(raw: IO[bytes], file: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(raw)
    names = [one.filename for one in archive.infolist() if not one.is_dir()]
    if "[Content_Types].xml" in names:
        raise _other(file, "an Excel workbook")
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise DataError(
            "a ZIP archive does not hold exactly one file",
            where=str(file),
            got=f"{len(names)} files",
            hint="unpack it, and import its files",
        )
    return archive.open(names[0])


def _zstd(raw: Any, _: Path) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")


_COMPRESSED: dict[bytes, Callable[[Any, Path], Any]] = {
    b"\x1f\x8b": lambda raw, _: gzip.GzipFile(fileobj=raw),
    b"BZh": lambda raw, _: bz2.BZ2File(raw),
    b"\xfd7zXZ\x00": lambda raw, _: lzma.LZMAFile(raw),  # noqa: SIM115 - closed by its reader
    b"\x28\xb5\x2f\xfd": _zstd,
    _ZIP: _only_member,
}


def _other(file: Path, kind: str) -> DataError:
    return DataError(
        "a file is of a kind that cannot be imported",
        where=str(file),
        got=kind,
        wanted="CSV or Parquet",
        hint="save it as CSV or Parquet",
    )
