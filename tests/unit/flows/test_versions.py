"""A version is fetched only with the content that the ledger decided about."""

from pathlib import Path

import pytest

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Verdict
from pipelines.flows.versions import VersionReader
from pipelines.packaging.package import content_digest
from pipelines.release.registry import Registration
from pipelines.release.version_facts import FACTS, NoSuchVersion
from tests.support.promotion_home import AT, Home, home, inputs

__all__ = ["home"]


@pytest.fixture
def reader(home: Home) -> VersionReader:
    return VersionReader(home.registry, home.folder / "versions", home.ledger)


def decided(home: Home, run: str, verdict: Verdict = Verdict.PASS) -> str:
    """A version that was judged, with the hash of its content in the ledger."""
    version = home.register(run)
    content = home.registry.get("demand", version).content
    home.promote(inputs(run, version, None, verdict, content=content))
    return version


def test_a_decided_version_is_fetched(home: Home, reader: VersionReader) -> None:
    version = decided(home, "run-1")
    assert (reader.download("demand", version) / "model.txt").read_text() == "run-1"


def test_a_rejected_version_may_be_read_as_well(home: Home, reader: VersionReader) -> None:
    version = decided(home, "run-1", Verdict.FAIL)
    assert reader.verified("demand", version).version == version


def test_a_version_that_was_removed_is_no_version_that_never_was(
    home: Home, reader: VersionReader
) -> None:
    removed, kept = decided(home, "run-1", Verdict.FAIL), decided(home, "run-2", Verdict.FAIL)
    home.registry.remove(home.registry.get("demand", removed))
    with pytest.raises(NoSuchVersion, match="was removed from the registry"):
        reader.load("demand", removed)
    with pytest.raises(NoSuchVersion, match="there is no such version"):
        reader.load("demand", "99")
    home.registry.remove(home.registry.get("demand", kept))
    with pytest.raises(NoSuchVersion, match="is GAUNTLET_MLFLOW_URI right"):
        reader.load("demand", kept)


def forge(home: Home, version: str) -> None:
    """Change a version's files, and the hash of its content in its tag."""
    model = home.folder / "registry" / "demand" / version / "model"
    (model / "model.txt").write_text("forged")
    facts = home.registry.tags("demand", version)[FACTS]
    forged = facts.replace(home.registry.get("demand", version).content, content_digest(model))
    home.registry.tag("demand", version, FACTS, forged)


def test_files_and_tag_forged_together_are_refused(home: Home, reader: VersionReader) -> None:
    version = decided(home, "run-1")
    forge(home, version)
    with pytest.raises(IntegrityError):
        reader.download("demand", version)
    assert not any((home.folder / "versions").glob("*/model.txt"))


def test_a_version_forged_between_registration_and_decision_is_refused(
    home: Home, reader: VersionReader
) -> None:
    """The decision is about the content that was registered, not about what is there by then."""
    version = home.register("run-1")
    content = home.registry.get("demand", version).content
    forge(home, version)
    with pytest.raises(IntegrityError):  # a task that decides finds the version of its run so
        home.register("run-1")
    home.promote(inputs("run-1", version, None, content=content))
    with pytest.raises(IntegrityError):
        reader.download("demand", version)
    assert not any((home.folder / "versions").glob("*/model.txt"))


def test_a_version_registered_outside_the_ledger_is_refused(
    home: Home, reader: VersionReader, tmp_path: Path
) -> None:
    decided(home, "run-1")
    package = tmp_path / "foreign"
    package.mkdir()
    (package / "model.txt").write_text("foreign")
    foreign = Registration(
        model="demand",
        run="foreign",
        recipe="r",
        spec="s",
        snapshot="n",
        as_of=AT,
        content=content_digest(package),
        split={},
        lineage="live",
        created_at=AT,
    )
    version = home.registry.register(foreign, package).version
    with pytest.raises(IntegrityError, match="does not vouch for a version"):
        reader.download("demand", version)


def test_other_files_under_the_right_tag_are_refused(home: Home, reader: VersionReader) -> None:
    version = decided(home, "run-1")
    (home.folder / "registry" / "demand" / version / "model" / "model.txt").write_text("forged")
    with pytest.raises(IntegrityError, match="does not have the recorded content"):
        reader.download("demand", version)
