"""SQL that reads a source column as a declared type: its value, or the problem of each row."""

# ruff: noqa: S608 - text is quoted by canonical.literal; columns are named by their position

from __future__ import annotations

from dataclasses import dataclass

from pipelines.core.errors import DataError
from pipelines.data.canonical import SQL_TYPES, literal
from pipelines.data.ingest.batches import Form, SourceColumn
from pipelines.data.ingest.reading import ColumnReading, ReadOptions
from pipelines.data.ingest.times import parsed_time, time_problem, time_text, time_value
from pipelines.spec.fields import ColumnType

_WHOLE = r"[+-]?\d+(\.0*)?"
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_TRUE, _FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")
_EXACT_DOUBLE = 2**53
_TEXTS = (Form.TEXT, Form.DIGITS, Form.EMPTY)
_NUMBERS = (Form.DIGITS, Form.WHOLE, Form.NUMBER)
_ACCEPTED = {
    ColumnType.STRING: (Form.TEXT, *_NUMBERS),
    ColumnType.INTEGER: (Form.TEXT, *_NUMBERS),
    ColumnType.FLOAT: (Form.TEXT, *_NUMBERS),
    ColumnType.BOOLEAN: (Form.TEXT, Form.TRUTH, *_NUMBERS),
    ColumnType.TIMESTAMP: (Form.TEXT, Form.INSTANT, Form.WALL),
}


@dataclass(frozen=True)
class Conversion:
    """SQL for one column, in three steps over the source column ``s<n>``.

    Arguments:
        parsed: of ``s<n>``; becomes the column ``p<n>``.
        value: of ``p<n>``; becomes ``v<n>``, NULL where it cannot be read.
        blank: condition on ``s<n>``: there is no value.
        declared: conditions on ``s<n>`` and ``v<n>``: the value is a declared missing text.
        uses: by option, condition on ``s<n>``, ``p<n>`` and ``v<n>``: the value depends on it.
        problem: of ``s<n>`` and ``p<n>``, for rows without a value that are not missing.
        shown: of ``s<n>``: the source value as text, for messages.
    """

    parsed: str
    value: str
    blank: str
    declared: tuple[str, ...]
    uses: dict[str, str]
    problem: str
    shown: str


def conversion(
    number: int,
    source: SourceColumn,
    reading: ColumnReading,
    how: ReadOptions,
    *,
    blank_is_missing: bool,
    where: str,
) -> Conversion:
    """How source column ``s<number>`` becomes a declared column.

    Arguments:
        number: position of the column in the batches.
        source: what the file holds.
        reading: how the column is read.
        how: options for all columns.
        blank_is_missing: whether empty text is a missing value.
        where: stream and file, for errors.

    Raises:
        DataError: when no value of the source's type can be one of the declared type.
    """
    s, p, v = f"s{number}", f"p{number}", f"v{number}"
    _check_fits(source, reading, where)
    if source.form is Form.EMPTY:
        nothing = f"NULL::{SQL_TYPES[reading.kind]}"
        return Conversion(s, nothing, blank="true", declared=(), uses={}, problem="NULL", shown=s)
    if reading.kind is ColumnType.TIMESTAMP:
        parsed = parsed_time(s, source, reading)
        value, problem = time_value(p, reading, how), time_problem(p, source, reading)
    else:
        parsed = _parsed(s, source, reading.kind, how)
        value = _VALUES[reading.kind](p, source.form)
        problem = literal(_problem(source, reading.kind, how))
    blank, declared = _missing(s, v, source, reading, how, blank_is_missing=blank_is_missing)
    uses = {f"--missing {text}": same for text, same in declared.items()}
    uses |= _uses(p, source, reading, how)
    shown = time_text(s, source)
    return Conversion(parsed, value, blank, tuple(declared.values()), uses, problem, shown)


