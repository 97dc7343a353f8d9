"""A curved relation that breaks, and what an autoencoder needs to find it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.neural_network import MLPRegressor

from pipelines.drift.autoencoder import Autoencoder, fit_autoencoder
from pipelines.drift.calibration import ColumnDrift, column_drift
from pipelines.drift.multivariate import (
    AUTOENCODER_ERROR,
    AUTOENCODER_ROWS,
    ERROR,
    SEGMENT,
    JointSpace,
    fit_space,
    joint_profile,
    joint_rows,
)
from pipelines.drift.profile import Profile, profile_like, reference_profile

NAMES = ["load", "flow", "heat", "loss"]
DAILY = 40


def rows(weeks: int, first: int = 0) -> pd.DataFrame:
    """Three columns of two factors, and one of the square of the first; 280 rows a week."""
    rng = np.random.default_rng([11, first])
    count = 7 * weeks * DAILY
    one, two = rng.normal(size=(2, count))
    values = np.column_stack([one, one + two, one - two, one**2]) + 0.3 * rng.normal(
        size=(count, 4)
    )
    days = 7 * first + np.repeat(np.arange(7 * weeks), DAILY)
    times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(days, unit="D")
    return pd.DataFrame(values, columns=NAMES).assign(decision_time=times, shop="a")


@pytest.fixture(scope="module")
def space() -> JointSpace:
    found = fit_space(rows(12), [*NAMES, "shop"], autoencoder=True)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def reference(space: JointSpace) -> Profile:
    return joint_profile(space, rows(12))


@pytest.fixture(scope="module")
def network(space: JointSpace) -> Autoencoder:
    assert space.autoencoder is not None
    return space.autoencoder


def drift(space: JointSpace, reference: Profile, fresh: pd.DataFrame) -> dict[str, ColumnDrift]:
    found = column_drift(reference, profile_like(reference, joint_rows(space, fresh)))
    return {one.column: one for one in found}


def test_a_curved_relation_that_breaks_is_found_by_the_autoencoder_only(
    space: JointSpace, reference: Profile
) -> None:
    usual = rows(2, first=12)
    broken = usual.assign(loss=np.random.default_rng(5).permutation(usual["loss"]))
    alone = reference_profile(rows(12), NAMES)
    for fresh, alarms in ((usual, set()), (broken, {AUTOENCODER_ERROR})):
        found = drift(space, reference, fresh)
        assert set(found) == {ERROR, AUTOENCODER_ERROR, SEGMENT}
        assert {name for name, one in found.items() if one.alarm} == alarms
        assert not any(one.alarm for one in column_drift(alone, profile_like(alone, fresh)))
    assert found[AUTOENCODER_ERROR].false_alarms is not None


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_stored_numbers_give_what_the_fitted_network_predicts() -> None:
    matrix = np.random.default_rng(1).normal(size=(300, 3))
    model = MLPRegressor(
        hidden_layer_sizes=(8, 2, 8),
        activation="tanh",
        solver="lbfgs",
        alpha=1.0,
        max_iter=200,
        random_state=4,
    )
    expected = model.fit(matrix, matrix).predict(matrix)
    found = fit_autoencoder(matrix, middle=2, seed=4).repeat(matrix)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_is_the_same_each_time_and_after_it_was_stored(
    space: JointSpace, network: Autoencoder
) -> None:
    assert fit_space(rows(12), NAMES, autoencoder=True) == space
    stored = JointSpace.from_stored(space.as_json())
    pd.testing.assert_frame_equal(joint_rows(stored, rows(1)), joint_rows(space, rows(1)))
    numbers = sum(np.size(layer.weights) + len(layer.biases) for layer in network.layers)
    assert numbers == 118, "17 a column, and 17 a value in the middle and 16 more"


def test_its_middle_is_the_narrowest_layer_where_more_components_are_kept() -> None:
    independent = np.random.default_rng(3).normal(size=(AUTOENCODER_ROWS, 16))
    names = list("abcdefghijklmnop")
    found = fit_space(pd.DataFrame(independent, columns=names), names, autoencoder=True)
    assert found is not None
    assert found.autoencoder is not None
    assert len(found.components) > 8
    assert [len(layer.biases) for layer in found.autoencoder.layers] == [8, 7, 8, 16]


def test_the_error_of_a_row_does_not_depend_on_other_rows(space: JointSpace) -> None:
    fresh = rows(1)
    some = fresh.sample(20, random_state=1)
    expected = joint_rows(space, fresh).loc[some.index, AUTOENCODER_ERROR]
    found = joint_rows(space, some)[AUTOENCODER_ERROR]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_missing_and_extreme_values_have_an_error(space: JointSpace) -> None:
    fresh = rows(1)[:2].assign(load=[None, 1e300], flow=[np.nan, np.inf])
    found = joint_rows(space, fresh)[AUTOENCODER_ERROR]
    assert np.isfinite(found).all()
    assert found.iloc[1] > 2 * found.iloc[0]


def test_it_is_fitted_when_declared_and_with_enough_rows() -> None:
    enough = rows(4)[:AUTOENCODER_ROWS]
    for fitted, some in (
        (fit_space(enough, NAMES), False),
        (fit_space(enough[1:], NAMES, autoencoder=True), False),
        (fit_space(enough, NAMES, autoencoder=True), True),
    ):
        assert fitted is not None
        assert (fitted.autoencoder is not None) == some
        assert (AUTOENCODER_ERROR in joint_profile(fitted, enough).columns) == some


def test_a_space_of_an_older_release_has_none(space: JointSpace) -> None:
    stored = {name: value for name, value in space.as_json().items() if name != "autoencoder"}
    assert JointSpace.from_stored(stored) == space.model_copy(update={"autoencoder": None})
