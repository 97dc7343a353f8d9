"""``gauntlet init``: writes the first declaration of a model from a file of its events."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.cli.commands.import_events import Decimal
from pipelines.cli.markup import rich_text
from pipelines.cli.options import Delimiter, Json, model_name
from pipelines.cli.output import answer, complain, console, show_table, spinner
from pipelines.core.errors import DataError, GauntletError, SpecError
from pipelines.core.files import working_folder
from pipelines.settings import Settings
from pipelines.spec.fields import ColumnType
from pipelines.stores import open_store

if TYPE_CHECKING:
    from pipelines.scaffold.answers import Answers
    from pipelines.scaffold.declaration import Proposal
    from pipelines.scaffold.profile import FileProfile

POSTGRES, S3, ONE_SERIES = "postgres:", "s3://", "-"
URL_ENV = "GAUNTLET_POSTGRES_URL"
QUESTIONS = {  # by the field of Answers
    "event_time": "Column with the time of an event",
    "known_time": "Column with the time at which it was known, or a delay such as 1h",
    "entity": "Columns that identify an entity, with commas; - for one series",
    "label": "Column to predict",
    "horizon": "How far ahead",
}


class Aggregate(StrEnum):
    """How the label's values of a horizon become one."""

    SUM = "sum"
    MEAN = "mean"


@dataclass(frozen=True)
class Source:
    """Where the events are.

    Arguments:
        file: a local file or a copy.
        table: the table in PostgreSQL; ``None`` for files.
        kinds: the types of the table's columns; ``None`` for files.
    """

    file: Path
    table: str | None = None
    kinds: Mapping[str, ColumnType] | None = None


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(init)


def init(
    name: Annotated[str, typer.Argument(help="name of the new model", callback=model_name)],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="the events: a CSV or Parquet file, s3://bucket/path/file, or postgres:TABLE in "
            "the database of GAUNTLET_POSTGRES_URL",
        ),
    ],
    event_time: Annotated[str | None, typer.Option(help="column with the time of an event")] = None,
    known_time: Annotated[
        str | None, typer.Option(help="column with the time at which it was known, or a delay: 1h")
    ] = None,
    entity: Annotated[
        list[str] | None,
        typer.Option(help="column that identifies an entity; repeatable; - for one series"),
    ] = None,
    label: Annotated[str | None, typer.Option(help="column to predict")] = None,
    aggregate: Annotated[
        Aggregate | None, typer.Option(help="of the label's values over the horizon")
    ] = None,
    label_known_at: Annotated[
        str | None,
        typer.Option(help="column with the time at which a row's own outcome was known"),
    ] = None,
    unique: Annotated[
        list[str] | None, typer.Option("--id", help="column that identifies an event; repeatable")
    ] = None,
    horizon: Annotated[str | None, typer.Option(help="how far ahead, such as 7d")] = None,
    stream: Annotated[
        str, typer.Option(help="name of the stream of these events", callback=model_name)
    ] = "events",
    zone: Annotated[str, typer.Option(help="zone of times without one")] = "UTC",
    decimal: Annotated[Decimal, typer.Option(help="decimal separator of CSV")] = Decimal.POINT,
    delimiter: Delimiter = None,
    encoding: Annotated[str | None, typer.Option(help="encoding of CSV")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="take every guess without a question")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace existing files")] = False,
    as_json: Json = False,
) -> None:
    """Profile a file of events, and write a declaration and a suite for a first model."""
    from pipelines.data.ingest.reading import ReadOptions
    from pipelines.scaffold.answers import Answers
    from pipelines.scaffold.examine import examined, guesses, next_steps, notes
    from pipelines.scaffold.targets import Targets

    settings = Settings()
    asks = sys.stdin.isatty() and not yes and not as_json
    if not (asks or yes or as_json):
        raise SpecError(
            "there is no terminal for questions",
            wanted="a terminal, or --yes to take every guess",
            hint="add --yes, and name what you know with the other options",
        )
    targets = Targets(
        settings.models / f"{name}.yaml", settings.expectations / f"{name}.json", overwrite
    )
    targets.check_absent()
    answers = Answers(
        event_time=event_time,
        known_time=known_time,
        entity=_entity(entity),
        label=label,
        aggregate=aggregate.value if aggregate else None,
        label_known_at=label_known_at,
        id=tuple(unique) if unique else None,
        horizon=horizon,
    )
    how = ReadOptions(
        zones={"": zone}, decimal=decimal.value, delimiter=delimiter, encoding=encoding
    )
    with _fetched(source) as events, ExitStack() as stack:
        with spinner(f"reading {source}"):
            file = stack.enter_context(examined(events.file, how, events.kinds))

        def propose(given: Answers) -> Proposal:
            return file.propose(name, stream, events.table, given)

        if not as_json:
            _show_columns(file.profile)
        if asks:
            answers = ask(answers, propose)
        proposal = propose(answers)
        targets.write(proposal)
    steps = next_steps(proposal, source)
    remarks = tuple(notes(proposal))
    if as_json:
        answer(
            "init",
            {
                "declaration": str(targets.declaration),
                "suite": str(targets.suite),
                "guesses": {
                    role: {"value": guess.text, "evidence": guess.evidence}
                    for role, guess in guesses(proposal).items()
                },
                "notes": list(remarks),
                "next": list(steps),
            },
        )
        return
    _show_guesses(proposal)
    for remark in remarks:
        console.print(rich_text(f"note: {remark}"), soft_wrap=True)
    console.print(
        f"\nwrote {rich_text(str(targets.declaration))} and {rich_text(str(targets.suite))}"
    )
    console.print("next:")
    for step in steps:
        console.print(f"  {rich_text(step)}", soft_wrap=True)


