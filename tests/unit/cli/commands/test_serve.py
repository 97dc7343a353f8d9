"""What ``gauntlet serve`` does at its start and at its end, without workers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipelines.cli.commands.serve import _check_shipped, _keep
from pipelines.core.errors import Unavailable
from pipelines.flows.serving.publish import journal_path
from pipelines.predictions.journal import Journal
from tests.support.prediction_factory import make_prediction


def test_predictions_that_were_not_shipped_are_counted_by_name(tmp_path: Path) -> None:
    for name, rows in (("demand", 3), ("orders", 0)):
        with Journal(journal_path(tmp_path, name)) as journal:
            journal.append([make_prediction(f"r.{number}") for number in range(rows)])
    with pytest.raises(Unavailable, match="before the whole prediction log") as found:
        _check_shipped(["demand", "orders"], tmp_path)
    assert found.value.got == "3 rows of demand"
    assert "gauntlet serve demand orders" in found.value.hint
    _check_shipped(["orders"], tmp_path)


@pytest.mark.parametrize(("last", "times"), [(True, 1), (False, 0)])
def test_the_log_is_shipped_once_more_at_the_end(last: bool, times: int) -> None:
    ended, done = threading.Event(), []
    ended.set()
    _keep(lambda: done.append(1), 3600, ended, last)
    assert len(done) == times
