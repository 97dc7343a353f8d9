"""What is exported is a repository that Feast applies, fills and answers from with our values."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import SpecError
from pipelines.features.feast import feast_repository
from pipelines.flows.features.feast_export import ViewValues, export_feast
from pipelines.spec.model import ModelSpec
from tests.support.pharmacy import ON_HAND, PLAIN, SECOND, Pharmacy, declaration

FEAST = "feast>=0.67,<0.68"  # the version that the export is written against
SERVING = {"every": "1d", "delay": "2h"}
AGO = {
    "kind": "window",
    "name": "sold_ago",
    "stream": "dispensing",
    "by": ["medicine"],
    "aggregate": "time_since",
    "window": "28d",
}
KIND = AGO | {"name": "last_kind", "aggregate": "last", "column": "kind"}
TIMES = AGO | {
    "name": "times",
    "aggregate": "count",
    "where": [{"column": "chain", "in": ['"beta"', "alpha"]}],
}
Feast = Callable[..., str]


def model(**changes: Any) -> ModelSpec:
    return ModelSpec.model_validate(declaration((*PLAIN, ON_HAND, AGO, KIND, TIMES), **changes))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has Feast and, because of it, another pandas."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed, so no environment for Feast can be made")
    folder = tmp_path_factory.mktemp("feast") / "venv"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), FEAST],
    ):
        done = subprocess.run([uv, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"Feast cannot be installed here: {done.stderr.strip()[-300:]}")
    return folder / "bin"


# Feast's own commands in one process, since it takes seconds to import; then one question.
SCRIPT = """
import json, sys
from importlib.metadata import entry_points
from click.testing import CliRunner

commands, entity = json.loads(sys.argv[1])
[program] = entry_points(group="console_scripts", name="feast")
outputs = []
for words in commands:
    done = CliRunner().invoke(program.load(), words)
    if done.exit_code:
        sys.exit(f"feast {words}: {done.output} {done.exception!r}")
    outputs.append(done.output)

from feast import FeatureStore

store = FeatureStore(repo_path=".")
found = store.get_online_features(
    features=store.get_feature_service("demand"), entity_rows=[entity]
)
json.dump([outputs, found.to_dict()], open("found.json", "w"))
"""


def run(
    environment: Path, repository: Path, commands: list[list[str]], entity: dict[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """What Feast's commands print one after the other, and the features of an entity then."""
    done = subprocess.run(
        [environment / "python", "-c", SCRIPT, json.dumps([commands, entity])],
        cwd=repository,
        env={**os.environ, "FEAST_USAGE": "False", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    outputs, found = json.loads((repository / "found.json").read_text())
    return outputs, found


@pytest.mark.slow
def test_feast_applies_it_and_answers_with_the_values_that_were_exported(
    environment: Path, champion: Pharmacy, tmp_path: Path
) -> None:
    repository, pharmacy = tmp_path / "repository", champion.copy(tmp_path / "home")
    specs, parts = [model(serving=SERVING), model(name="refills")], pharmacy.parts()
    files = export_feast(repository, specs, ViewValues(parts.open_events, SECOND, parts.clock))
    assert "data/demand_stock_by_pharmacy_medicine.parquet" in files

    rows = pq.read_table(repository / "data/demand_dispensing_by_medicine.parquet").to_pylist()
    sales = pq.read_table(
        repository / "data/demand_dispensing_by_pharmacy_medicine.parquet"
    ).to_pylist()
    assert all(row["event_timestamp"] == SECOND for row in rows)
    assert all(0 <= row["sold_ago"] < 28 for row in rows), "days since the last sale"
    pair = {name: sales[0][name] for name in ("pharmacy", "medicine")}
    commands = [
        ["apply"],
        ["feature-views", "list"],
        ["feature-views", "describe", "demand_dispensing_by_medicine"],
        ["materialize", "2025-01-01T00:00:00", "2027-01-01T00:00:00"],
    ]
    (applied, listed, described, _), found = run(environment, repository, commands, pair)
    assert "Created feature service demand" in applied
    for view in (
        "dispensing_by_pharmacy_medicine",
        "dispensing_by_medicine",
        "stock_by_pharmacy_medicine",
    ):
        assert f"demand_{view} " in listed, listed
        assert f"refills_{view} " in listed, listed
    assert "180000s" in described, f"two cadences of a day and the delay of 2 h\n{described}"
    (ours,) = [row for row in rows if row["medicine"] == pair["medicine"]]
    assert found["sold"] == [sales[0]["sold"]]
    for name in ("sold_ago", "last_kind", "times"):
        assert found[name] == [ours[name]], f"Feast has another value of {name}"


def test_the_repository_matches_the_declaration() -> None:
    files = feast_repository([model(serving=SERVING, description='Packs: "many"\nand more')])
    tree = ast.parse(files["features.py"])
    calls = {
        node.targets[0].id: {word.arg: word.value for word in node.value.keywords}
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
    }
    service = calls["service_demand"]
    assert ast.literal_eval(service["description"]) == 'Packs: "many"\nand more'
    view = calls["view_demand_dispensing_by_medicine"]
    assert [entity.id for entity in view["entities"].elts] == ["entity_medicine"]  # type: ignore[attr-defined]
    assert "attribute" not in files["features.py"]
    assert "on demand: weekday is the weekday of the decision time" in files["features.py"]
    assert "on demand: medicine is medicine of the request" in files["README.md"]


def test_an_entity_of_two_types_is_two_entities() -> None:
    other = model(name="refills").as_json()
    other["streams"]["dispensing"]["columns"]["medicine"] = "integer"
    other["streams"]["stock"]["columns"]["medicine"] = "integer"
    text = feast_repository([model(), ModelSpec.model_validate(other)])["features.py"]
    assert 'Entity(name="medicine_string", join_keys=["medicine"]' in text
    assert 'Entity(name="medicine_integer", join_keys=["medicine"]' in text
    assert 'Entity(name="pharmacy", join_keys=["pharmacy"]' in text


def test_names_that_feast_cannot_have_are_refused() -> None:
    taken = model().as_json()
    taken["features"][2]["name"] = "event_timestamp"
    with pytest.raises(SpecError, match="keeps this name"):
        feast_repository([ModelSpec.model_validate(taken)])
    with pytest.raises(SpecError, match="bear one name"):
        feast_repository([model(), model()])
