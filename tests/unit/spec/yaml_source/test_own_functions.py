"""The source of own functions is part of the declaration; the guide's example works as shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pipelines.core.errors import SpecError
from pipelines.features.own_feature import RowFeature
from pipelines.spec.features import ExpressionFeature
from pipelines.spec.load import load_model
from pipelines.training.estimator import declared_estimator
from pipelines.training.metrics import primary_metric

ROOT = Path(__file__).parents[4]
EXAMPLE = yaml.safe_load((ROOT / "models" / "demand.yaml").read_text(encoding="utf-8"))
GUIDE = (ROOT / "docs" / "own-code.md").read_text(encoding="utf-8")


def blocks(language: str) -> dict[str, str]:
    """The guide's examples by the file that they begin with."""
    found = re.findall(rf"^```{language}\n# ([^\n]+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return dict(found)


def write(folder: Path, **changes: Any) -> Path:
    for name, text in blocks("python").items():
        path = folder / Path(name).relative_to("models")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    path = folder / "demand.yaml"
    path.write_text(yaml.safe_dump(EXAMPLE | changes), encoding="utf-8")
    return path


def test_the_estimator_of_the_guide_is_fitted_as_it_is_shown(tmp_path: Path) -> None:
    spec = load_model(write(tmp_path, **yaml.safe_load(blocks("yaml")["models/demand.yaml"])))
    assert spec.estimator.files.keys() == {"shops.py"}
    estimator = declared_estimator(spec, 1)
    assert estimator.get_params()["regressor__ridge__alpha"] == 3.0
    rows = pd.DataFrame({name: np.arange(8.0) for name in spec.input_names})
    rows = rows.assign(pharmacy=list("aabbaabb"), medicine=list("xyxyxyxy"))
    predicted = estimator.fit(rows, rows["sold_7d"]).predict(rows)
    assert np.corrcoef(predicted, rows["sold_7d"])[0, 1] > 0.9


def test_the_metric_of_the_guide_counts_as_it_is_shown(tmp_path: Path) -> None:
    spec = load_model(
        write(tmp_path, **yaml.safe_load(blocks("yaml")["models/demand.yaml, the metric"]))
    )
    label, prediction = np.array([3.0, 3.0]), np.array([1.0, 5.0])
    losses = primary_metric(spec).utilities(label, prediction, pd.DataFrame())
    assert losses.tolist() == [-8.0, -2.0]


def test_the_feature_of_the_guide_is_computed_as_it_is_shown(tmp_path: Path) -> None:
    feature = yaml.safe_load(blocks("yaml")["models/demand.yaml, a feature"])
    operands = {
        "price_1w": "medicine_sold_7d",
        "price_8w": "medicine_sold_28d",
        "brand": "medicine",
    }
    feature["columns"] = {name: operands[column] for name, column in feature["columns"].items()}
    spec = load_model(write(tmp_path, features=[*EXAMPLE["features"], feature]))
    own = spec.features[-1]
    assert isinstance(own, ExpressionFeature)
    computed = RowFeature(own, spec.frame.function_types(own))  # brand, now, usual
    rows = [("own", 3.0, 2.0), ("b", 3.0, 2.0), ("b", 3.0, 0.0)]
    assert computed.values(rows) == [1.0, 1.5, None]
    assert list(own.files) == ["prices.py"]


def test_a_changed_file_is_a_changed_recipe(tmp_path: Path) -> None:
    own = {"estimator": {"function": "shops:build"}}
    first = load_model(write(tmp_path, **own))
    assert load_model(write(tmp_path, **own)).recipe == first.recipe
    path = write(tmp_path, **own)
    (tmp_path / "code" / "unused.py").write_text("x = 1\n")
    assert load_model(path).recipe == first.recipe
    (tmp_path / "code" / "shops.py").write_text("def build(): ...\n")
    assert load_model(path).recipe != first.recipe


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "files are written out": (
        {"function": "shops:build", "files": {"shops.py": ""}},
        "files are not declared",
    ),
    "a path beside a function": (
        {"function": "shops:build", "path": "sklearn.linear_model.Ridge"},
        "a path, or a function",
    ),
    "another folder": ({"function": "../shops:build"}, "estimator.function"),
    "a dotted module": ({"function": "code.shops:build"}, "estimator.function"),
    "no such module": ({"function": "shop:build"}, "one of ["),
}


@pytest.mark.parametrize(("estimator", "words"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, estimator: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load_model(write(tmp_path, estimator=estimator))
    assert words in str(caught.value)
    assert "demand.yaml:" in str(caught.value)
