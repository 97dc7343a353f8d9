"""A model directory must load where this project is not installed, and its hash must mean it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from pipelines.core.errors import IntegrityError, SpecError
from pipelines.core.findings import Verdict
from pipelines.core.time import parse_instant
from pipelines.gates.availability.fast_predict import rows_of
from pipelines.gates.availability.serialization import serialization_finding
from pipelines.packaging import package as module
from pipelines.packaging.package import complete_package, content_digest, write_package
from pipelines.packaging.version import load_pipeline, read_input_example

ROOT = Path(__file__).parents[3]
STRANGER = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pipelines":
            raise ImportError("a stranger has no pipelines")
sys.meta_path.insert(0, Refuse())
import json, warnings
warnings.simplefilter("ignore")
import mlflow, pandas as pd
for folder in sys.argv[2:]:
    rows = pd.read_pickle(sys.argv[1])
    by_sklearn = mlflow.sklearn.load_model(folder)
    by_pyfunc = mlflow.pyfunc.load_model(folder)
    print(json.dumps([by_sklearn.predict(rows).tolist(), by_pyfunc.predict(rows).tolist()]))
assert not any(name.split(".")[0] == "pipelines" for name in sys.modules)
"""


def test_a_model_loads_and_predicts_without_this_project(pack: Callable, tmp_path: Path) -> None:
    kinds = [pack("regression"), pack("classes"), pack("own")]
    rows = kinds[0].rows
    rows.to_pickle(tmp_path / "rows.pickle")  # exact: bins of the model end at values of the rows
    command = [sys.executable, "-I", "-B", "-c", STRANGER, str(tmp_path / "rows.pickle")]
    done = subprocess.run(
        [*command, *(str(packed.folder) for packed in kinds)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    regression, classes, own = (json.loads(line) for line in done.stdout.splitlines())
    wanted = kinds[0].pipeline.predict(rows)
    np.testing.assert_allclose(regression[0], wanted, rtol=1e-12)
    np.testing.assert_allclose(regression[1], wanted, rtol=1e-12)
    np.testing.assert_array_equal(classes[0], kinds[1].pipeline.predict(rows))
    probability = kinds[1].pipeline.predict_proba(rows)
    np.testing.assert_allclose(classes[1], probability, rtol=1e-12)
    np.testing.assert_allclose(own, [2 * rows["size"]] * 2, rtol=1e-12)


@pytest.mark.parametrize("kind", ["regression", "classes", "own"])
def test_a_version_is_read_as_mlflow_reads_it(pack: Callable, kind: str) -> None:
    packed = pack(kind)
    theirs = mlflow.sklearn.load_model(str(packed.folder))
    ours = load_pipeline(packed.folder)
    np.testing.assert_array_equal(ours.predict(packed.rows), theirs.predict(packed.rows))
    example: Any = Model.load(str(packed.folder)).load_input_example(str(packed.folder))
    assert read_input_example(packed.folder) == rows_of(example)
    assert rows_of(example)[0]["kind"] is None, "no missing value is compared"


def test_a_service_reads_a_version_without_importing_mlflow(pack: Callable) -> None:
    read = """
import sys
from pathlib import Path
from pipelines.packaging.version import load_pipeline, read_input_example
read_input_example(Path(sys.argv[1])), load_pipeline(Path(sys.argv[1]))
sys.exit("mlflow" in sys.modules)
"""
    command = [sys.executable, "-c", read, str(pack("regression").folder)]
    assert subprocess.run(command, check=False, cwd=ROOT).returncode == 0


def test_mlflows_refusal_to_load_models_counts(
    pack: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(MlflowException, match="disallowed"):
        load_pipeline(pack("regression").folder)


def test_own_code_is_stored_by_its_hash_and_loaded_from_there(
    pack: Callable, tmp_path: Path
) -> None:
    packed = pack("own")
    [code] = (packed.folder / "code").iterdir()
    assert sorted(path.name for path in code.iterdir()) == ["__init__.py", "columns.py", "shops.py"]
    path = list(sys.path)
    loaded = load_pipeline(packed.folder)
    assert type(loaded[-1][-1]) is type(packed.pipeline[-1][-1])
    assert sys.path == path
    assert _write(tmp_path / "again", packed).content == packed.package.content
    changed = shutil.copytree(packed.folder, tmp_path / "changed")
    (changed / "code" / code.name / "columns.py").write_text("def sizes(rows):\n    return 0\n")
    with pytest.raises(IntegrityError, match="not what was stored"):
        load_pipeline(changed)


def test_loading_through_mlflow_imports_no_own_code_from_the_version(
    pack: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pack("own")
    for name in [name for name in sys.modules if name.startswith("gauntlet_code_")]:
        monkeypatch.delitem(sys.modules, name)  # as in a new process
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    load_pipeline(packed.folder)
    assert content_digest(packed.folder) == packed.package.content
    assert str(packed.folder / "code") not in sys.path


def test_a_package_reports_what_it_needs_and_no_more(pack: Callable) -> None:
    packed = pack("regression")
    lines = (packed.folder / "requirements.txt").read_text().split()
    names = {line.split("==")[0] for line in lines}
    assert names == {"mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"}
    assert all("==" in line for line in lines)
    saved = mlflow.models.Model.load(str(packed.folder))
    assert saved.signature is not None
    assert saved.metadata["gauntlet"] == {"schema": 1, "model": "demand", "serialization": "skops"}
    assert serialization_finding(packed.package.serialization).verdict is Verdict.PASS


def _write(folder: Path, packed: Any, **other: Any) -> module.Package:
    arguments: dict[str, Any] = {
        "probabilities": False,
        "created_at": parse_instant("2026-01-05"),
        "facts": {"model": "demand"},
        "evidence": {"envelope.json": b'{"name": "envelope"}', "plots/daily.png": b"png"},
    }
    return write_package(folder, packed.pipeline, packed.rows.head(60), **(arguments | other))


def test_a_completed_package_is_what_would_have_been_written_at_once(
    pack: Callable, tmp_path: Path
) -> None:
    packed = pack("regression")
    facts, evidence = {"model": "demand", "run": "a.1"}, {"plots/new.png": b"new"}
    before = content_digest(packed.folder)
    completed = complete_package(
        packed.package, packed.folder, tmp_path / "later", facts=facts, evidence=evidence
    )
    there = {
        path.relative_to(packed.folder / "extra_files").as_posix(): path.read_bytes()
        for path in (packed.folder / "extra_files").rglob("*")
        if path.is_file()
    }
    at_once = _write(tmp_path / "at_once", packed, facts=facts, evidence=there | evidence)
    assert completed == at_once
    assert content_digest(packed.folder) == before, "the source was changed"
    np.testing.assert_array_equal(
        mlflow.sklearn.load_model(str(tmp_path / "later")).predict(packed.rows),
        packed.pipeline.predict(packed.rows),
    )


def test_a_changed_candidate_is_not_completed(pack: Callable, tmp_path: Path) -> None:
    packed = pack("regression")
    source = tmp_path / "source"
    shutil.copytree(packed.folder, source)
    (source / "model.skops").write_bytes(b"other")
    with pytest.raises(IntegrityError, match="not what was written"):
        complete_package(packed.package, source, tmp_path / "later", facts={}, evidence={})
    assert not (tmp_path / "later").exists()


def test_the_same_model_gives_the_same_hash(pack: Callable, tmp_path: Path) -> None:
    packed = pack("regression")
    assert _write(tmp_path / "again", packed).content == packed.package.content
    other = _write(tmp_path / "other", packed, evidence={"envelope.json": b"{}"})
    assert other.content != packed.package.content


def test_the_hash_sees_names_bytes_and_nothing_that_a_reader_adds(
    pack: Callable, tmp_path: Path
) -> None:
    packed = pack("regression")
    folder = tmp_path / "model"
    before = _write(folder, packed).content
    (folder / "registered_model_meta").write_text("model_name: demand")
    assert content_digest(folder) == before
    (folder / "conda.yaml").rename(folder / "conda.yml")
    assert content_digest(folder) != before
    (folder / "conda.yml").rename(folder / "conda.yaml")
    assert content_digest(folder) == before
    with pytest.raises(IntegrityError, match="empty or absent"):
        content_digest(tmp_path / "nowhere")


def local_function(rows: object) -> object:
    return rows


@pytest.mark.parametrize("function", [local_function, content_digest])
def test_a_model_made_of_our_own_code_is_refused(
    function: object, pack: Callable, tmp_path: Path
) -> None:
    packed = pack("regression")
    foreign = make_pipeline(FunctionTransformer(function), packed.pipeline)
    with pytest.raises(SpecError, match="other code"):
        write_package(
            tmp_path / "model",
            foreign,
            packed.rows.head(5),
            probabilities=False,
            created_at=parse_instant("2026-01-05"),
            facts={},
            evidence={},
        )
    assert list(tmp_path.iterdir()) == [], "a refused model leaves nothing behind"


def test_a_model_that_skops_cannot_store_is_a_pickle_with_a_message(
    pack: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise RecursionError("a model that refers to itself")

    packed = pack("regression")
    monkeypatch.setattr("skops.io.dumps", cannot)
    made = _write(tmp_path / "model", packed)
    assert made.serialization == "cloudpickle"
    finding = serialization_finding(made.serialization)
    assert (finding.verdict, finding.blocking) == (Verdict.FAIL, False)
    loaded = load_pipeline(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(packed.rows), packed.pipeline.predict(packed.rows))
