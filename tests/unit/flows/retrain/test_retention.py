"""Files of runs are removed, and the same request is answered as before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.steps import retrain
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
