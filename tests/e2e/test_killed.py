"""Retraining killed by SIGKILL at every step and inside steps, and run again.

The process (``tests/support/kills/dying.py``) kills itself at a named moment: just before it
renames a file into place, or before or after a call of the ledger or the registry.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.time import instant_text
from pipelines.release.ledger import chain_errors
from pipelines.release.registry import CHAMPION
from tests.support.kills import dying
from tests.support.pharmacy import FIRST, RICH, ROOT, Pharmacy
from tests.support.processes.forked import Forked, Surroundings

# In the order in which a run comes to them. Records of steps are written alike, so one of each kind
# of file is enough for `make test`.
EACH_KIND = (
    "rename cache/objects/*/*",
    "rename contract.json",
    "rename candidate",
    "rename registry/demand/2",
    "append before",
    "append after",
    "set_alias after",
    "describe after",
)
ALL_PLACES = (
    "rename versions/*",
    "rename cache/objects/*/*",
    "rename cache/snapshots/*.json",
    "rename snapshot.json",
    "rename contract.json",
    "rename frame.parquet",
    "rename features.json",
    "rename candidate",
    "rename train.json",
    "rename evaluate.json",
    "rename audit.json",
    "rename runs/demand/*/version",
    "rename registry/demand/2",
    "append before",
    "append after",
    "set_alias before",
    "set_alias after",
    "tag before",
    "describe after",
)


def live(pharmacy: Pharmacy, place: str) -> int:
    """Retrains in a process of its own and returns its exit code; place "" does not kill it."""
    log = pharmacy.home.with_suffix(".log")
    inherits = Surroundings(os.environ, ROOT, log, log)
    return Forked(dying.retrain, pharmacy, place, inherits=inherits).wait()


def fresh(champion: Pharmacy, home: Path) -> Pharmacy:
    pharmacy = champion.copy(home)
    shutil.rmtree(home / "versions", ignore_errors=True)  # other tests may have read a version
    pharmacy.declare(RICH)
    return pharmacy


def state(pharmacy: Pharmacy) -> dict[str, Any]:
    """All that a run leaves behind. The clock stands still, so it is the same to the last byte."""
    registry, parts = pharmacy.registry, pharmacy.parts()
    entries = parts.ledger.entries("demand")
    assert not chain_errors(entries)
    home = pharmacy.home
    files = {
        path.relative_to(home).as_posix(): content(path)
        for place in ("runs", "registry")
        for path in (home / place).rglob("*")
        if path.is_file()
    }
    return {
        "ledger": [entry.as_json() for entry in entries],
        "champion": parts.ledger.champion("demand"),
        "alias": registry.alias("demand", CHAMPION),
        "versions": [info.as_json() for info in registry.versions("demand")],
        "files": sorted(files),
        "content": files,
    }


def content(path: Path) -> bytes:
    """A file's bytes; of the frame its rows, for it is written by as many threads as there are.

    A version shows the time at which its run began by the wall clock, which differs.
    """
    if path.name == "written.json":  # the hash of the frame depends on the order of its rows
        listed = json.loads(path.read_bytes())["record"]["files"]
        return repr([one for one in listed if one["name"] != "frame.parquet"]).encode()
    if path.name == "version.json":
        facts = json.loads(path.read_bytes())
        facts.get("shown", {}).pop("started", None)
        return json.dumps(facts).encode()
    if path.name != "frame.parquet":
        return path.read_bytes()
    rows = pd.read_parquet(path)
    return rows.sort_values([*rows.columns], ignore_index=True).to_csv().encode()


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What differs, in words that fit on a screen."""
    reported = [
        f"{key}: {found[key]} instead of {wanted[key]}"
        for key in ("champion", "alias", "files")
        if found[key] != wanted[key]
    ]
    reported += [f"{key} differ" for key in ("ledger", "versions") if found[key] != wanted[key]]
    return reported + [
        f"{name} has another content"
        for name in wanted["content"].keys() & found["content"].keys()
        if found["content"][name] != wanted["content"][name]
    ]


@pytest.fixture(scope="module")
def undisturbed(champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pharmacy = fresh(champion, tmp_path_factory.mktemp("undisturbed") / "home")
    assert live(pharmacy, "") == 0
    return state(pharmacy)


@pytest.mark.parametrize(
    "places",
    [EACH_KIND, pytest.param(ALL_PLACES, marks=pytest.mark.proof)],
    ids=["each_kind", "all"],
)
def test_a_run_killed_at_every_place_one_after_the_other_ends_as_if_never_disturbed(
    champion: Pharmacy, undisturbed: dict[str, Any], tmp_path: Path, places: tuple[str, ...]
) -> None:
    """Each life begins where the last one was killed, and is killed a little later."""
    pharmacy = fresh(champion, tmp_path / "home")
    for place in places:
        assert live(pharmacy, place) == -signal.SIGKILL, f"was never at: {place}"
        parts = pharmacy.parts()
        entries = parts.ledger.entries("demand")
        assert not chain_errors(entries)
        assert len(pharmacy.registry.versions("demand")) <= 2, place
        assert [entry.outcome for entry in entries] in (
            ["first_version"],
            ["first_version", "promote"],
        )
        assert pharmacy.registry.alias("demand", CHAMPION) in ("1", "2")
    assert live(pharmacy, "") == 0
    assert differences(state(pharmacy), undisturbed) == []


def test_a_run_killed_between_ledger_and_alias_is_finished_by_running_it_again(
    champion: Pharmacy, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """The ledger has its answer then, and the alias still shows the champion before."""
    pharmacy = fresh(champion, tmp_path / "home")
    assert live(pharmacy, "append after") == -signal.SIGKILL
    assert pharmacy.parts().ledger.champion("demand") == "2"
    assert pharmacy.registry.alias("demand", CHAMPION) == "1"
    assert live(pharmacy, "") == 0
    assert differences(state(pharmacy), undisturbed) == []


# The real command, killed from outside, with MLflow


def killed_when(pharmacy: Pharmacy, appears: str) -> int:
    """``gauntlet retrain`` as a process, killed as soon as a file is there."""
    process = pharmacy.process("retrain", "demand", "--as-of", instant_text(FIRST), "--json")
    while process.poll() is None and not list(pharmacy.home.glob(appears)):
        time.sleep(0.005)
    process.kill()
    return process.wait()


def test_the_command_killed_while_mlflow_takes_the_version_in(
    champion: Pharmacy, tmp_path: Path
) -> None:
    """One version in the end, and the same decision; what MLflow had begun is finished."""
    pharmacy = Pharmacy(tmp_path / "home", champion.store)
    pharmacy.declare()
    for name in ("cache", "runs"):  # the work until the version is the champion's own
        shutil.copytree(champion.home / name, pharmacy.home / name)
    run = next((pharmacy.home / "runs" / "demand").iterdir())
    shutil.rmtree(run / "version")
    (run / "version.json").unlink()
    assert killed_when(pharmacy, "mlartifacts/**/MLmodel") == -signal.SIGKILL
    entries = pharmacy.cli("ledger", "demand", "--json").body["entries"]
    assert entries == []
    answer = pharmacy.cli_retrain(FIRST, "--json")
    assert answer.code == 0, answer.err
    assert (answer.body["decision"]["outcome"], answer.body["candidate"]) == ("first_version", "1")
    assert pharmacy.cli("champion", "demand", "--json").body["version"] == "1"
    assert answer.body["run"] == run.name
