"""``gauntlet lineages``: several lineages are pruned, or none."""

from __future__ import annotations

from pathlib import Path

from tests.support.pharmacy import Pharmacy
from tests.support.promotion_home import Home, inputs


def test_nothing_is_removed_if_one_of_the_lineages_does_not_exist(tmp_path: Path) -> None:
    pharmacy = Pharmacy(tmp_path / "home", str(tmp_path / "store"))
    pharmacy.declare()
    home = Home(pharmacy.home)
    home.promote(inputs("run", home.register("run", "past"), None, lineage="past"))
    files = pharmacy.home / "runs" / "demand" / "run"
    files.mkdir(parents=True)
    refused = pharmacy.cli("lineages", "demand", "--prune", "past", "--prune", "pats")
    assert refused.code == 2
    assert "no such lineage" in refused.err
    assert files.is_dir()
    done = pharmacy.cli("lineages", "demand", "--prune", "past")
    assert (done.code, files.exists()) == (0, False), done.err
