"""Own code, as in ``models/code``, and a pharmacy that forecasts with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.flows.features.materialize import materialize
from pipelines.wiring import connect
from tests.support.pharmacy import FIRST, RICH, SECOND, START, WEEK, Pharmacy, write_days
from tests.support.services.running import SERVING
from tests.support.shared_worlds import built_once

# Draws from NumPy's global state, so two fits with one seed differ.
GUESS = """\
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

class Guess(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.guess_ = np.random.normal()
        return self

    def predict(self, X):
        return np.full(len(X), self.guess_)

def build():
    return Guess()
"""

# An estimator of classes of its own, a metric, and a feature that needs a second module.
MODULES = {
    "shops": """\
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


class AtLeastZero(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.clip(X, 0, None)


def build(alpha=1.0):
    numbers = make_pipeline(SimpleImputer(), AtLeastZero(), StandardScaler())
    names = OneHotEncoder(handle_unknown="ignore")
    prepare = make_column_transformer((names, ["medicine"]), remainder=numbers)
    return make_pipeline(prepare, Ridge(alpha))
""",
    "costs": """\
import numpy as np


def lost_margin(label, prediction):
    return np.where(label > prediction, 4.0, 1.0) * np.abs(label - prediction)
""",
    "cover": """\
from .spans import DAYS


def days(table):
    return DAYS * table.on_hand / table.sold.nullif(0)
""",
    "spans": "DAYS = 14.0\n",
}
COVER = {
    "kind": "expression",
    "name": "cover",
    "function": "cover:days",
    "columns": {"on_hand": "on_hand", "sold": "sold"},
}
OWN: dict[str, Any] = {
    "estimator": {
        "function": "shops:build",
        "search": {
            "parameters": {"ridge__alpha": [0.1, 1.0, 10.0, 100.0]},
            "halving": True,
            "folds": 1,
        },
    },
    "metric": {"name": "own_error", "function": "costs:lost_margin", "minimum_effect": 5.0},
}


def declare_own(pharmacy: Pharmacy, **changes: Any) -> None:
    """Write the modules, and a declaration that uses them."""
    folder = pharmacy.home / "models" / "code"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    pharmacy.declare((*RICH, COVER), **{**OWN, "serving": SERVING, **changes})


def _build(folder: Path) -> None:
    pharmacy = Pharmacy(folder / "home", str(folder / "store"))
    write_days(folder / "store", START, SECOND + WEEK)
    declare_own(pharmacy)
    materialize("demand", FIRST, connect(pharmacy.settings).materialization)
    first = pharmacy.cli_retrain(FIRST)
    assert first.code == 0, first.err


def own_pharmacy() -> Pharmacy:
    """Its champion, version 1, is own code. Made once for a test run; only to be copied."""
    folder = built_once("own-code", _build)
    return Pharmacy(folder / "home", str(folder / "store"))
