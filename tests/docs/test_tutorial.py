"""The tutorial, followed step by step: its files, its commands, and what it says they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LAST_ITEM = re.compile(r"(?:^  - .*\n)(?!  - )", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A command of the tutorial and the output that follows it there."""

    command: str
    output: str

    @property
    def parts(self) -> list[str]:
        """What the output must contain, in this order: its parts between the dots, as words."""
        return [words for part in self.output.split("...") if (words := plain(part))]


def plain(text: str) -> str:
    """Text with single spaces, since lines are broken elsewhere in a narrow page."""
    return " ".join(text.split())


def steps(block: str) -> Iterator[Step]:
    """Commands of a console block."""
    for written in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = written.partition("\n")
        yield Step(command.partition("  #")[0].strip(), output)


def follow(folder: Path) -> Iterator[Step]:
    """Write the tutorial's files into a folder, in its order, and return its commands."""
    text = TUTORIAL.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        language, block = found.groups()
        before = text[: found.start()].rsplit("\n\n", 2)[-2]
        if language == "console":
            yield from steps(block)
        elif saved := re.search(r"Save this as `([^`]+)`", before):
            path = folder / saved[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block, encoding="utf-8")
        elif added := re.search(r"in `([^`]+)`:$", before):
            path = folder / added[1]
            whole = path.read_text(encoding="utf-8")
            place = next(LAST_ITEM.finditer(whole)).end()
            path.write_text(whole[:place] + block + whole[place:], encoding="utf-8")
        else:
            pytest.fail(f"the tutorial does not say what to do with:\n{block}")


def run(step: Step, folder: Path) -> str:
    """Everything that a command prints, whatever its exit code."""
    scripts = Path(sys.executable).parent
    unset = {key: text for key, text in os.environ.items() if not key.startswith("GAUNTLET_")}
    done = subprocess.run(
        step.command.split(),
        check=False,
        cwd=folder,
        env=unset | {"PATH": f"{scripts}:{os.environ['PATH']}", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return plain(done.stdout)


@pytest.mark.proof
def test_the_tutorial_shows_what_is_printed(tmp_path: Path) -> None:
    missing = []
    for step in follow(tmp_path):
        if step.command.startswith("mlflow ui"):
            continue  # serves until it is stopped
        if (tmp_path / "make_orders.py").exists() and not (tmp_path / "orders.csv").exists():
            subprocess.run([sys.executable, "make_orders.py"], cwd=tmp_path, check=True)
        printed, place = run(step, tmp_path), 0
        for part in step.parts:
            found = printed.find(part, place)
            if found < 0:
                missing.append(f"$ {step.command}\nwanted: {part}\nprinted: {printed[place:]}\n")
                break
            place = found + len(part)
    assert not missing, "\n".join(missing)
