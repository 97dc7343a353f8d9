"""The help shows every command in a group, and the version is printed."""

import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import typer
from typer.testing import CliRunner

from pipelines.cli.app import PANELS, app


def test_every_command_is_in_one_group_of_the_help() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    grouped = [name for names in PANELS.values() for name in names]
    assert sorted(grouped) == sorted(commands)


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"gauntlet {version('gauntlet')}\n"


def callbacks(group: Any) -> Iterator[tuple[str, Callable[..., None]]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from ((f"{name} {below}", found) for below, found in callbacks(command))
        else:
            yield name, inspect.unwrap(command.callback)


def test_every_command_that_may_take_seconds_shows_progress() -> None:
    """`schema` only prints a file, and `serve` logs until it is ended."""
    silent = {
        name
        for name, callback in callbacks(typer.main.get_command(app))
        if not any(f"with {shown}(" in inspect.getsource(callback) for shown in ("bar", "spinner"))
    }
    assert silent == {"schema", "serve"}
