"""Every command in the documentation is one that the command line accepts."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from pipelines.cli.app import app
from tests.architecture.test_docs import PAGES, ROOT

GENERATED = ROOT / "docs" / "options.md"
WRITTEN = [page for page in PAGES if page != GENERATED]
GAUNTLET = typer.main.get_command(app)
BLOCK = re.compile(r"^```(?:console|sh|bash)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands_in_blocks(text: str) -> Iterator[list[str]]:
    """Words of each `gauntlet` command in the console blocks of a page."""
    for block in BLOCK.findall(text):
        for line in re.sub(r" *\\\n", " ", block).splitlines():
            if found := re.match(r"(?:\$ )?(?:\.venv/bin/)?gauntlet (.*)", line):
                yield shlex.split(found[1], comments=True)


def parse(words: list[str]) -> None:
    """Parse a command line without running it; an error is a `SystemExit` or a usage error."""
    context = GAUNTLET.make_context("gauntlet", list(words))
    command, rest = GAUNTLET, [*context._protected_args, *context.args]
    while rest and hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*context._protected_args, *context.args]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_blocks_can_be_parsed(page: Path) -> None:
    for words in commands_in_blocks(page.read_text(encoding="utf-8")):
        try:
            parse(words)
        except Exception as error:
            pytest.fail(f"{page.name}: gauntlet {shlex.join(words)}: {error}")


def options_of(words: list[str]) -> set[str] | None:
    """Options of the command that these words begin with, or `None` without such a command."""
    command = GAUNTLET
    for word in words:
        commands = getattr(command, "commands", {})
        if word in commands:
            command = commands[word]
    if command is GAUNTLET:
        return None
    return {name for option in command.params for name in option.opts} | {"--help"}


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_sentences_and_their_options_exist(page: Path) -> None:
    for written in re.findall(r"`gauntlet ([^`]+)`", page.read_text(encoding="utf-8")):
        words = written.split()
        options = options_of(words)
        if written in ("--version", "--help"):
            continue
        assert options is not None, f"{page.name}: there is no command `gauntlet {written}`"
        unknown = {word for word in words if re.match(r"--[a-z]", word)} - options
        assert not unknown, f"{page.name}: `gauntlet {written}` has no option {sorted(unknown)}"


def test_a_wrong_option_fails() -> None:
    with pytest.raises(Exception, match="--frm"):
        parse(["backfill", "demand", "--frm", "2025-09-29"])
    assert "--from" in (options_of(["backfill", "demand"]) or ())
    assert options_of(["retain", "demand"]) is None


def test_the_page_of_options_is_current(tmp_path: Path) -> None:
    made = tmp_path / "options.md"
    generator = [sys.executable, "-m", "typer", "pipelines.cli.app", "utils", "docs"]
    named = ["--name", "gauntlet", "--title", "Options", "--output", str(made)]
    subprocess.run([*generator, *named], cwd=ROOT, check=True, capture_output=True)
    assert GENERATED.read_text(encoding="utf-8") == made.read_text(encoding="utf-8"), (
        "run `make docs` and commit docs/options.md"
    )
