"""Which pipelines are loaded again for scoring."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from pipelines.core.time import Window
from pipelines.packaging import scoring
from pipelines.packaging.package import write_package
from pipelines.packaging.scoring import scoring_pipeline
from pipelines.packaging.version import load_pipeline
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import feature_matrix
from pipelines.training.fit import fit

AT = datetime(2026, 3, 2, tzinfo=UTC)
Stored = tuple[Path, pd.DataFrame]


@pytest.fixture(autouse=True)
def _nothing_is_held() -> None:
    scoring._held.clear()


@pytest.fixture
def stored(
    tmp_path: Path,
    regression: Callable[..., ModelSpec],
    frame: Callable[..., pd.DataFrame],
    train: Window,
) -> Stored:
    spec, rows = regression(), frame(train)
    matrix = feature_matrix(spec, rows)
    folder = tmp_path / "version"
    write_package(
        folder,
        fit(spec, rows, 1).pipeline,
        matrix.head(5),
        probabilities=False,
        created_at=AT,
        facts={},
        evidence={},
    )
    return folder, matrix


def test_a_pipeline_is_loaded_once_for_its_content(stored: Stored, tmp_path: Path) -> None:
    folder, matrix = stored
    loaded = scoring_pipeline(folder)
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert scoring_pipeline(copy) is loaded
    assert (loaded.predict(matrix) == load_pipeline(folder).predict(matrix)).all()
    with (copy / "MLmodel").open("a") as file:
        file.write("# changed\n")
    assert scoring_pipeline(copy) is not loaded


def test_the_pipelines_that_are_held_are_bounded(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = stored
    monkeypatch.setattr(scoring, "MOST_BYTES", 0)
    first = scoring_pipeline(folder)
    assert scoring_pipeline(folder) is not first
    assert not scoring._held


def test_a_refusal_of_mlflow_counts_for_pipelines_that_are_held(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = stored
    scoring_pipeline(folder)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(Exception, match="disallowed"):
        scoring_pipeline(folder)
