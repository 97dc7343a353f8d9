"""Fresh points against the profile of a version that was registered with an autoencoder."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from pipelines.core.time import parse_instant
from pipelines.drift.multivariate import fit_space, joint_profile
from pipelines.drift.profile import reference_profile
from pipelines.drift.version_profile import LABEL, PREDICTION, VersionProfile
from pipelines.flows.monitor.fresh_drift import fresh_drift
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.packaging.version import PROFILE, ModelVersion, evidence_path, profile_bytes
from pipelines.spec.monitor import Drift
from pipelines.training.split import split_plan
from tests.support.training_frame import declared_regression

BEGIN = datetime(2026, 1, 5)  # noqa: DTZ001 - as in frames
TRAINED, AS_OF = parse_instant("2026-04-30"), parse_instant("2026-05-18")
INPUTS = ["size", "price", "open", "kind"]


def rows(first: int, weeks: int) -> pd.DataFrame:
    """Twenty points a day of some weeks."""
    rng = np.random.default_rng([9, first])
    days = 7 * first + np.repeat(np.arange(7 * weeks), 20)
    size = rng.normal(size=len(days))
    return pd.DataFrame(
        {
            "decision_time": BEGIN + pd.to_timedelta(days, unit="D"),
            "size": size,
            "price": size**2 + 0.1 * rng.normal(size=len(days)),
            "open": rng.random(len(days)) < 0.5,
            "kind": rng.choice(["a", "b"], len(days)),
            LABEL: size,
            PREDICTION: size,
        }
    )


@pytest.fixture(scope="module")
def champion(
    tmp_path_factory: pytest.TempPathFactory,
) -> ModelVersion:
    trained, spec = rows(0, 16), declared_regression(split={"train": "112d", "recent": "28d"})
    space = fit_space(trained, ["size", "price"], autoencoder=True)
    assert space is not None
    profile = VersionProfile(
        training=reference_profile(trained, [*INPUTS, LABEL]),
        predictions=reference_profile(trained, [PREDICTION]),
        space=space,
        joint=joint_profile(space, trained),
    )
    folder = tmp_path_factory.mktemp("version")
    path = evidence_path(folder, PROFILE)
    path.parent.mkdir(parents=True)
    path.write_bytes(profile_bytes(profile))
    return ModelVersion("toy", "1", folder, spec, {}, split_plan(spec, TRAINED), {})


@pytest.mark.parametrize(
    ("declared", "errors"),
    [
        (Drift(), {"reconstruction_error"}),
        (Drift(reconstruction=("autoencoder",), method="ks"), {"autoencoder_error"}),
        (
            Drift(reconstruction=("pca", "autoencoder")),
            {"reconstruction_error", "autoencoder_error"},
        ),
        (Drift(reconstruction=()), set()),
    ],
)
def test_what_is_compared_and_how_is_declared(
    champion: ModelVersion, declared: Drift, errors: set[str]
) -> None:
    fresh = rows(16, 3)
    served = PredictedRows(fresh, fresh[PREDICTION].to_numpy())
    found = fresh_drift(champion, fresh, served, declared, AS_OF)
    assert found is not None
    methods = {one.column: one.method for one in found.columns}
    assert set(methods) == {*INPUTS, LABEL, PREDICTION, "segment", *errors}
    assert methods["size"] == declared.method
    assert methods["kind"] == "jensen_shannon", "texts have no order"
