"""What is wrong with the rows of an import: counts, the file of rejected rows, the refusal."""

# ruff: noqa: S608 - nothing of a user's is part of these queries

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from pipelines.core.counts import counted
from pipelines.core.errors import DataError, Unavailable
from pipelines.core.files import atomic_file
from pipelines.core.records import Record
from pipelines.data.ingest.reading import Rejects
from pipelines.data.ingest.staging import StagedFile

_MOST_KINDS = 20
_EXAMPLES = 3
_MISTAKES = (
    "SELECT file, row, unnest(mistakes, recursive := true) FROM staged WHERE mistakes IS NOT NULL"
)


class Mistake(Record):
    """One kind of mistake in a column.

    Arguments:
        column: declared name; ``None`` when the row as a whole cannot be read.
        problem: what is wrong.
        rows: how many rows have it.
        examples: places and values of the first of them.
    """

    column: str | None
    problem: str
    rows: int
    examples: tuple[str, ...]

    @property
    def text(self) -> str:
        """The mistake in one line."""
        examples = "; ".join(self.examples)
        place, rows = self.column or "row", counted(self.rows, "row")
        return f"{place}: {self.problem}; {rows}, such as {examples}"


def find_mistakes(connection: Any, files: Sequence[StagedFile]) -> tuple[Mistake, ...]:
    """Every kind of mistake in the table ``staged``, the most frequent first.

    Arguments:
        connection: DuckDB connection with the table.
        files: the files in the order of their numbers.
    """
    ordered = f"row_number() OVER (PARTITION BY col, problem ORDER BY file, row) <= {_EXAMPLES}"
    rows = connection.execute(
        "SELECT col, problem, count(*), "
        "list({'file': file, 'row': row, 'found': found} ORDER BY file, row) FILTER (WHERE first) "
        f"FROM (SELECT *, {ordered} AS first FROM ({_MISTAKES})) "
        "GROUP BY col, problem ORDER BY 3 DESC, 1, 2"
    ).fetchall()
    return tuple(
        Mistake(
            column=column,
            problem=problem,
            rows=count,
            examples=tuple(_example(files, **one) for one in examples),
        )
        for column, problem, count, examples in rows
    )


def rejected_rows(connection: Any) -> int:
    """How many rows have a mistake."""
    query = "SELECT count(*) FROM staged WHERE mistakes IS NOT NULL"
    return int(connection.execute(query).fetchone()[0])


def write_rejects(connection: Any, files: Sequence[StagedFile], rejects: Rejects) -> None:
    """Writes a CSV file with one line for each mistake: file, row, column, value, problem.

    Raises:
        Unavailable: when the file cannot be written.
    """
    rows = connection.execute(
        f"SELECT file, row, col, found, problem FROM ({_MISTAKES}) ORDER BY file, row, col"
    )
    try:
        with (
            atomic_file(rejects.file) as draft,
            draft.open("w", encoding="utf-8", errors="surrogateescape", newline="") as target,
        ):
            writer = csv.writer(target)
            writer.writerow(("file", "row", "column", "value", "problem"))
            while block := rows.fetchmany(10_000):
                writer.writerows((files[number].file, *rest) for number, *rest in block)
    except OSError as cause:
        raise Unavailable(
            "cannot write the file of rejected rows", where=str(rejects.file), got=str(cause)
        ) from cause


def check_tolerated(
    mistakes: Sequence[Mistake], rejected: int, rows: int, rejects: Rejects | None, where: str
) -> None:
    """Refuses an import with more rejected rows than are tolerated.

    Arguments:
        mistakes: every kind of mistake.
        rejected: rows with a mistake.
        rows: all rows.
        rejects: where rejected rows go; ``None`` tolerates none.
        where: the stream, for the error.

    Raises:
        DataError: with every kind of mistake, and the places of the first rows.
    """
    if not rejected or (rejects and rejected <= rejects.tolerated_share * rows):
        return
    wanted = "every row as declared"
    hint = "mend the rows, or import the others and write these to a file with --reject FILE"
    if rejects:
        wanted = f"at most {rejects.tolerated_share:.4%} of the rows rejected"
        hint = f"they are listed in {rejects.file}; mend them, or raise --tolerate"
    raise DataError(
        f"{rejected:,} of {rows:,} rows cannot be imported; nothing was written",
        where=where,
        got=_described(mistakes),
        wanted=wanted,
        hint=hint,
    )


def _described(mistakes: Sequence[Mistake]) -> str:
    lines = [one.text for one in mistakes[:_MOST_KINDS]]
    if len(mistakes) > _MOST_KINDS:
        lines.append(f"and {len(mistakes) - _MOST_KINDS} other kinds")
    return "\n          ".join(lines)


def _example(files: Sequence[StagedFile], file: int, row: int, found: str | None) -> str:
    value = "" if found is None else f": {found!r}"
    return f"{files[file].file.name} {files[file].row_word} {row}{value}"
