"""SQL that reads times of external files as UTC instants, and names what is wrong with the others.

Times are kept to the microsecond; a finer part is cut off.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pipelines.core.time import epoch_us
from pipelines.data.canonical import EARLIEST_TIME, LATEST_TIME, literal
from pipelines.data.ingest.batches import Form, SourceColumn
from pipelines.data.ingest.reading import EPOCHS, ColumnReading, ReadOptions

DATE = r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})"
ISO = (
    rf"^{DATE}(?:[T ](\d{{1,2}}:\d{{2}})(:\d{{2}})?(?:[.,](\d{{1,6}})\d*)?)?"
    r"\s*(?:([Zz]|UTC|GMT)|([+-])(\d{2}):?(\d{2})?)?$"
)
_PARTS = ("y", "m", "d", "time", "seconds", "fraction", "utc", "sign", "hours", "minutes")
_US = {"s": 1_000_000, "ms": 1_000, "us": 1, "days": 86_400_000_000}
_EPOCH_US = {"s": "1000000", "ms": "1000", "us": "1", "ns": "0.001", "days": "86400000000"}
_FIRST, _LAST = epoch_us(EARLIEST_TIME), epoch_us(LATEST_TIME)
_YEARS = f"in the years {EARLIEST_TIME.year} to {LATEST_TIME.year}"
_RANGE = f"the time is not {_YEARS}"


def parsed_time(s: str, source: SourceColumn, reading: ColumnReading) -> str:
    """SQL of the struct ``wall, shift``: a time as written, and its offset from UTC, or NULL.

    Both are NULL where the time cannot be read. ``shift`` is an interval; NULL without a zone.
    """
    if source.form in (Form.INSTANT, Form.WALL):
        shift = "INTERVAL 0 SECOND" if source.form is Form.INSTANT else "NULL::INTERVAL"
        return f"{{'wall': {_from_units(s, source.unit)}, 'shift': {shift}}}"
    form = reading.time_format
    if form in EPOCHS:
        wall = _from_epoch(s, form.removeprefix("epoch_"), exact=source.form is not Form.NUMBER)
        return f"{{'wall': {wall}, 'shift': INTERVAL 0 SECOND}}"
    if form:
        parsed = f"try_strptime(trim({_digits(s, source)}), {literal(form)})"
        zoned = "%z" in form or "%Z" in form
        wall = f"make_timestamp(epoch_us({parsed}))" if zoned else f"{parsed}::TIMESTAMP"
        shift = "INTERVAL 0 SECOND" if zoned else "NULL::INTERVAL"
        return f"{{'wall': {wall}, 'shift': {shift}}}"
    names = ", ".join(literal(part) for part in _PARTS)
    parts = f"regexp_extract(trim({s}), {literal(ISO)}, [{names}])"
    wall = (
        "try_cast(p.y || '-' || p.m || '-' || p.d || ' ' || "
        "CASE WHEN p.time = '' THEN '00:00' ELSE p.time END || "
        "CASE WHEN p.seconds = '' THEN ':00' ELSE p.seconds END || "
        "CASE WHEN p.fraction = '' THEN '' ELSE '.' || p.fraction END AS TIMESTAMP)"
    )
    offset = (
        "CASE WHEN p.utc <> '' THEN INTERVAL 0 SECOND "
        "WHEN p.sign <> '' AND try_cast(p.hours AS INTEGER) <= 18 "
        "AND coalesce(try_cast(p.minutes AS INTEGER), 0) < 60 THEN "
        "to_minutes((CASE p.sign WHEN '-' THEN -1 ELSE 1 END * (60 * try_cast(p.hours AS INTEGER) "
        "+ coalesce(try_cast(p.minutes AS INTEGER), 0)))::INTEGER) END"
    )
    bad_offset = f"p.sign <> '' AND ({offset}) IS NULL"
    struct = f"{{'wall': CASE WHEN NOT ({bad_offset}) THEN {wall} END, 'shift': {offset}}}"
    return f"list_transform([{parts}], lambda p: {struct})[1]"


def _digits(s: str, source: SourceColumn) -> str:
    """SQL of a number's digits, for dates such as 20260131; a text is left as it is."""
    if source.form is Form.NUMBER:
        return f"CASE WHEN {s} = trunc({s}) THEN try_cast({s} AS BIGINT)::VARCHAR END"
    return f"{s}::VARCHAR"


def time_value(p: str, reading: ColumnReading, how: ReadOptions) -> str:
    """SQL of the instant, UTC without a zone, of a struct of ``parsed_time``; NULL when wrong."""
    local = f"CASE WHEN {_in_range(f'{p}.wall')} THEN {p}.wall END"
    there = _from_wall_clock("w.wall", reading.zone, how)
    value = f"CASE WHEN w.shift IS NOT NULL THEN w.wall - w.shift ELSE {there} END"
    given = f"[{{'wall': {local}, 'shift': {p}.shift}}]"
    instant = f"list_transform({given}, lambda w: {value})"
    return f"list_transform({instant}, lambda v: CASE WHEN {_in_range('v')} THEN v END)[1]"


