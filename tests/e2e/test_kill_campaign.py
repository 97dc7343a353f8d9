"""A short form of ``make kill-test``: a few commands, killed at random moments and run again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kills.campaign import Trial, run_campaign
from tests.support.kills.scenarios import SHORT

KILLS = 4


@pytest.mark.proof  # in short: test_killed.py, unit/data/ingest/test_files.py
def test_commands_that_were_killed_end_as_if_undisturbed(tmp_path: Path) -> None:
    trials: list[Trial] = run_campaign(tmp_path, KILLS, seed=1, scenarios={"short": SHORT})
    assert sum(len(trial.kills) for trial in trials) >= KILLS
    wrong = {
        trial.command.name: (trial.kills, trial.problems) for trial in trials if trial.problems
    }
    assert not wrong
