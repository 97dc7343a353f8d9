"""The profile in a version: stored, read back, and absent from versions of the first release."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pipelines.core.errors import FormatError
from pipelines.drift.multivariate import fit_space, joint_profile
from pipelines.drift.profile import reference_profile
from pipelines.drift.training_range import weeks_inside
from pipelines.drift.version_profile import LABEL, PREDICTION, VersionProfile
from pipelines.packaging.version import PROFILE, evidence_path, profile_bytes, read_profile

GOLDEN = Path(__file__).parents[2] / "golden"


def small_profile() -> VersionProfile:
    rows = pd.DataFrame(
        {
            "decision_time": pd.date_range("2026-01-05", periods=20, freq="18h", tz="UTC"),
            "units": [None, *range(19)],
            "price": [1.0, 2.0, 3.0, 4.0] * 5,
            "shop": ["a", "b", "a", None] * 5,
            LABEL: [True, False] * 10,
            PREDICTION: [0.25, 0.75] * 10,
        }
    )
    space = fit_space(rows, ["units", "price", "shop"])
    assert space is not None
    joint = joint_profile(space, rows)
    return VersionProfile(
        training=reference_profile(rows, ["units", "price", "shop", LABEL]),
        predictions=reference_profile(rows[10:], [PREDICTION]),
        space=space,
        joint=joint,
        inside=weeks_inside(rows, ["units", "price"], space, joint),
    )


def with_profile(folder: Path, content: bytes) -> Path:
    path = evidence_path(folder, PROFILE)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return folder


def test_a_version_of_the_first_release_has_no_profile() -> None:
    assert read_profile(GOLDEN / "0.1.0" / "version") is None


def test_a_profile_is_stored_in_its_one_form_and_read_back(tmp_path: Path) -> None:
    """The stored bytes are part of the version's hash. After a release they do not change."""
    stored = (GOLDEN / "next" / PROFILE).read_bytes()
    assert profile_bytes(small_profile()) == stored
    assert read_profile(with_profile(tmp_path, stored)) == small_profile()


def test_a_profile_from_before_its_weeks_were_counted_is_read(tmp_path: Path) -> None:
    stored = json.loads((GOLDEN / "next" / PROFILE).read_bytes())
    assert stored.pop("inside")
    read = read_profile(with_profile(tmp_path, json.dumps(stored).encode()))
    assert read == small_profile().model_copy(update={"inside": ()})


def test_a_newer_profile_is_never_read_silently(tmp_path: Path) -> None:
    newer = json.loads(profile_bytes(small_profile())) | {"schema": 2}
    with pytest.raises(FormatError, match=r"profile\.json of a version was written by a newer"):
        read_profile(with_profile(tmp_path, json.dumps(newer).encode()))
