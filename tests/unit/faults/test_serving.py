"""Faults of what serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.faults.serving import change_model_file, is_lost, multiply_served, wrong_arms


def test_some_requests_are_answered_in_the_other_arm() -> None:
    wrong = np.array([False, True, True])
    assert wrong_arms(["control", "control", "challenger"], wrong) == [
        "control",
        "challenger",
        "control",
    ]
    assert wrong_arms(["control"], np.array([True])) == ["control"], "there is no other arm"


def test_some_points_are_served_ten_times_the_value() -> None:
    rows = pd.DataFrame({"sold": [1.0, None, 3.0], "stock": [1.0, 2.0, 3.0]})
    served = multiply_served(rows, "sold", np.array([True, True, False]))
    assert served["sold"].fillna(-1).tolist() == [10.0, -1.0, 3.0]
    assert served["stock"].equals(rows["stock"])


def test_one_byte_of_the_model_is_changed(tmp_path: Path) -> None:
    for name, content in {"model.skops": b"abcd", "MLmodel": b"x"}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "extra_files").mkdir()
    (tmp_path / "extra_files" / "snapshot.json").write_bytes(b"a longer file")
    assert change_model_file(tmp_path) == tmp_path / "model.skops"
    assert (tmp_path / "model.skops").read_bytes() == b"abbd"


def test_a_larger_loss_has_the_entities_of_a_smaller_one() -> None:
    keys = [("shop", number) for number in range(2000)]
    few, many = ({key for key in keys if is_lost(key, share)} for share in (0.1, 0.5))
    assert few < many
    assert 150 < len(few) < 250
    assert not any(is_lost(key, 0.0) for key in keys)
    assert all(is_lost(key, 1.0) for key in keys)