def used_options(reading: ColumnReading, how: ReadOptions) -> list[str]:
    """The options that are declared for a column, as in ``Conversion.uses``."""
    options = [f"--missing {text}" for text in reading.missing]
    options += [f"--zone {reading.zone}"] if reading.zone else []
    options += [f"--time-format {reading.time_format}"] if reading.time_format else []
    options += ["--decimal ,"] if how.decimal == "," else []
    return [*options, f"--thousands {how.thousands}"] if how.thousands else options


def _uses(p: str, source: SourceColumn, reading: ColumnReading, how: ReadOptions) -> dict[str, str]:
    """Conditions for options other than missing texts, where the source's type can need them."""
    uses = {}
    if reading.kind is ColumnType.TIMESTAMP:
        if source.form not in (Form.INSTANT, Form.WALL):
            uses[f"--time-format {reading.time_format}"] = "true"
        uses[f"--zone {reading.zone}"] = f"{p}.wall IS NOT NULL AND {p}.shift IS NULL"
    elif _has_separator(source, reading.kind):
        uses[f"--decimal {how.decimal}"] = uses[f"--thousands {how.thousands}"] = "true"
    return uses


def _has_separator(source: SourceColumn, kind: ColumnType) -> bool:
    """Whether numbers are written with the decimal separator of the options."""
    return kind in (ColumnType.INTEGER, ColumnType.FLOAT) and source.form is Form.TEXT


def _check_fits(source: SourceColumn, reading: ColumnReading, where: str) -> None:
    accepted = _ACCEPTED[reading.kind]
    if reading.time_format:
        accepted = (*accepted, *_NUMBERS)
    if source.form in (*accepted, Form.EMPTY):
        return
    hint = "mend the file, or the declaration"
    if reading.kind is ColumnType.TIMESTAMP and source.form in _NUMBERS:
        hint = (
            f"for times since 1970, add --time-format {reading.name}=epoch_s (or epoch_ms, ...); "
            f"for dates such as 20260131, --time-format {reading.name}=%Y%m%d"
        )
    raise DataError(
        f"column {reading.source!r} is of another type than declared",
        where=where,
        got=source.type_name,
        wanted=reading.kind.value,
        hint=hint,
    )


def _parsed(s: str, source: SourceColumn, kind: ColumnType, how: ReadOptions) -> str:
    if source.form not in _TEXTS or kind is ColumnType.STRING:
        return s
    text = f"trim({s}, {_BLANKS})"
    return _plain_number(text, how) if _has_separator(source, kind) else text


def _plain_number(text: str, how: ReadOptions) -> str:
    """SQL of a number's text with a decimal point and without separators of thousands."""
    if how.thousands:
        separator = _BLANK if how.thousands == " " else f"[{how.thousands}]"
        grouped = rf"[+-]?\d{{1,3}}({separator}\d{{3}})+([{how.decimal}]\d*)?"
        text = (
            f"CASE WHEN regexp_full_match({text}, {literal(grouped)}) "
            f"THEN regexp_replace({text}, {literal(separator)}, '', 'g') ELSE {text} END"
        )
    if how.decimal == ",":
        return f"CASE WHEN NOT contains({text}, '.') THEN replace({text}, ',', '.') END"
    return text


_BLANK = "[ \u00a0\u202f]"  # between groups of digits
_BLANKS = "' ' || chr(9) || chr(160)"


def _string(p: str, form: Form) -> str:
    if form is Form.TEXT:
        return f"CASE WHEN NOT contains({p}, chr(0)) THEN {p} END"
    if form is Form.NUMBER:
        return f"{_integer(p, form)}::VARCHAR"
    if form is Form.DIGITS:
        whole = f"regexp_full_match({p}, {literal(_WHOLE)})"
        return f"CASE WHEN {whole} THEN split_part({p}, '.', 1) END"
    return f"{p}::VARCHAR"


def _integer(p: str, form: Form) -> str:
    if form in _TEXTS:
        whole = f"regexp_full_match({p}, {literal(_WHOLE)})"
        return f"CASE WHEN {whole} THEN try_cast(split_part({p}, '.', 1) AS BIGINT) END"
    if form is Form.NUMBER:
        whole = f"abs({p}) <= {_EXACT_DOUBLE} AND {p} = trunc({p})"
        return f"CASE WHEN {whole} THEN try_cast({p} AS BIGINT) END"
    return p


