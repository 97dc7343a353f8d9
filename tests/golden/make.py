"""Make the golden files of a release: one of everything that it stores.

    python -m tests.golden.make tests/golden/0.1.0

Run it once, with the release whose formats are to be kept, and commit what it writes. Later
releases read these files (`test_golden.py`); they are never made again for a release that is out.
A small pharmacy trains two versions; the second goes through shadow and canary and is promoted.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.time import FixedClock, instant_text
from pipelines.flows.features.materialize import materialize
from pipelines.flows.serving.publish import plans_folder, publish_plan
from pipelines.packaging.package import content_digest
from pipelines.packaging.version import read_spec
from pipelines.predictions.journal import Journal
from pipelines.predictions.shipping import ship
from pipelines.spec.views import definitions
from tests.support.pharmacy import RICH, SECOND, Pharmacy
from tests.support.prediction_factory import NOON, make_prediction
from tests.support.rollout_factory import (
    ROLLOUT,
    VERDICT,
    at,
    challenged,
    run_canary,
    sales_factor,
    step,
    verdicts,
)

SERVING = {"every": "1d", "delay": "1h"}


def dump(database: Path) -> str:
    """A SQLite database as SQL statements."""
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def make(target: Path, scratch: Path) -> None:
    """Write the golden files.

    Arguments:
        target: the folder to make; it must not exist.
        scratch: an empty folder for the pharmacy.
    """
    pharmacy = challenged(scratch)
    report = run_canary(pharmacy, sales_factor(1.4))
    assert report.action == "canary", report.summary
    report = step(pharmacy, VERDICT)
    assert report.action == "promoted", (report.summary, verdicts(report))
    assert step(pharmacy, VERDICT).action == "holdback"
    publish_plan("demand", at(pharmacy, VERDICT).publishing)
    target.mkdir(parents=True)
    expected = _versions(pharmacy, target) | _online(pharmacy, target)
    expected |= {"log": _log(target, scratch)}
    (target / "ledger.sql").write_text(dump(pharmacy.home / "ledger.db"), encoding="utf-8")
    _copy(pharmacy, target)
    expected["chain"] = [
        {
            "sequence": entry.sequence,
            "kind": entry.kind,
            "outcome": entry.outcome,
            "champion_after": entry.champion_after,
            "findings": len(entry.findings),
            "evidence": entry.decision.evidence if entry.decision else None,
            "hash": entry.hash,
        }
        for entry in at(pharmacy, VERDICT).ledger.entries("demand")
    ]
    text = json.dumps(expected, indent=2, sort_keys=True) + "\n"
    (target / "expected.json").write_text(text, encoding="utf-8")


def _versions(pharmacy: Pharmacy, target: Path) -> dict[str, Any]:
    """Version 2 as the registry has it, and what is known of its declaration."""
    info = pharmacy.registry.get("demand", "2")
    shutil.copytree(
        pharmacy.registry.download(info, pharmacy.home / "versions"), target / "version"
    )
    spec = read_spec(target / "version")
    tags = pharmacy.registry.tags("demand", "2")
    (target / "tags.json").write_text(json.dumps(tags, indent=2, sort_keys=True) + "\n")
    return {
        "content": content_digest(target / "version"),
        "spec": spec.digest,
        "recipe": spec.recipe,
        "definitions": definitions(spec),
        "snapshot": info.snapshot,
    }


def _online(pharmacy: Pharmacy, target: Path) -> dict[str, Any]:
    """Materialized features of the same declaration."""
    pharmacy.declare(RICH, serving=SERVING, rollout=ROLLOUT)
    parts = at(pharmacy, SECOND)
    materialize("demand", SECOND, parts.materialization)
    (target / "online.sql").write_text(dump(pharmacy.home / "online.db"), encoding="utf-8")
    views = {
        state.name: {"as_of": instant_text(state.as_of), "definitions": list(state.definitions)}
        for state in parts.online.views()
    }
    return {"views": views, "served_definitions": definitions(parts.load_spec("demand"))}


def _log(target: Path, scratch: Path) -> dict[str, Any]:
    """An object of the prediction log."""
    store = LocalStore(scratch / "log")
    with Journal(scratch / "journal.db") as journal:
        journal.append([make_prediction("a"), make_prediction("b", version="8", prediction=0.5)])
        shipped = ship(journal, store, "demand", FixedClock(NOON))
    [key] = shipped.objects
    (target / "store" / key).parent.mkdir(parents=True)
    shutil.copy(scratch / "log" / key, target / "store" / key)
    return {"key": key, "rows": shipped.rows}


def _copy(pharmacy: Pharmacy, target: Path) -> None:
    """Snapshot manifest, step records, release evidence and serving plan."""
    home, snapshot = pharmacy.home, pharmacy.registry.get("demand", "2").snapshot
    (target / "cache" / "snapshots").mkdir(parents=True)
    shutil.copy(home / "cache" / "snapshots" / f"{snapshot}.json", target / "cache" / "snapshots")
    (run,) = (path for path in (home / "runs" / "demand").iterdir() if path.name.endswith(".1"))
    (target / "run").mkdir()
    for record in sorted(run.glob("*.json")):
        shutil.copy(record, target / "run")
    shutil.copytree(home / "releases" / "demand", target / "releases")
    plan = (plans_folder(home) / "demand.json").read_text(encoding="utf-8")
    (target / "plan.json").write_text(plan.replace(str(home), "/srv/gauntlet"), encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make(Path(sys.argv[1]), Path(folder))
