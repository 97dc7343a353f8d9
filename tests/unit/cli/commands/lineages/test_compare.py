"""``gauntlet compare``: two lineages, not one with itself."""

from __future__ import annotations

from pathlib import Path

from tests.support.pharmacy import Pharmacy
from tests.support.promotion_home import Home, inputs


def test_a_lineage_is_not_compared_with_itself(tmp_path: Path) -> None:
    pharmacy = Pharmacy(tmp_path / "home", str(tmp_path / "store"))
    pharmacy.declare()
    home = Home(pharmacy.home)
    home.promote(inputs("run", home.register("run", "past"), None, lineage="past"))
    refused = pharmacy.cli("compare", "demand", "live", "live")
    assert refused.code == 2
    assert "compared with itself" in refused.err
    assert "another one: past" in refused.err