def _float(p: str, form: Form) -> str:
    number = p if form is Form.NUMBER else f"try_cast({p} AS DOUBLE)"
    if form in _TEXTS:
        number = f"CASE WHEN regexp_full_match({p}, {literal(_NUMBER)}) THEN {number} END"
    # Adding 0 makes a negative zero positive, as it is stored: equal rows have one hash.
    return f"CASE WHEN isfinite({number}) THEN {number} + 0::DOUBLE END"


def _boolean(p: str, form: Form) -> str:
    if form is Form.TRUTH:
        return p
    text = f"lower({p}::VARCHAR)"
    yes, no = (", ".join(literal(word) for word in words) for words in (_TRUE, _FALSE))
    return f"CASE WHEN {text} IN ({yes}) THEN true WHEN {text} IN ({no}) THEN false END"


_VALUES = {
    ColumnType.STRING: _string,
    ColumnType.INTEGER: _integer,
    ColumnType.FLOAT: _float,
    ColumnType.BOOLEAN: _boolean,
}


def _problem(source: SourceColumn, kind: ColumnType, how: ReadOptions) -> str:
    if kind is ColumnType.STRING:
        return "text with a NUL byte" if source.form is Form.TEXT else "not a whole number"
    if kind is ColumnType.INTEGER:
        return "not a whole number of 64 bits"
    if kind is ColumnType.BOOLEAN:
        return "not one of true, false, yes, no, 1, 0"
    if source.form is not Form.TEXT:
        return "not a finite number"
    thousands = f" and {how.thousands!r} between thousands" if how.thousands else ""
    return (
        f"not a finite number with the decimal separator {how.decimal!r}{thousands}; "
        "--decimal and --thousands name others"
    )


def _missing(
    s: str,
    v: str,
    source: SourceColumn,
    reading: ColumnReading,
    how: ReadOptions,
    *,
    blank_is_missing: bool,
) -> tuple[str, dict[str, str]]:
    """SQL that is true for blank text, NaN and NULL; and SQL for each declared missing text.

    A missing text is compared as text, and for types other than text also as the value that it
    stands for: -200.0 is missing where -200 is declared as missing.
    """
    is_text, is_string = source.form is Form.TEXT, reading.kind is ColumnType.STRING
    trimmed = f"trim({s}, {_BLANKS})"
    blank = [f"{s} IS NULL"]
    if source.form is Form.NUMBER:
        blank.append(f"isnan({s})")
    if is_text and not is_string:
        blank.append(f"lower({trimmed}) IN ('', 'nan')")
    if is_text and is_string and blank_is_missing:
        blank.append(f"{s} = ''")
    declared = {}
    for text in reading.missing:
        same = [f"{s} = {literal(text)}"] if is_text and is_string else []
        if not same:
            same = [f"{trimmed} = {literal(text.strip())}"] if is_text else []
            same.append(f"{v} = {_as_value(text, reading, how)}")
        declared[text] = _any(same)
    return _any(blank), declared


def _any(conditions: list[str]) -> str:
    return "(" + " OR ".join(f"coalesce({one}, false)" for one in conditions) + ")"


def _as_value(text: str, reading: ColumnReading, how: ReadOptions) -> str:
    """SQL of the value that a text stands for in a column; NULL for none."""
    of_text, quoted_text = SourceColumn(Form.TEXT), literal(text)
    if reading.kind is ColumnType.TIMESTAMP:
        parsed = parsed_time(quoted_text, of_text, reading)
        value = time_value("p", reading, how)
    else:
        parsed = _parsed(quoted_text, of_text, reading.kind, how)
        value = _VALUES[reading.kind]("p", Form.TEXT)
    return f"(SELECT {value} FROM (SELECT {parsed} AS p))"