def _entity(given: list[str] | None) -> tuple[str, ...] | None:
    """The columns of the entity; ``-`` stands for none."""
    if given is None:
        return None
    return () if given == [ONE_SERIES] else tuple(given)


def ask(answers: Answers, propose: Callable[[Answers], Proposal]) -> Answers:
    """Ask for every role that no option names; the default is the guess.

    A question is repeated after an answer that does not fit the file.

    Arguments:
        answers: given by options.
        propose: makes the proposal that belongs to answers.
    """
    from pipelines.scaffold.examine import guesses

    for role, question in QUESTIONS.items():
        while getattr(answers, role) is None:
            guess = guesses(propose(answers))[role]
            if guess.evidence:
                console.print(f"[dim]{rich_text(guess.evidence)}[/]", soft_wrap=True)
            given = typer.prompt(question, default=guess.text or ONE_SERIES).strip()
            changed = _with_answer(answers, role, given)
            try:
                propose(changed)
            except GauntletError as problem:
                complain(problem, as_json=False)
            else:
                answers = changed
    return answers


def _with_answer(answers: Answers, role: str, given: str) -> Answers:
    """The answers with one more, as it was typed."""
    if role == "entity":
        return replace(answers, entity=_entity([one.strip() for one in given.split(",")]))
    typed: dict[str, str] = {role: given}
    return replace(answers, **typed)  # type: ignore[arg-type]  # every other role is a text


def _show_columns(profile: FileProfile) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("column", "type", "missing", "values", "from", "to"):
        table.add_column(heading)
    for one in profile.columns:
        table.add_row(
            rich_text(one.reading.source),
            one.kind.value,
            f"{one.missing:.1%}" if one.missing else "",
            f"{one.distinct:,}",
            rich_text(one.smallest[:24]),
            rich_text(one.largest[:24]),
        )
    console.print(f"{rich_text(str(profile.file))}: {profile.rows:,} rows\n")
    show_table(table)
    console.print()


def _show_guesses(proposal: Proposal) -> None:
    from pipelines.scaffold.examine import guesses

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "value", "evidence"):
        table.add_column(heading)
    for role, guess in guesses(proposal).items():
        table.add_row(
            role.replace("_", " "),
            rich_text(guess.text or "-"),
            rich_text(guess.evidence or "given"),
        )
    show_table(table)


@contextmanager
def _fetched(source: str) -> Iterator[Source]:
    """A local file with the events: the file itself, or a copy for as long as it is needed."""
    if source.startswith(S3):
        bucket, _, path = source.removeprefix(S3).partition("/")
        folder, _, key = source.rpartition("/")
        if not (bucket and path and key):
            raise SpecError(
                "an address names no object", got=source, wanted="s3://bucket/path/file"
            )
        store = open_store(folder)
        stored = next((one for one in store.list(key) if one.key == key), None)
        if stored is None:
            raise DataError("there is no such object", got=source, wanted="s3://bucket/path/file")
        with working_folder("gauntlet-init-copy-") as work:
            store.read(stored, work / key)
            yield Source(work / key)
    elif source.startswith(POSTGRES):
        from pipelines.adapters.events.table_copy import copy_table

        url = os.environ.get(URL_ENV)
        if not url:
            raise SpecError(
                "the address of the database is not in the environment",
                wanted=f"the environment variable {URL_ENV}",
                hint=f"export {URL_ENV}=postgresql://reader:...@host:port/database",
            )
        table = source.removeprefix(POSTGRES)
        with working_folder("gauntlet-init-copy-") as work:
            kinds = copy_table(url, table, work / f"{table}.csv")
            yield Source(work / f"{table}.csv", table, kinds)
    else:
        file = Path(source)
        if not file.is_file():
            what = "this is a folder" if file.is_dir() else "there is no such file"
            raise SpecError(what, where="--from", got=source, wanted="a CSV or Parquet file")
        yield Source(file)
