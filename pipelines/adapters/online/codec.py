"""Encoding of feature view rows as bytes, shared by all online stores.

A row is its schema number (1 byte), two instants (16 bytes) and its values as JSON. A key is JSON
as well, so that ``1``, ``1.0``, ``True`` and ``"1"`` are four keys. A datetime is
``{"us": <microseconds since 1970>}``. Numbers are read exactly as they were stored. The state of a
view is a JSON object with a schema number; readers ignore unknown keys.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NoReturn

from pipelines.core.errors import DataError, IntegrityError, StaleEvidenceError
from pipelines.core.formats import SCHEMA, check_schema_number
from pipelines.core.time import epoch_us, from_epoch_us, instant_text
from pipelines.features.online.store import Key, OnlineRow, Value, ViewState

ROW_SCHEMA = STATE_SCHEMA = 1
_HEAD = struct.Struct(">Bqq")
UNREADABLE = (ValueError, TypeError, KeyError, OverflowError, struct.error)
_WANTED = "str, int, float, bool, datetime with a zone, or (as a value) None; no NaN"


def key_bytes(key: Key) -> bytes:
    """Encode the key of an entity.

    Equal instants have the same encoding in every zone, and so do -0.0 and 0.0.

    Raises:
        DataError: when a part of the key has an unsupported type, is missing, or is NaN.
    """
    if None in key:
        _refuse(key)
    return _bytes([part + 0.0 if isinstance(part, float) else part for part in key])


def row_bytes(row: OnlineRow, width: int) -> bytes:
    """Encode a row without its key.

    Arguments:
        row: the row.
        width: expected number of values.

    Raises:
        DataError: when the number of values differs, or a value has an unsupported type.
    """
    if len(row.values) != width:
        raise DataError(
            "a row does not fit its view",
            where=f"entity {row.key}",
            got=f"{len(row.values)} values",
            wanted=f"one for each of the {width} definitions",
        )
    head = _HEAD.pack(ROW_SCHEMA, epoch_us(row.event_time), epoch_us(row.written_at))
    return head + _bytes(row.values)


def row_of(key: Key, stored: bytes, where: str) -> OnlineRow:
    """Decode a row that ``row_bytes`` encoded.

    Raises:
        FormatError: when a newer release wrote the row.
        IntegrityError: when the bytes are not a valid row.
    """
    try:
        schema, event, written = _HEAD.unpack_from(stored)
        if schema != ROW_SCHEMA:
            check_schema_number(schema, ROW_SCHEMA, "a stored row", f"{where}, entity {key}")
        values, _end = _decode(stored[_HEAD.size :].decode("utf-8", "surrogatepass"))
        return OnlineRow(key, tuple(values), from_epoch_us(event), from_epoch_us(written))
    except UNREADABLE as cause:
        raise IntegrityError(
            "a stored row cannot be read",
            where=f"{where}, entity {key}",
            got=repr(stored[:80]),
            wanted="a row as a materialization writes it",
            hint="materialize with --force: it writes all rows anew",
        ) from cause


def state_text(state: ViewState) -> str:
    """Encode the state of a view as JSON."""
    return json.dumps(
        {
            SCHEMA: STATE_SCHEMA,
            "name": state.name,
            "as_of_us": epoch_us(state.as_of),
            "written_us": epoch_us(state.written_at),
            "definitions": state.definitions,
        }
    )


def state_of(text: str | bytes, where: str) -> ViewState:
    """Decode a state that ``state_text`` encoded.

    Raises:
        FormatError: when a newer release wrote the state.
        IntegrityError: when the text is not a valid state.
    """
    try:
        held = json.loads(text)
        check_schema_number(held[SCHEMA], STATE_SCHEMA, "the state of a stored view", where)
        return ViewState(
            name=held["name"],
            as_of=from_epoch_us(held["as_of_us"]),
            written_at=from_epoch_us(held["written_us"]),
            definitions=tuple(held["definitions"]),
        )
    except UNREADABLE as cause:
        raise damaged_state(where, text) from cause


def damaged_state(where: str, got: str | bytes) -> IntegrityError:
    """The error for a view state that cannot be read."""
    return IntegrityError(
        "the state of a stored view cannot be read",
        where=where,
        got=repr(got[:80]),
        wanted="a state as a materialization writes it",
        hint="empty the store (SQLite: remove the file; Redis: remove the keys gauntlet:online*), "
        "then materialize again: all in it comes from the events",
    )


def begins_anew(state: ViewState, gone: Iterable[Key] | None, replaces: ViewState | None) -> bool:
    """Whether a write contains all rows of the view, so that the stored rows are dropped."""
    return gone is None or replaces is None or replaces.definitions != state.definitions


def check_state(stored: ViewState | None, replaces: ViewState | None, where: str) -> None:
    """Check that the stored state is the one that a write replaces (compare-and-swap).

    Raises:
        StaleEvidenceError: when the stored state is not the one that the write was computed from.
    """
    if stored != replaces:
        raise StaleEvidenceError(
            "another materialization of the view was written meanwhile",
            where=where,
            got=_state_text(stored),
            wanted=_state_text(replaces),
            hint="materialize again: it starts from what is stored now",
        )


def _state_text(state: ViewState | None) -> str:
    if state is None:
        return "nothing stored"
    times = f"as of {instant_text(state.as_of)}, written {instant_text(state.written_at)}"
    return f"{times}, {len(state.definitions)} definitions"


def _bytes(values: Sequence[Value]) -> bytes:
    try:
        text = _encode(values)
    except TypeError:
        _refuse(values)
    # A string may contain "NaN"; a number must not be NaN.
    if "NaN" in text and any(value != value for value in values):  # noqa: PLR0124
        _refuse(values)
    # Strings in Python can hold lone surrogates, which UTF-8 cannot encode.
    return text.encode("utf-8", "surrogatepass")


def _other(value: object) -> dict[str, int]:
    """Encode a datetime, which JSON has no type for."""
    if isinstance(value, datetime):
        return {"us": epoch_us(value)}
    raise TypeError


def _read(found: dict[str, Any]) -> datetime:
    return from_epoch_us(found["us"])


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_other).encode
_decode = json.JSONDecoder(object_hook=_read).raw_decode


def _refuse(values: Sequence[object]) -> NoReturn:
    raise DataError(
        "a value cannot be stored online",
        got=", ".join(f"{value!r} ({type(value).__name__})" for value in values),
        wanted=_WANTED,
    )
