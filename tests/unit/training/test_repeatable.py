"""Two fits with one seed give one model, or the estimator is refused."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from pipelines.core.errors import SpecError
from pipelines.core.time import Window
from pipelines.spec.model import ModelSpec
from pipelines.training.repeatable import check_repeatable
from tests.support.own_code import GUESS

FOREST = """\
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.pipeline import make_pipeline
from sklearn.compose import make_column_transformer

def build():
    columns = make_column_transformer(("passthrough", ["price", "open"]))
    return make_pipeline(columns, ExtraTreesRegressor(n_estimators=2))
"""


def test_only_an_own_estimator_that_differs_is_refused(
    regression: Callable[..., ModelSpec], frame: Callable[..., pd.DataFrame], train: Window
) -> None:
    rows = frame(train, per_day=10)

    def declared(text: str) -> ModelSpec:
        return regression(estimator={"function": "shops:build", "files": {"shops.py": text}})

    assert check_repeatable(declared(FOREST), rows) is not None
    assert check_repeatable(regression(), rows.head(0)) is None
    with pytest.raises(SpecError, match="differ in 100% of their predictions"):
        check_repeatable(declared(GUESS), rows)
