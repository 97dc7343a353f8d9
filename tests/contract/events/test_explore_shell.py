"""``gauntlet explore``: one query, a pipe of statements, and the shells."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.adapters.objects.local import LocalStore
from pipelines.cli.query import run_shell
from pipelines.core.errors import GauntletError
from pipelines.flows.explore import Exploration
from pipelines.spec.model import ModelSpec
from tests.support.explored_home import WRITES, Rows, declare, fill, listing
from tests.support.pharmacy import Pharmacy


@pytest.fixture
def shop(tmp_path: Path, sales_model: Callable[..., ModelSpec], sales_rows: Rows) -> Pharmacy:
    fill(LocalStore(tmp_path / "store"), sales_rows(range(20)))
    declare(tmp_path / "home", sales_model())
    return Pharmacy(tmp_path / "home", str(tmp_path / "store"))


AT = ("explore", "sales", "--as-of", "2026-01-11T00:00:00Z")


def test_one_query_is_answered_as_a_table_or_as_json(shop: Pharmacy) -> None:
    last = "max(known_time)::TIMESTAMPTZ AS last"
    query = f"SELECT shop, count(*) AS sales, {last} FROM sales GROUP BY shop"
    reported = shop.cli(*AT, "--sql", f"{query} ORDER BY shop")
    assert reported.code == 0, reported.err
    assert reported.out.splitlines()[0].split() == ["shop", "sales", "last"]
    assert reported.out.splitlines()[1].split()[:2] == ["shop-0", "4"]
    body = shop.cli(*AT, "--sql", f"{query} ORDER BY shop", "--json").body
    assert body["columns"] == ["shop", "sales", "last"]
    assert body["rows"][0] == ["shop-0", 4, "2026-01-10 18:00:00+00:00"]
    assert shop.cli(*AT, "--json").code == 2, "--json without a query"
    assert shop.cli(*AT, "--python", "--sql", query).code == 2, "which of the two?"


@contextmanager
def standard_input(file: Path) -> Iterator[None]:
    """The file as the standard input of this process and of its children."""
    kept = os.dup(0)
    with file.open() as typed:
        os.dup2(typed.fileno(), 0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def piped(
    shop: Pharmacy, typed: str, *words: str, before: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with what is typed as its standard input.

    Arguments:
        before: Python that the process runs first.
    """
    program = f"{before}\nfrom pipelines.cli import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", program, *AT, *words],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | shop.environment | environment,
    )


def test_a_pipe_is_answered_statement_by_statement_and_ends_with_a_mistake(
    shop: Pharmacy,
) -> None:
    reported = piped(
        shop, ".tables\n.schema sales\nSELECT count(*) AS n\nFROM sales;\nSELECT 7 AS m"
    )
    assert reported.returncode == 0, reported.stderr
    words = set(re.findall(r"\w+", re.sub(r"\x1b\[[\d;]*m", " ", reported.stdout)))
    assert {"frame", "sales", "due", "TIMESTAMP", "n", "10", "m", "7"} <= words
    reported = piped(shop, "DELETE FROM sales;\nSELECT 7 AS m;\n")
    assert reported.returncode == 1
    assert "writes nowhere" in reported.stderr
    assert "7" not in reported.stdout, "what stands behind a mistake was done"


PROGRAM_WRITES = (
    ".output {folder}/out.txt",
    ".once {folder}/out.txt",
    ".shell touch {folder}/out.txt",
    ".open {folder}/out.db",
    ".import {folder}/secret sales",
    ".read {folder}/secret",
    ".log {folder}/out.txt",
    ".cd {folder}",
)


@pytest.mark.parametrize(
    "write", [*WRITES, *PROGRAM_WRITES], ids=lambda write: write.split(" '")[0]
)
def test_a_write_in_the_shell_fails_too(
    look: tuple[Exploration, Path], write: str, tmp_path: Path
) -> None:
    exploration, folder = look
    before = listing(folder)
    (tmp_path / "typed").write_text(write.format(folder=folder) + "\n")
    with standard_input(tmp_path / "typed"), pytest.raises(GauntletError, match="writes nowhere"):
        run_shell(exploration.database, tmp_path / "history")
    assert listing(folder) == before, "something was written"


@pytest.mark.parametrize("installed", [True, False], ids=["IPython", "Python"])
def test_a_python_session_has_everything_ready(
    shop: Pharmacy, tmp_path: Path, installed: bool
) -> None:
    typed = "print(len(sql('FROM sales')), list(streams), spec.name, frame.count().execute() > 0)\n"
    reported = piped(
        shop,
        typed,
        "--python",
        before="" if installed else "import sys\nsys.modules['IPython'] = None",
        IPYTHONDIR=str(tmp_path / "ipython"),  # instead of the settings and history in the home
    )
    assert reported.returncode == 0, reported.stderr
    assert "10 ['sales'] sales True" in reported.stdout
    assert ("IPython" in reported.stdout) is installed, "which session was opened"


def test_ledger_registry_and_online_store_are_not_opened(shop: Pharmacy) -> None:
    assert shop.cli(*AT, "--sql", "SELECT 1").code == 0
    assert sorted(path.name for path in shop.home.iterdir()) == ["explore", "models"]
