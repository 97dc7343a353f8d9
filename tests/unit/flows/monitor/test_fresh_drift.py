"""Fresh points against the profile of a version that was registered with an autoencoder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.core.time import parse_instant
from pipelines.core.weeks import WEEK
from pipelines.drift.calibration import ColumnDrift
from pipelines.drift.multivariate import fit_space, joint_profile
from pipelines.drift.profile import reference_profile
from pipelines.drift.version_profile import LABEL, PREDICTION, VersionProfile
from pipelines.flows.monitor.fresh_drift import fresh_drift
from pipelines.monitoring.metrics.predicted_rows import PredictedRows
from pipelines.packaging.version import PROFILE, ModelVersion, evidence_path, profile_bytes
from pipelines.spec.monitor import Drift, Monitoring
from pipelines.training.split import split_plan
from tests.support.training_frame import declared_regression

BEGIN = datetime(2026, 1, 5)  # noqa: DTZ001 - as in frames
TRAINED, AS_OF = parse_instant("2026-04-30"), parse_instant("2026-05-04")
INPUTS = ["size", "price", "open", "kind"]
DEFAULT = Drift()


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


def registered(trained: pd.DataFrame, folder: Path, **split: object) -> ModelVersion:
    """A version whose profile has these rows, until the twenty-seventh of April."""
    space = fit_space(trained, ["size", "price"], autoencoder=True)
    assert space is not None
    profile = VersionProfile(
        training=reference_profile(trained, [*INPUTS, LABEL]),
        predictions=reference_profile(trained, [PREDICTION]),
        space=space,
        joint=joint_profile(space, trained),
    )
    path = evidence_path(folder, PROFILE)
    path.parent.mkdir(parents=True)
    path.write_bytes(profile_bytes(profile))
    spec = declared_regression(split={"train": "112d", "recent": "28d", **split})
    return ModelVersion("toy", "1", folder, spec, {}, split_plan(spec, TRAINED), {})


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    return registered(rows(0, 16), tmp_path_factory.mktemp("version"))


def compared(
    champion: ModelVersion, fresh: pd.DataFrame, as_of: datetime, declared: Drift = DEFAULT
) -> dict[str, ColumnDrift]:
    served = PredictedRows(fresh, fresh[PREDICTION].to_numpy())
    found = fresh_drift(champion, fresh, served, Monitoring(drift=declared), as_of)
    assert found is not None
    return {one.column: one for one in found.columns}


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
    found = compared(champion, rows(16, 1), AS_OF, declared)
    assert set(found) == {*INPUTS, LABEL, PREDICTION, "segment", *errors}
    assert found["size"].method == declared.method
    assert found["kind"].method == "jensen_shannon", "texts have no order"


def test_a_champion_that_was_just_refreshed_has_an_alarm_of_what_its_last_weeks_changed(
    champion: ModelVersion, tmp_path: Path
) -> None:
    """Its refit knows the change; the twin that was judged in these weeks does not."""
    whole = rows(0, 17)
    changed = parse_instant("2026-04-13")
    late = whole["decision_time"] >= changed.replace(tzinfo=None)
    whole.loc[late, ["size", PREDICTION]] += 2.0
    trained = whole["decision_time"] < "2026-04-27"
    refreshed = registered(whole[trained], tmp_path)
    found = compared(refreshed, whole[~trained], AS_OF)
    assert {name for name, one in found.items() if one.alarm} >= {"size", PREDICTION}
    assert found["size"].since == changed
    assert [len(found[name].weeks) for name in ("size", LABEL)] == [5, 5]
    assert not any(one.alarm for one in compared(champion, rows(16, 1), AS_OF).values())


def test_weeks_of_training_count_as_fresh_at_most_four_and_only_next_to_fresh_ones(
    champion: ModelVersion,
) -> None:
    later = AS_OF + 10 * WEEK
    assert len(compared(champion, rows(18, 9), later)["size"].weeks) == 9
    assert compared(champion, rows(18, 9), later)["size"].reference_weeks == 16


def test_of_the_predictions_of_a_version_without_a_refit_four_weeks_count_as_fresh(
    tmp_path: Path,
) -> None:
    """Its training ended before a recent window of eight weeks."""
    alone = registered(rows(0, 16), tmp_path, refit=False, recent="56d")
    found = compared(alone, rows(16, 1), AS_OF)[PREDICTION]
    assert (found.reference_weeks, len(found.weeks)) == (12, 5)


def test_a_short_span_of_training_keeps_its_reference(tmp_path: Path) -> None:
    found = compared(registered(rows(12, 4), tmp_path), rows(16, 1), AS_OF)
    assert {(one.reference_weeks, len(one.weeks)) for one in found.values()} == {(4, 1)}
