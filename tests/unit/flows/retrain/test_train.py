"""Fits of a candidate, and how many rows they use."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.cli.commands.watch.explain import Explanation, show_explanation
from pipelines.flows.retrain.steps import Retraining
from pipelines.flows.retrain.train import fit_twins
from pipelines.release.ledger import replay
from pipelines.training import fit as fitting
from pipelines.training.fit import fit
from pipelines.training.score import score
from tests.support.sales_home import AS_OF, SalesHome, connections_to, declaration, rows
from tests.support.training_frame import frame, recent, regression, train

__all__ = ["frame", "recent", "regression", "train"]


@pytest.mark.parametrize(
    ("path", "fitted"),
    [("sklearn.linear_model.LinearRegression", [1]), ("sklearn.tree.ExtraTreeRegressor", [1, 2])],
)
def test_seeds_that_change_nothing_are_fitted_once(
    regression,
    frame,
    train,
    recent,
    path: str,
    fitted: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = regression(seeds=[1, 2], estimator={"path": path})
    seeds: list[int] = []

    def counted(spec, rows, seed):
        seeds.append(seed)
        return fit(spec, rows, seed)

    run: Any = SimpleNamespace(spec=spec, collaborators=SimpleNamespace(progress=lambda _: None))
    with monkeypatch.context() as counting:
        counting.setattr(fitting, "fit", counted)
        twins, _ = fit_twins(run, frame(train), None)
    assert seeds == fitted
    assert len(twins) == 2
    rows = frame(recent)
    for seed, twin in zip(spec.seeds, twins, strict=True):
        alone = fit(spec, frame(train), seed).pipeline
        np.testing.assert_array_equal(
            score(twin, spec, rows).predictions, score(alone, spec, rows).predictions
        )


SAMPLE = "recent_window.training_sample"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Retraining, Retraining, SalesHome]:
    """A first version fitted on all 672 labelled rows of each span, and one on 300 of them."""
    folder = tmp_path_factory.mktemp("sales")
    shared, done = connections_to(rows(), folder, AS_OF), []
    for most in (None, 300):
        home = SalesHome(folder / str(most), shared)
        home.folder.mkdir()
        home.declare(split=declaration()["split"] | {"max_rows": most})
        done.append(home.retrain())
    return done[0], done[1], home


def test_a_limit_bounds_the_fits_and_nothing_else(
    both: tuple[Retraining, Retraining, SalesHome],
) -> None:
    whole, limited, _ = both
    trained = [one.work[1].trained for one in (whole, limited) if one.work]
    assert [(one.rows, one.refit_rows) for one in trained] == [(672, 672), (300, 300)]
    assert [one.span_rows for one in trained] == [None, 672]
    assert [one.refit_span_rows for one in trained] == [None, 672]
    assert trained[0].rows_digest == trained[1].rows_digest, "the recent window is the same"
    first, second = (one.work[1].evaluation for one in (whole, limited) if one.work)
    assert first is not None
    assert second is not None
    assert (first.rows, first.labelled) == (second.rows, second.labelled)
    assert [one.baseline for one in first.comparisons] == [
        one.baseline for one in second.comparisons
    ], "the naive forecast has all labels"
    assert [one.candidate for one in first.comparisons] != [
        one.candidate for one in second.comparisons
    ]
    envelopes = [one.run.workspace.path("version/extra_files/envelope.json") for one in both[:2]]
    assert envelopes[0].read_bytes() == envelopes[1].read_bytes()


def test_the_rows_before_and_after_a_limit_are_shown(
    both: tuple[Retraining, Retraining, SalesHome], capsys: pytest.CaptureFixture[str]
) -> None:
    whole, limited, home = both
    words = "the twin on 300 of 672 and the refit on 300 of 672"
    [shown] = [one for one in limited.findings if one.name == SAMPLE]
    assert words in shown.reason
    assert shown.value == pytest.approx(300 / 672)
    assert SAMPLE not in {one.name for one in whole.findings}
    evidence = limited.run.workspace.path("version/extra_files/findings.json")
    assert SAMPLE in {one["name"] for one in json.loads(evidence.read_text())["findings"]}
    [entry] = home.parts.ledger.entries("sales")
    show_explanation(Explanation(entry=entry, replayed=replay(entry), record=None, since=()))
    assert words in " ".join(capsys.readouterr().out.split())
