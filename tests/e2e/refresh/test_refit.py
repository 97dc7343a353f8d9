"""A version's twin is judged and its refit serves; the twin of a weekly run is an earlier refit."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.version_id import registered_version
from pipelines.flows.frames import FRAME, read_rows
from pipelines.flows.retrain.earlier.refit import past_values, version_of_twin
from pipelines.flows.retrain.request import Request
from pipelines.flows.retrain.run import open_run
from pipelines.gates.recent_window.refit import ANSWERS
from pipelines.packaging.version import ModelVersion
from pipelines.training.columns import feature_matrix
from pipelines.training.fit import fit
from pipelines.training.score import score
from pipelines.training.split import twin_lag
from tests.support.pharmacy import FIRST, RICH, SECOND, Pharmacy, RetrainResult

LAG = timedelta(days=28)  # recent window of 14 days and labels that take 11, in whole weeks
WEEKLY = "weekly"


@pytest.fixture(scope="module")
def weekly(
    champion: Pharmacy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Pharmacy, RetrainResult, RetrainResult]:
    """Two runs of one recipe with one seed, four weeks apart, in a lineage of their own."""
    pharmacy = champion.copy(tmp_path_factory.mktemp("weekly") / "home")
    pharmacy.declare(RICH, seeds=[11])
    earlier, later = (pharmacy.retrain(at, lineage=WEEKLY) for at in (SECOND - LAG, SECOND))
    return pharmacy, earlier, later


def version(pharmacy: Pharmacy, reported: RetrainResult) -> ModelVersion:
    registered = reported.done.version
    assert registered is not None
    return pharmacy.parts().versions.load("demand", registered.version)


def opened(pharmacy: Pharmacy, **options):
    request = Request(model="demand", as_of=SECOND, lineage=WEEKLY).model_copy(update=options)
    return open_run(request, pharmacy.parts().retraining)


def test_the_twin_is_the_refit_of_the_earlier_run_and_is_not_fitted_again(weekly) -> None:
    pharmacy, earlier, later = weekly
    before, now = version(pharmacy, earlier), version(pharmacy, later)
    assert earlier.done.evidence.trained.twin is None
    assert later.done.evidence.trained.twin == before.number
    assert twin_lag(now.spec) == LAG
    folder = now.folder / "extra_files" / "twin"
    assert (folder / "model.skops").read_bytes() == (before.folder / "model.skops").read_bytes()


def test_refit_and_twin_are_the_fits_on_their_spans(weekly) -> None:
    """Also the reused one, because no event of its span became known later."""
    pharmacy, _, later = weekly
    now, run = version(pharmacy, later), later.done.run
    frame = run.workspace.path(FRAME)
    rows = read_rows(now.spec, frame, now.plan.recent)
    for span, served in ((now.plan.train, now.load_twin()), (now.plan.refit, now.load_pipeline())):
        fitted = fit(now.spec, read_rows(now.spec, frame, span), 11).pipeline
        matrix = feature_matrix(now.spec, rows)
        np.testing.assert_array_equal(fitted.predict(matrix), served.predict(matrix))
    twin, refit = (score(one, now.spec, rows) for one in (now.load_twin(), now.load_pipeline()))
    assert not np.array_equal(twin.predictions, refit.predictions)
    evaluation = later.done.evidence.evaluation
    label = rows["label"].notna()
    assert evaluation.primary.candidate == pytest.approx(
        np.abs(twin.predictions - rows["label"])[label].mean()
    )


def test_the_recent_window_keeps_its_whole_length_after_a_promotion(weekly) -> None:
    _, earlier, later = weekly
    assert earlier.outcome == "first_version"
    assert later.done.evidence.evaluation.baseline == "champion"
    assert later.done.evidence.evaluation.window == later.done.run.plan.recent


def test_both_dates_are_in_the_ledger_and_on_the_page(weekly) -> None:
    pharmacy, earlier, later = weekly
    entry = pharmacy.parts().ledger.entries("demand", WEEKLY)[-1]
    assert (entry.trained.refit, entry.trained.twin) == (SECOND, SECOND - LAG)
    registered = later.done.version
    page = pharmacy.registry.described("demand", registered.version)
    shown = pharmacy.cli("explain", "demand", "--lineage", WEEKLY).out
    listed = pharmacy.cli("ledger", "demand", "--lineage", WEEKLY).out
    for text in (page, shown, listed):
        assert f"{SECOND:%Y-%m-%d}" in text
        assert f"{SECOND - LAG:%Y-%m-%d}" in text
    champion = pharmacy.cli("champion", "demand", "--lineage", WEEKLY).out
    assert earlier.done.run.plan.dates.summary in champion


def test_the_refit_is_compared_with_its_twin_and_the_difference_is_kept(weekly) -> None:
    pharmacy, earlier, later = weekly
    for reported in (earlier, later):
        verdicts = {f.name: f.verdict for f in reported.done.findings if ".refit." in f.name}
        assert verdicts == {
            "recent_window.refit.answers": "inconclusive",
            "recent_window.refit.error": "pass",
        }
    (past,) = past_values(opened(pharmacy), ANSWERS)
    assert past > 0


def test_a_version_of_another_seed_lineage_or_content_is_no_twin(weekly, tmp_path: Path) -> None:
    pharmacy, earlier, _ = weekly
    number = earlier.done.version.version
    assert version_of_twin(opened(pharmacy)).number == number
    assert version_of_twin(opened(pharmacy, lineage="live")) is None
    other = pharmacy.copy(tmp_path / "home")
    other.declare(RICH, seeds=[12])
    assert version_of_twin(opened(other)) is None
    other.declare(RICH, seeds=[11])
    again = opened(other, waive=("recent_window.primary",), reason="another run")
    shutil.rmtree(other.home / "versions")
    found = registered_version("demand", number)
    path = other.home / "registry" / found.model / found.number / "model" / "model.skops"
    path.write_bytes(path.read_bytes() + b"changed")
    assert version_of_twin(again) is None


def test_without_a_refit_the_judged_model_serves(champion: Pharmacy, tmp_path: Path) -> None:
    pharmacy = champion.copy(tmp_path / "home")
    split = {"train": "28d", "recent": "14d", "refit": False}
    pharmacy.declare(RICH, seeds=[11], split=split)
    made = version(pharmacy, pharmacy.retrain(FIRST, lineage="plain"))
    assert made.plan.refit is None
    assert made.plan.trained_until == made.plan.recent.start
    assert not (made.folder / "extra_files" / "twin").exists()
