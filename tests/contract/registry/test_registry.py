"""What every registry must do: a folder, MLflow on a file, and a real MLflow server."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import numpy as np
import pytest

from pipelines.adapters.registry.folder import FolderRegistry
from pipelines.adapters.registry.mlflow import MlflowRegistry
from pipelines.core.errors import GauntletError, IntegrityError
from pipelines.packaging.package import content_digest
from pipelines.release.registry import LONGEST_DESCRIPTION, Registration, Registry, Shown

Make = Callable[..., Registration]
SHOWN = Shown(parameters={"estimator": "HistGradientBoosting"}, metrics={"absolute_error": 4.1})


@pytest.fixture(params=["folder", "mlflow_file", "mlflow_server"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    if request.param == "folder":
        return FolderRegistry(tmp_path / "registry")
    address = "database" if request.param == "mlflow_file" else "server"
    return MlflowRegistry(request.getfixturevalue(address))


@pytest.fixture
def model(request: pytest.FixtureRequest) -> str:
    """A model name of the test's own, since the MLflow registries outlive a test."""
    return "m_" + "".join(c if c.isalnum() else "_" for c in request.node.name)


def test_a_registered_version_is_found_with_its_facts(
    registry: Registry, model: str, pack: Callable, registration: Make
) -> None:
    given = registration("r1", model)
    assert registry.find(model, "r1") is None
    made = registry.register(given, pack("regression").folder, SHOWN)
    assert made.version == "1"
    assert made.model_dump(exclude={"version"}) == given.model_dump()
    assert registry.find(model, "r1") == made
    assert registry.get(model, "1") == made
    assert registry.versions(model) == (made,)


def test_a_run_that_registers_twice_has_one_version(
    registry: Registry, model: str, pack: Callable, registration: Make
) -> None:
    folder = pack("regression").folder
    first = registry.register(registration("r1", model), folder, SHOWN)
    assert registry.register(registration("r1", model), folder, SHOWN) == first
    second = registry.register(registration("r2", model), folder)
    assert [info.version for info in registry.versions(model)] == [first.version, second.version]


def test_a_run_cannot_register_another_model(
    registry: Registry, model: str, pack: Callable, registration: Make
) -> None:
    registry.register(registration("r1", model), pack("regression").folder)
    other = pack("classes")
    with pytest.raises(IntegrityError, match="another model before"):
        registry.register(registration("r1", model, content=other.package.content), other.folder)
    assert len(registry.versions(model)) == 1


def test_a_folder_that_is_not_what_was_registered_is_refused(
    registry: Registry, model: str, pack: Callable, registration: Make
) -> None:
    with pytest.raises(IntegrityError, match="recorded content"):
        registry.register(registration("r1", model, content="0" * 64), pack("regression").folder)
    assert registry.versions(model) == ()


def test_a_download_has_every_byte(
    registry: Registry, model: str, pack: Callable, registration: Make, tmp_path: Path
) -> None:
    made = registry.register(registration("r1", model), pack("regression").folder)
    got = registry.download(made, tmp_path / "cache")
    assert content_digest(got) == made.content
    assert json.loads((got / "extra_files/envelope.json").read_text()) == {"name": "envelope"}
    assert registry.download(made, tmp_path / "cache") == got
    (got / "MLmodel").write_text("cut short")
    again = registry.download(made, tmp_path / "cache")
    assert content_digest(again) == made.content, "a damaged copy in the cache is fetched again"


def _stored_files(registry: Registry, model: str, server_home: Path | None) -> Path:
    """The stored MLmodel of version 1, found without the registry's own code."""
    if isinstance(registry, FolderRegistry):
        return registry._root / model / "1" / "model"
    source = mlflow.MlflowClient().get_model_version(model, "1").source
    stored = mlflow.MlflowClient().get_logged_model(source.removeprefix("models:/"))
    location = stored.artifact_location
    if location.startswith("mlflow-artifacts:/"):
        assert server_home is not None
        return server_home / "files" / location.removeprefix("mlflow-artifacts:/").lstrip("/")
    return Path(location.removeprefix("file://"))


