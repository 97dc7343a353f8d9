"""Reads Parquet files with Arrow into a few types that DuckDB holds exactly.

Every type that is accepted here has a test that compares its values with a second reader. Decimals
and uint64 become exact text, because DuckDB holds at most 38 digits and reads decimals with more
digits wrongly; other types that it cannot hold are refused by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pyarrow.types as pt

from pipelines.core.errors import DataError
from pipelines.data.ingest.batches import BATCH_ROWS, Form, Opened, SourceColumn, batch_schema
from pipelines.data.ingest.columns import every_column, find_columns
from pipelines.data.ingest.reading import ColumnReading

pc: Any = pyarrow.compute


def open_parquet(path: Path, readings: Sequence[ColumnReading] | None, where: str) -> Opened:
    """Opens a Parquet file.

    Arguments:
        path: an uncompressed Parquet file.
        readings: how each declared column is read; ``None`` reads every column whose type can be
            imported, except for bytes that are mostly no text, such as keys and geometries.
        where: stream and file, for errors.

    Raises:
        DataError: when it cannot be read, or does not have the declared columns, or a column has a
            type whose values cannot be held exactly.
    """
    try:
        file = pq.ParquetFile(path, coerce_int96_timestamp_unit="us")
        schema = file.schema_arrow
        wanted_columns = readings
        if wanted_columns is None:
            held = [one for one in schema if _can_be_held(one, where) and _is_readable(file, one)]
            wanted_columns = every_column([one.name for one in held])
    except (pa.ArrowException, OSError) as cause:
        raise _unreadable(where, cause) from cause
    found = find_columns(schema.names, wanted_columns, where)
    sources: dict[str, SourceColumn] = {}
    for declared, positions in found.items():
        fields = [schema.field(at) for at in positions]
        if len(fields) == 1:
            sources[declared] = _source(fields[0], where)
        else:
            for one in fields:
                _check_can_join(one, where)
            sources[declared] = SourceColumn(Form.TEXT, type_name="joined columns")
    names = {at: schema.names[at] for positions in found.values() for at in positions}
    wanted = [[names[at] for at in positions] for positions in found.values()]
    return Opened(
        row_word="row",
        blank_is_missing=False,
        sources=sources,
        batches=_batches(file, wanted, sources, where),
    )


def _batches(
    file: pq.ParquetFile, wanted: list[list[str]], sources: dict[str, SourceColumn], where: str
) -> Iterator[pa.RecordBatch]:
    schema, first = batch_schema(sources), 1
    columns = sorted(set(itertools.chain.from_iterable(wanted)))
    batches = file.iter_batches(BATCH_ROWS, columns=columns)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            count = batch.num_rows
            broken: list[str | None] = [None] * count
            arrays = []
            for names, source in zip(wanted, sources.values(), strict=True):
                parts = [batch.column(batch.schema.get_field_index(name)) for name in names]
                if source.form is Form.TEXT:
                    parts = [
                        _text(part, name, broken) for part, name in zip(parts, names, strict=True)
                    ]
                    arrays.append(pc.binary_join_element_wise(*parts, " "))
                else:
                    arrays.append(_plain(parts[0], source))
        except (pa.ArrowException, OSError) as cause:
            raise _unreadable(where, cause) from cause
        yield pa.record_batch(
            [
                pa.array(range(first, first + count), pa.int64()),
                pa.array(broken, pa.string()),
                *arrays,
            ],
            schema=schema,
        )
        first += count


def _can_be_held(field: pa.Field[Any], where: str) -> bool:
    try:
        _source(field, where)
    except DataError:
        return False
    return True


def _is_readable(file: pq.ParquetFile, field: pa.Field[Any]) -> bool:
    """Whether at least half of the first values can be read; bytes may be text or not."""
    if not _is_bytes(_value_type(field.type)):
        return True
    for batch in file.iter_batches(BATCH_ROWS, columns=[field.name]):
        values = batch.column(0)
        if there := len(values) - values.null_count:
            broken: list[str | None] = [None] * len(values)
            _text(values, field.name, broken)
            return 2 * (len(values) - broken.count(None)) <= there
    return True


def _source(field: pa.Field[Any], where: str) -> SourceColumn:
    """The form of a column's values.

    Raises:
        DataError: for a type whose values cannot be held exactly.
    """
    arrow, name = _value_type(field.type), str(field.type)
    if pt.is_timestamp(arrow):
        return SourceColumn(Form.INSTANT if arrow.tz is not None else Form.WALL, arrow.unit, name)
    if pt.is_date(arrow):
        return SourceColumn(Form.WALL, "days", name)
    for form, fits in _FORMS.items():
        if fits(arrow):
            return SourceColumn(form, type_name=name)
    raise DataError(
        f"column {field.name!r} has a type that cannot be imported",
        where=where,
        got=name,
        wanted="text, a number, true or false, a date, or a timestamp",
        hint="write the column as one of these types",
    )


def _value_type(arrow: pa.DataType) -> pa.DataType:
    if pt.is_dictionary(arrow):
        return _value_type(arrow.value_type)
    if isinstance(arrow, pa.BaseExtensionType) and str(arrow.extension_name) == "arrow.json":
        return _value_type(arrow.storage_type)
    return arrow


def _is_uuid(arrow: pa.DataType) -> bool:
    return isinstance(arrow, pa.BaseExtensionType) and str(arrow.extension_name) == "arrow.uuid"


def _is_text(arrow: pa.DataType) -> bool:
    return (
        pt.is_string(arrow)
        or pt.is_large_string(arrow)
        or pt.is_string_view(arrow)
        or _is_bytes(arrow)
        or _is_uuid(arrow)
    )


def _is_bytes(arrow: pa.DataType) -> bool:
    return (
        pt.is_binary(arrow)
        or pt.is_large_binary(arrow)
        or pt.is_binary_view(arrow)
        or pt.is_fixed_size_binary(arrow)
    )


_FORMS: dict[Form, Callable[[Any], bool]] = {
    Form.EMPTY: pt.is_null,
    Form.TEXT: _is_text,
    Form.TRUTH: pt.is_boolean,
    Form.DIGITS: lambda arrow: pt.is_decimal(arrow) or pt.is_uint64(arrow),
    Form.WHOLE: pt.is_integer,
    Form.NUMBER: pt.is_floating,
}


def _plain(values: Any, source: SourceColumn) -> Any:
    """An Arrow array in the type of its form."""
    values = _decoded(values)
    if source.form is Form.DIGITS:
        return _digits(values)
    if source.form in (Form.INSTANT, Form.WALL):
        if source.unit == "days":
            return values.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
        return values.cast(pa.int64())
    if source.form is Form.NUMBER:
        return values.cast(pa.float64())
    if source.form is Form.WHOLE:
        return values.cast(pa.int64())
    return values.cast(pa.bool_() if source.form is Form.TRUTH else pa.string())


def _decoded(values: Any) -> Any:
    if pt.is_dictionary(values.type):
        words = values.dictionary
        if pt.is_string_view(words.type) or pt.is_binary_view(words.type):
            words = words.cast(pa.large_binary())
        return pa.DictionaryArray.from_arrays(values.indices, words).dictionary_decode()
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _digits(values: Any) -> Any:
    text = values.cast(pa.string())
    if not pc.any(pc.match_substring(text, "E")).as_py():
        return text
    return pa.array([one if one is None else format(one, "f") for one in values.to_pylist()])


def _check_can_join(field: pa.Field[Any], where: str) -> None:
    arrow = _value_type(field.type)
    if not (_is_text(arrow) or pt.is_date(arrow) or pt.is_time(arrow)):
        raise DataError(
            f"column {field.name!r} cannot be joined with another",
            where=where,
            got=str(field.type),
            wanted="text, a date or a time of day",
        )


def _text(values: Any, name: str, broken: list[str | None]) -> Any:
    """A column as text; rows whose bytes are not UTF-8 get a problem in ``broken``."""
    if _is_uuid(values.type):
        return pa.array([None if one is None else str(one) for one in values.to_pylist()])
    values = _decoded(values)
    if pt.is_date(values.type):
        return values.cast(pa.date32()).cast(pa.string())
    if pt.is_time(values.type):
        return values.cast(pa.string())
    if not (pt.is_string(values.type) or pt.is_large_string(values.type)):
        values = values.cast(pa.large_binary())
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        for at, one in enumerate(values.to_pylist()):
            try:
                texts.append(None if one is None else one.decode())
            except UnicodeDecodeError:
                texts.append(None)
                broken[at] = f"column {name!r} has bytes that are not UTF-8 text"
        return pa.array(texts, pa.string())


def _unreadable(where: str, cause: Exception) -> DataError:
    return DataError(
        "a Parquet file cannot be read",
        where=where,
        got=str(cause).splitlines()[0] if str(cause) else type(cause).__name__,
        hint="write the file again",
    )
