"""The backtest on real data, for three Mondays of the smallest set: whether its table is sound."""

from __future__ import annotations

import json
import math
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.real, pytest.mark.slow]

HERE = Path(__file__).parent
SCRIPT = HERE.parents[1] / "benchmarks" / "real_backtest.py"
DATA: Path = runpy.run_path(str(HERE / "prepare.py"))["DATA"]
WEEKS = 3


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not (DATA / "bike_sharing").is_dir():
        pytest.skip("the real set bike_sharing is not in ../shared/data")
    out = tmp_path_factory.mktemp("backtest") / "answer.json"
    words = ["--set", "bike_sharing", "--weeks", str(WEEKS), "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| never |" in done.stdout, "the table is not on the screen"
    answer: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return answer


def test_all_gates_saw_the_same_candidates(found: dict[str, Any]) -> None:
    """A first version at once, then two candidates: all for one gate, none for the other."""
    assert found["retrains"] == found["candidates"] == WEEKS
    assert found["first_version"] == "2011-08-01"
    (part,) = found["parts"]
    promotions = {line["gate"]: line["promotions"] for line in part["gates"]}
    assert promotions["never"] == promotions["naive"] == 0
    assert promotions["always"] == part["retrains"] == WEEKS - 1
    assert 0 <= promotions["usual"] <= WEEKS - 1
    assert 0 <= promotions["ours"] <= WEEKS - 1
    assert {line["followed"] for line in part["gates"]} == {0}, "no four weeks follow in three"


def test_weeks_add_up_to_the_table(found: dict[str, Any]) -> None:
    """168 hours a week, nearly all with a label: the mean of the weeks is that of the table."""
    (part,) = found["parts"]
    assert part["points"] == pytest.approx(WEEKS * 168, abs=5)
    lines = {line["gate"]: line for line in part["gates"]}
    for gate, line in lines.items():
        weekly = part["weekly"][gate]
        assert len(weekly) == WEEKS
        assert line["metric"] == pytest.approx(sum(weekly) / WEEKS, rel=0.01), gate
        if gate != "ours" and line["se"] is not None:
            gap = line["metric"] - lines["ours"]["metric"]
            assert line["worse_than_ours"] == pytest.approx(gap), f"{gate}: a loss, lower is better"
            assert math.isfinite(line["se"])
            assert line["se"] > 0


def test_a_model_is_better_than_none(found: dict[str, Any]) -> None:
    """And in the first week all gates have the same one."""
    (part,) = found["parts"]
    weekly = part["weekly"]
    assert len({weekly[gate][0] for gate in ("never", "usual", "always", "ours")}) == 1
    assert weekly["naive"][0] > 1.5 * weekly["ours"][0]
