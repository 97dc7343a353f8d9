"""The help shows every command in a group, and the version is printed."""

from importlib.metadata import version

import typer
from typer.testing import CliRunner

from pipelines.cli.app import PANELS, app


def test_every_command_is_in_one_group_of_the_help() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    grouped = [name for names in PANELS.values() for name in names]
    assert sorted(grouped) == sorted(commands)


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"gauntlet {version('gauntlet')}\n"
