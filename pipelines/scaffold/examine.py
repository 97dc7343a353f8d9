"""Examines a file once, and answers questions about it as often as answers change."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipelines.core.errors import SpecError
from pipelines.core.files import working_folder
from pipelines.data.ingest.reading import TOLERATED, ReadOptions
from pipelines.data.paths import database_path
from pipelines.scaffold.answers import Answers, Guess
from pipelines.scaffold.declaration import Proposal
from pipelines.scaffold.profile import FileProfile, read_profile
from pipelines.scaffold.roles import guess_roles
from pipelines.scaffold.shape import PointKind, choose_shape
from pipelines.spec.fields import ColumnType


@dataclass(frozen=True)
class Examined:
    """A file whose rows are in a database for as long as it is open.

    Arguments:
        connection: DuckDB connection with the table ``rows``.
        profile: profile of the file.
    """

    connection: Any
    profile: FileProfile

    def propose(self, name: str, stream: str, table: str | None, answers: Answers) -> Proposal:
        """The proposal of a model.

        Arguments:
            name: of the model.
            stream: of its stream.
            table: the table in PostgreSQL that the events stay in; ``None`` for a file.
            answers: what a person has answered.

        Raises:
            DataError: when the file has no time, no number, or less than eight weeks.
            SpecError: when an answer does not fit the file, or a table has no entity.
        """
        roles = guess_roles(self.connection, self.profile, answers)
        if table is not None and not roles.entity.value:
            raise SpecError(
                "a table without an entity has no column for the key of its series",
                got=table,
                wanted="an entity, named with --entity, or a column with one value in every row",
                hint="declare a view that has such a column, and name it with --entity",
            )
        shape = choose_shape(self.connection, self.profile, roles, answers)
        return Proposal(name, stream, table, self.profile, roles, shape)


@contextmanager
def examined(
    file: Path, how: ReadOptions, kinds: Mapping[str, ColumnType] | None = None
) -> Iterator[Examined]:
    """Reads a file into a temporary database.

    Arguments:
        file: CSV with a header or Parquet; may be compressed.
        how: zone, encoding, delimiter and decimal separator.
        kinds: the types of the columns, if the file is a copy of a table.

    Raises:
        DataError: when the file cannot be read, or has no row.
        SpecError: when an option has an impossible value.
        TimeError: when a zone is unknown.
    """
    with (
        working_folder("gauntlet-init-") as work,
        duckdb.connect(database_path(work / "rows.duckdb")) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET memory_limit = '1GB'")
        yield Examined(connection, read_profile(connection, file, how, work, kinds))


def guesses(proposal: Proposal) -> dict[str, Guess]:
    """The guesses of a proposal by the role that they are about."""
    roles, shape = proposal.roles, proposal.shape
    return {
        "event_time": roles.event_time,
        "known_time": roles.known_time,
        "entity": roles.entity,
        "id": roles.id,
        "label": roles.label,
        **({"aggregate": roles.aggregate} if shape.kind is PointKind.GRID else {}),
        "horizon": shape.horizon,
        "train": shape.train,
    }


def next_steps(proposal: Proposal, source: str) -> Iterator[str]:
    """The commands that lead from the declaration to a first version.

    Arguments:
        proposal: of the model.
        source: the address of the events as a person typed it.
    """
    if proposal.table is None:
        copied = source if Path(source).is_file() else f"<a copy of {source}>"
        yield shlex.join(["gauntlet", "import", proposal.name, proposal.stream]) + (
            f" {shlex.quote(copied)} {shlex.join(import_options(proposal))}".rstrip()
        )
    as_of = f"--as-of {day_after(proposal.shape.newest)}"
    yield f"gauntlet check {proposal.name} {as_of}"
    yield f"gauntlet retrain {proposal.name} {as_of}"


def import_options(proposal: Proposal) -> list[str]:
    """The options with which ``import`` reads the file as its profile was read."""
    roles, how, options = proposal.roles, proposal.profile.how, list[str]()
    for column in proposal.profile.columns:
        reading = column.reading
        if reading.source != reading.name:
            options += ["--column", f"{reading.name}={reading.source}"]
        if reading.time_format is not None:
            options += ["--time-format", f"{reading.name}={reading.time_format}"]
        for text in reading.missing:
            options += ["--missing", f"{reading.name}={text}"]
        if column.is_time and not column.zoned:
            options += ["--zone", f"{reading.name}={reading.zone}"]
    if not roles.entity.value:
        options += ["--constant", f"{roles.keys[0]}=all"]
    if how.decimal != ".":
        options += ["--decimal", how.decimal]
    for option, value in (("--encoding", how.encoding), ("--delimiter", how.delimiter)):
        options += [option, value] if value is not None else []
    if proposal.profile.refused:
        options += ["--reject", "rejected.csv"]
        share = proposal.profile.refused_share
        if share > TOLERATED:
            options += ["--tolerate", f"{math.ceil(share * 100) / 100:g}"]
    return options


def notes(proposal: Proposal) -> Iterator[str]:
    """What the file does not say and a person has to decide."""
    profile = proposal.profile
    if profile.refused:
        yield (
            f"{profile.refused:,} rows have too few or too many fields, or a value that cannot be "
            "read; the import writes them to rejected.csv"
        )
    if profile.left_out:
        names = ", ".join(profile.left_out)
        yield f"no declaration can have these columns, and they are left out: {names}"
    for column in proposal.profile.columns:
        chosen = column.reading.time_format
        others = [one or "ISO 8601" for one in column.formats if one != chosen]
        if others:
            yield (
                f"the times of {column.name} are read as {chosen or 'ISO 8601'}, and could be "
                f"{' or '.join(others)}"
            )
        if column.is_time and not column.zoned:
            yield (
                f"the times of {column.name} have no zone and are read on the clock of "
                f"{column.reading.zone}; --zone names another"
            )


def day_after(newest: datetime) -> str:
    """The day after an instant, in UTC, as ``--as-of`` takes it."""
    return f"{newest + timedelta(days=1):%Y-%m-%d}"
