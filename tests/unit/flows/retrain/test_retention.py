"""Files of runs are removed, and the same request is answered as before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.core.errors import Unavailable
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.retention import remove_expired
from pipelines.flows.retrain.run import open_run
from pipelines.flows.retrain.steps import retrain
from pipelines.release.registry import VersionInfo
from tests.support.sales_home import AS_OF, SalesHome, connections_to, rows


def test_a_request_whose_files_were_removed_is_answered_from_the_ledger(tmp_path: Path) -> None:
    home = SalesHome(tmp_path, connections_to(rows(), tmp_path, AS_OF))
    home.declare()
    first = Request(model="sales", as_of=AS_OF - timedelta(days=8))
    decided = retrain(first, home.parts)
    runs = home.parts.runs.folder / "sales"
    assert [one.name for one in runs.iterdir()] == [decided.run.id]
    later = retrain(Request(model="sales", as_of=AS_OF), home.parts)
    assert [one.name for one in runs.iterdir()] == [later.run.id]

    chain = home.parts.ledger.entries("sales")
    again = retrain(first, home.parts)
    assert again.decision == decided.decision
    assert again.version is not None
    assert decided.version is not None
    assert again.version.version == decided.version.version
    assert home.parts.ledger.entries("sales") == chain


def test_files_of_runs_are_removed_where_the_registry_refuses(tmp_path: Path) -> None:
    class Refusing(FolderRegistry):
        def versions(self, model: str) -> tuple[VersionInfo, ...]:
            raise Unavailable("the registry refuses")

    home = SalesHome(tmp_path, connections_to(rows(), tmp_path, AS_OF))
    home.declare()
    first, second = (Request(model="sales", as_of=AS_OF - timedelta(days=days)) for days in (8, 0))
    expired, kept = (retrain(one, home.parts).run.workspace.folder for one in (first, second))
    expired.mkdir()
    reported = list[str]()
    versions = replace(home.parts.versions, registry=Refusing(tmp_path / "registry"))
    parts = replace(home.parts, versions=versions, progress=reported.append)
    assert remove_expired(open_run(second, parts)) == ()
    assert not expired.exists()
    assert kept.exists()
    assert reported[-1] == "old versions were not removed: the registry refuses"
