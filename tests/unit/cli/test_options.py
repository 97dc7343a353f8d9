"""Values on the command line: names, instants and texts that no run can use are refused."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.core.errors import GauntletError, SpecError

LONG = "x" * 300
MODELS = Path(__file__).resolve().parents[3] / "models"


@pytest.mark.parametrize(
    "line",
    [
        ["check", "a/b"],
        ["check", "../demand"],
        ["check", LONG],
        ["check", "[/bold]"],
        ["ledger", "demand", "--lineage", "a/b"],
        ["champion", "demand", "--lineage", "[/red]"],
        ["retrain", "demand", "--lineage", LONG],
        ["retrain", "demand", "--reason", "\udcff"],
        ["features", "list", "demand", "../x"],
        ["serve", "demand", "a,b"],
        ["import", "..", "sales", "x.csv"],
        ["materialize", "DEMAND"],
        ["champion", "demand", "--at", "0001-01-01T00:00:00+01:00"],
        ["champion", "demand", "--at", "9999-12-31T23:59:59-01:00"],
        ["champion", "demand", "--at", "0001-01-01"],
        ["champion", "demand", "--at", "1899-12-31T23:59:59Z"],
    ],
    ids=str,
)
def test_a_value_that_no_run_can_use_is_refused(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path / "home"))
    done = CliRunner().invoke(app, line)
    assert isinstance(done.exception, GauntletError), done.output
    assert done.exception.exit_code == 2
    str(done.exception).encode()


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("champion demnad", "is it 'demand'?"),
        ("champion orders", "write the file"),
        ("champion demand --lineage liev", "is it 'live'?"),
        ("ledger demnad", "is it 'demand'?"),
        ("ledger demand --lineage backfill", ""),
        ("explain demnad", "is it 'demand'?"),
        ("explain demand --lineage live2", "is it 'live'?"),
        ("approve demnad 1 --by me --evidence 12345678", "is it 'demand'?"),
        ("rollback demnad --reason why", "is it 'demand'?"),
        ("features demnad", "is it 'demand'?"),
        ("score demnad --check", "is it 'demand'?"),
        ("serve demnad", "is it 'demand'?"),
        ("stream accept demand dispensin --reason why", "is it 'dispensing'?"),
        ("stream drop demand stok --from 2026-01-01 --to 2026-01-02 --reason why", "is it 'stock'"),
        ("import demand dispensin x.csv", "is it 'dispensing'?"),
    ],
)
def test_a_name_that_does_not_exist_is_an_error_with_the_most_similar_one(
    line: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAUNTLET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GAUNTLET_MODELS", str(tmp_path / "models"))
    shutil.copytree(MODELS, tmp_path / "models")
    for path in (tmp_path / "models").glob("*.yaml"):
        if path.stem != "demand":
            path.unlink()
    done = CliRunner().invoke(app, line.split())
    assert isinstance(done.exception, SpecError), done.output
    assert hint in done.exception.hint


@pytest.mark.parametrize("place", [".", "absent/schema.json"])
def test_a_schema_is_not_written_to_a_folder(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["schema", "--out", place])
    assert isinstance(done.exception, GauntletError), done.output