@pytest.mark.parametrize("harm", ["changed", "one_lost", "all_lost"])
def test_a_damaged_artifact_is_never_handed_out(
    registry: Registry,
    model: str,
    harm: str,
    pack: Callable,
    registration: Make,
    tmp_path: Path,
    server_home: Path,
) -> None:
    made = registry.register(registration("r1", model), pack("regression").folder)
    stored = _stored_files(registry, model, server_home)
    if harm == "changed":
        (stored / "extra_files/envelope.json").write_text('{"name": "another"}')
    else:
        for path in stored.rglob("*.json" if harm == "one_lost" else "*"):
            if path.is_file():
                path.unlink()
    with pytest.raises(IntegrityError):
        registry.download(made, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == [], "nothing half-fetched may stay behind"


def test_an_alias_points_moves_and_goes(
    registry: Registry, model: str, pack: Callable, registration: Make
) -> None:
    assert registry.alias(model, "champion") is None
    folder = pack("regression").folder
    for run in ("r1", "r2"):
        registry.register(registration(run, model), folder)
    registry.set_alias(model, "champion", "1")
    registry.set_alias(model, "champion", "1")
    registry.set_alias(model, "challenger", "2")
    assert registry.alias(model, "champion") == "1"
    registry.set_alias(model, "champion", "2")
    assert (registry.alias(model, "champion"), registry.alias(model, "challenger")) == ("2", "2")
    registry.set_alias(model, "champion", None)
    registry.set_alias(model, "champion", None)
    assert registry.alias(model, "champion") is None
    with pytest.raises(GauntletError, match="no such version"):
        registry.set_alias(model, "champion", "9")


def test_two_writers_at_once_both_come_to_their_end(
    registry: Registry, model: str, pack: Callable, registration: Make
) -> None:
    """Two steps of one release may meet here; the ledger knows which of them counts."""
    registry.register(registration("r1", model), pack("regression").folder)
    turns = 300 if isinstance(registry, FolderRegistry) else 10  # a database is slower to meet in

    def write(entity: int) -> None:
        for turn in range(turns):
            registry.set_alias(model, "challenger", "1")
            registry.tag(model, "1", "note", f"{entity}, {turn}")

    with ThreadPoolExecutor(2) as both:
        list(both.map(write, range(2)))
    assert registry.alias(model, "challenger") == "1"
    assert registry.tags(model, "1")["note"] in [f"{entity}, {turns - 1}" for entity in range(2)]


def test_only_the_live_lineage_may_serve(
    registry: Registry, model: str, pack: Callable, registration: Make
) -> None:
    made = registry.register(registration("r1", model, lineage="past"), pack("regression").folder)
    with pytest.raises(GauntletError, match="outside the live lineage"):
        registry.set_alias(model, "champion", made.version)
    assert registry.alias(model, "champion") is None


def test_versions_of_a_backfill_leave_no_holes_in_the_numbers_of_live(
    registry: Registry, model: str, pack: Callable, registration: Make, tmp_path: Path
) -> None:
    folder, made = pack("regression").folder, []
    for run, lineage in (("r1", "live"), ("r2", "past"), ("r3", "live"), ("r4", "other")):
        made.append(registry.register(registration(run, model, lineage=lineage), folder))
    assert [one.version for one in made] == ["1", "backfill-1", "2", "backfill-2"]
    assert registry.versions(model) == (made[0], made[2], made[1], made[3])
    backfilled = made[1]
    assert registry.find(model, "r2") == registry.get(model, "backfill-1") == backfilled
    assert content_digest(registry.download(backfilled, tmp_path)) == backfilled.content
    registry.describe(model, "backfill-1", "A page.")
    registry.tag(model, "backfill-1", "key", "value")
    registry.link_backfills(model, "live and past", "http://old")
    registry.link_backfills(model, "live and past", "http://new")
    assert registry.described(model, "1") == ""
    assert registry.described(model, "backfill-1") == "A page."
    assert registry.tags(model, "backfill-1")["key"] == "value"
    registry.remove(backfilled)
    assert [one.version for one in registry.versions(model)] == ["1", "2", "backfill-2"]
    assert registry.find(model, "r2") is None


def test_tags_and_description_can_be_added(
    registry: Registry, model: str, pack: Callable, registration: Make
) -> None:
    assert registry.tags(model, "1") == {}
    registry.register(registration("r1", model), pack("regression").folder)
    registry.tag(model, "1", "outcome", "promoted")
    assert registry.described(model, "1") == ""
    registry.describe(model, "1", "Promoted, ![so](extra_files/plots/a.png).")
    page = registry.described(model, "1")
    assert page.startswith("Promoted, ![so](")
    registry.describe(model, "1", f"Since then.\n{page}")
    assert registry.described(model, "1") == f"Since then.\n{page}", (
        "a page is taken as it was given"
    )
    tags = dict(registry.tags(model, "1"))
    assert tags.pop("gauntlet.facts").startswith("{"), "hashes and windows are in one tag"
    assert tags == {
        "as_of": "2026-01-05",
        "lineage": "live",
        "gain": "+1.5 absolute_error",
        "outcome": "promoted",
    }
    assert registry.get(model, "1").tags == {"gain": "+1.5 absolute_error", "outcome": "promoted"}
    for act in (
        lambda: registry.tag(model, "9", "key", "value"),
        lambda: registry.describe(model, "9", "text"),
        lambda: registry.described(model, "9"),
        lambda: registry.get(model, "9"),
    ):
        with pytest.raises(GauntletError, match="no such version"):
            act()


def test_a_page_is_never_longer_than_mlflows_database_can_hold(
    server: str, pack: Callable, registration: Make
) -> None:
    registry = MlflowRegistry(server)
    registry.register(registration("r1", "long_page"), pack("regression").folder, SHOWN)
    registry.describe("long_page", "1", "one line of a page\n" * 400)
    registry.describe_model("long_page", "one line of a page\n" * 400)
    model = mlflow.MlflowClient(server).get_registered_model("long_page")
    for page in (registry.described("long_page", "1"), model.description):
        assert LONGEST_DESCRIPTION - 80 < len(page) <= LONGEST_DESCRIPTION
        assert page.endswith("one line of a page\n\n*The rest is too long for this page.*\n")


def test_mlflows_own_addresses_work(server: str, pack: Callable, registration: Make) -> None:
    packed = pack("regression")
    registry = MlflowRegistry(server)
    registry.register(registration("r1", "own"), packed.folder, SHOWN)
    registry.set_alias("own", "champion", "1")
    wanted = packed.pipeline.predict(packed.rows)
    for loaded in (
        mlflow.sklearn.load_model("models:/own/1"),
        mlflow.pyfunc.load_model("models:/own@champion"),
    ):
        np.testing.assert_array_equal(loaded.predict(packed.rows), wanted)
    envelope = mlflow.artifacts.download_artifacts("models:/own/1/extra_files/envelope.json")
    assert json.loads(Path(envelope).read_text()) == {"name": "envelope"}
    client = mlflow.MlflowClient()
    source = client.get_model_version("own", "1").source
    logged = client.get_logged_model(source.removeprefix("models:/"))
    assert {metric.key: metric.value for metric in logged.metrics} == SHOWN.metrics
    assert logged.params == SHOWN.parameters
    run = client.get_run(logged.source_run_id)
    assert run.data.metrics == SHOWN.metrics
    assert run.inputs.dataset_inputs[0].dataset.digest == "c" * 36


def test_a_removed_version_is_gone_and_its_number_is_not_given_again(
    registry: Registry, model: str, pack: Callable, registration: Make, tmp_path: Path
) -> None:
    folder = pack("regression").folder
    first, second = (registry.register(registration(run, model), folder) for run in ("r1", "r2"))
    registry.set_alias(model, "champion", second.version)
    with pytest.raises(GauntletError, match="alias"):
        registry.remove(second)
    for _ in range(2):  # repeatable
        registry.remove(first)
    assert registry.versions(model) == (second,)
    assert registry.find(model, "r1") is None
    assert not registry.tags(model, first.version)
    assert registry.alias(model, "champion") == second.version
    assert content_digest(registry.download(second, tmp_path)) == second.content
    third = registry.register(registration("r3", model), folder)
    assert third.version not in (first.version, second.version)
