"""Values on the command line: names, instants and texts that no run can use are refused."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.app import app
from pipelines.core.errors import GauntletError

LONG = "x" * 300


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


@pytest.mark.parametrize("place", [".", "absent/schema.json"])
def test_a_schema_is_not_written_to_a_folder(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["schema", "--out", place])
    assert isinstance(done.exception, GauntletError), done.output