def time_problem(p: str, source: SourceColumn, reading: ColumnReading) -> str:
    """SQL of the problem of a time that has no value."""
    wanted = f"not a time as {reading.time_format}"
    if source.form in (Form.INSTANT, Form.WALL):
        wanted = _RANGE
    elif reading.time_format is None:
        wanted = (
            f"not an ISO 8601 time that exists, {_YEARS}; --time-format names another format, "
            "such as %d/%m/%Y %H:%M or epoch_s"
        )
    naive = f"{p}.shift IS NULL"
    lines = [f"WHEN {p}.wall IS NULL THEN {literal(wanted)}"]
    lines.append(f"WHEN NOT {_in_range(f'{p}.wall')} THEN {literal(_RANGE)}")
    if reading.zone is None:
        no_zone = "the time has no zone: name it with --zone, such as Europe/Berlin or UTC"
        lines.append(f"WHEN {naive} THEN {literal(no_zone)}")
    else:
        zone = reading.zone
        one, two = _candidates(f"{p}.wall", zone)
        skipped = (
            f"the clock of {zone} skips this hour; --nonexistent forward reads it"
            f"{_standard_time(zone)}"
        )
        lines.append(
            f"WHEN {naive} AND ({one}) IS NULL AND ({two}) IS NULL THEN {literal(skipped)}"
        )
        twice = f"the clock of {zone} shows this hour twice; choose one with --ambiguous"
        lines.append(f"WHEN {naive} AND ({one}) <> ({two}) THEN {literal(twice)}")
    return f"CASE {' '.join(lines)} ELSE {literal(_RANGE)} END"


def _standard_time(zone: str) -> str:
    """A remark on data in standard time all year; empty where it is not a whole hour."""
    january, july = (datetime(2020, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7))
    offset = min(january.utcoffset() or timedelta(), july.utcoffset() or timedelta())
    hours, rest = divmod(offset, timedelta(hours=1))
    if rest:
        return ""
    return f"; for data in standard time all year, --zone Etc/GMT{-hours:+d}"


def _from_units(s: str, unit: str) -> str:
    if unit == "ns":
        us = f"(({s} - (({s} % 1000) + 1000) % 1000) // 1000)"
    else:
        size = _US[unit]
        most = 2**62 // size
        us = f"greatest(least({s}, {most}), {-most}) * {size}"
    return _timestamp(us)


def _from_epoch(s: str, unit: str, *, exact: bool) -> str:
    digits = "26,9" if unit == "days" else "28,9"
    whole = "floor" if exact else "round"
    us = f"{whole}(try_cast({s} AS DECIMAL({digits})) * {_EPOCH_US[unit]})::HUGEINT"
    return f"CASE WHEN try_cast({s} AS DECIMAL({digits})) IS NOT NULL THEN {_timestamp(us)} END"


def _timestamp(us: str) -> str:
    """SQL of a timestamp; one far outside of the range stays outside, so that it can be named."""
    return f"make_timestamp(greatest(least({us}, {_LAST + 1}), {_FIRST - 1})::BIGINT)"


def _in_range(value: str) -> str:
    return f"(epoch_us({value}) BETWEEN {_FIRST} AND {_LAST})"


def _from_wall_clock(local: str, zone: str | None, how: ReadOptions) -> str:
    """SQL of a local time in UTC, by the rules for hours that are skipped or shown twice.

    The offsets of the day before and of the day after are tried. They are equal except near a
    change of the clock, and only there is the clock of the zone looked up again.
    """
    if zone is None:
        return "NULL::TIMESTAMP"
    if zone == "UTC":
        return local
    one, two = (_if_shown(instant, "z.wall", zone) for instant in ("z.before", "z.after"))
    both = {
        "earliest": f"least({one}, {two})",
        "latest": f"greatest({one}, {two})",
        "refuse": f"CASE WHEN ({one}) IS NULL OR ({two}) IS NULL THEN coalesce({one}, {two}) END",
    }[how.ambiguous]
    if how.nonexistent == "forward":
        both = f"coalesce({both}, CASE WHEN ({one}) IS NULL AND ({two}) IS NULL THEN z.before END)"
    tried = (
        f"{{'wall': {local}, 'before': {_with_offset_of_day(local, zone, -1)}, "
        f"'after': {_with_offset_of_day(local, zone, 1)}}}"
    )
    value = f"CASE WHEN z.before = z.after THEN z.before ELSE {both} END"
    return f"list_transform([{tried}], lambda z: {value})[1]"


def _candidates(local: str, zone: str) -> tuple[str, str]:
    """SQL of the instants at which the clock of a zone may show a local time, or NULL."""
    return (
        _if_shown(_with_offset_of_day(local, zone, -1), local, zone),
        _if_shown(_with_offset_of_day(local, zone, 1), local, zone),
    )


def _with_offset_of_day(local: str, zone: str, days: int) -> str:
    """SQL of a local time in UTC with the offset that the zone has some days later."""
    day = f"({local} + INTERVAL ({days}) DAY)"
    return f"({local} - ({_shown(day, zone)} - {day}))"


def _if_shown(instant: str, local: str, zone: str) -> str:
    return f"CASE WHEN {_shown(instant, zone)} = {local} THEN {instant} END"


def _shown(instant: str, zone: str) -> str:
    """SQL of the local time that the clock of a zone shows at a UTC instant."""
    return f"timezone({literal(zone)}, timezone('UTC', {instant}))"


def time_text(s: str, source: SourceColumn) -> str:
    """SQL of a time as text, for messages."""
    if source.form not in (Form.INSTANT, Form.WALL):
        return f"{s}::VARCHAR"
    return f"coalesce(TRY({_raw(s, source.unit)}::VARCHAR), {s}::VARCHAR)"


def _raw(s: str, unit: str) -> str:
    return f"make_timestamp({s} // 1000)" if unit == "ns" else f"make_timestamp({s} * {_US[unit]})"
