"""A published set in a home of its own: declared, imported, and a shell that works there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from pipelines.cli.app import app
from tests.real.sets import RealSet

HERE = Path(__file__).parent


def environment(home: Path) -> dict[str, str]:
    """Settings of a shell that reads and keeps everything but the suites in ``home``."""
    return {
        "GAUNTLET_HOME": str(home),
        "GAUNTLET_MODELS": str(home / "models"),
        "GAUNTLET_EXPECTATIONS": str(HERE / "expectations"),
        "GAUNTLET_STORE": "",
        "GAUNTLET_MLFLOW_URI": "",
        "GAUNTLET_LEDGER_URL": "",
        "OMP_NUM_THREADS": "1",
    }


def gauntlet(home: Path, *words: str, exit_code: int = 0) -> dict[str, Any]:
    """The JSON answer of a command, run in this process.

    Arguments:
        home: where the results of the shell are.
        words: the command, without ``--json``.
        exit_code: the exit code that is expected.

    Raises:
        AssertionError: when the command ends with another exit code.
    """
    done = CliRunner().invoke(app, [*words, "--json"], env=environment(home))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == exit_code, f"gauntlet {' '.join(words)}: {done.output[-2000:]}"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@dataclass(frozen=True)
class Imported:
    """A set in its home."""

    home: Path
    files: dict[str, Path] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)


def import_set(known: RealSet, place: Path, **gates: Any) -> Imported:
    """Declare and prepare a set below ``place`` and import all of its streams, as a user would.

    Arguments:
        known: the set.
        place: an empty folder.
        gates: gates that replace those of the set's declaration.

    Returns:
        The home, the prepared file of each stream, and the answers of ``gauntlet import``.
    """
    files = known.prepare(place)
    home = place / "home"
    declared = yaml.safe_load((HERE / "models" / f"{known.name}.yaml").read_text(encoding="utf-8"))
    (home / "models").mkdir(parents=True)
    text = yaml.safe_dump(declared | {"gates": declared.get("gates", {}) | gates})
    (home / "models" / f"{known.name}.yaml").write_text(text, encoding="utf-8")
    answers = {
        stream: gauntlet(
            home, "import", known.name, stream, str(file), *known.options.get(stream, ())
        )
        for stream, file in files.items()
    }
    return Imported(home, files, answers)
