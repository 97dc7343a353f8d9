"""The directory of a fitted model: loads without this project, and carries its evidence with it."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipelines.core.errors import IntegrityError
from pipelines.core.files import atomic_folder
from pipelines.core.formats import SCHEMA
from pipelines.core.records import Record
from pipelines.core.time import instant_text
from pipelines.packaging.serialization import StorageForm, storage_form
from pipelines.packaging.skops_canonical import make_canonical

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model
    from sklearn.pipeline import Pipeline

EVIDENCE = "extra_files"
CODE = "code"  # MLflow's name for the folder of own code
METADATA_SCHEMA = 1
_ADDED_BY_A_READER = "registered_model_meta"  # MLflow writes it into what it downloads


class Package(Record):
    """A written model directory."""

    content: str = Field(description="content_digest of the directory")
    serialization: str = Field(description="skops, or cloudpickle where skops cannot")
    predict_function: str = Field(description="what the generic (pyfunc) form of the model calls")
    requirements: tuple[str, ...]
    size_bytes: int


def write_package(
    folder: Path,
    pipeline: Pipeline,
    example: pd.DataFrame,
    *,
    probabilities: bool,
    created_at: datetime,
    facts: Mapping[str, Any],
    evidence: Mapping[str, bytes],
) -> Package:
    """Write a model directory in MLflow's format, whole or not at all; replaces an older one.

    Arguments:
        folder: where it will be; the parent must exist.
        pipeline: fitted, made of classes of storable libraries and of own code only.
        example: a few rows as the pipeline takes them; they become the signature and the example.
        probabilities: whether the generic form of the model returns probabilities.
        created_at: written into the directory; with the same input the bytes are the same.
        facts: JSON values for the directory's ``metadata`` under ``gauntlet``.
        evidence: files for ``extra_files/``, by relative path.

    Raises:
        SpecError: when the model holds a type that loads only where other code is installed.
    """
    form = storage_form(pipeline)
    function = "predict_proba" if probabilities else "predict"
    with atomic_folder(folder, replace=True) as part:
        header = _header(_metadata(facts, form.name), created_at)
        _save(part, pipeline, example, form, function, header)
        _put_evidence(part, evidence)
    return Package(
        content=content_digest(folder),
        serialization=form.name,
        predict_function=function,
        requirements=form.requirements,
        size_bytes=_size(folder),
    )


def plan_package(pipeline: Pipeline, *, probabilities: bool) -> Package:
    """How ``write_package`` would store a pipeline; nothing is written: no content, no size.

    Raises:
        As ``write_package``.
    """
    form = storage_form(pipeline)
    return Package(
        content="",
        serialization=form.name,
        predict_function="predict_proba" if probabilities else "predict",
        requirements=form.requirements,
        size_bytes=0,
    )


def complete_package(
    package: Package,
    source: Path,
    folder: Path,
    *,
    facts: Mapping[str, Any],
    evidence: Mapping[str, bytes],
) -> Package:
    """A written directory once more, with evidence and other facts; the model's bytes as they are.

    Arguments:
        package: what ``write_package`` returned for ``source``.
        source: the directory, which stays as it is.
        folder: where the new one will be, whole or not at all; replaces an older one.
        facts: as in ``write_package``, in place of those of the source.
        evidence: as in ``write_package``, beside what the source has.

    Raises:
        IntegrityError: when the source is not what was written.
    """
    from mlflow.models import Model

    verify_package(package, source)
    with atomic_folder(folder, replace=True) as part:
        shutil.copytree(source, part)
        saved = Model.load(str(part))
        saved.metadata = _metadata(facts, package.serialization)
        saved.model_uuid = _identifier(saved.metadata)
        saved.save(str(part / "MLmodel"))
        _put_evidence(part, evidence)
    return measure_again(package, folder)


def verify_package(package: Package, folder: Path) -> None:
    """Compare a directory with what was written; call it before a model in it is loaded.

    Arguments:
        package: what ``write_package`` or ``measure_again`` returned.
        folder: the directory.

    Raises:
        IntegrityError: its content is another.
    """
    found = content_digest(folder)
    if found != package.content:
        raise IntegrityError(
            "a model directory is not what was written",
            where=str(folder),
            got=found,
            wanted=package.content,
            hint="remove the run's folder and run again",
        )


def copy_model(source: Path, folder: Path) -> None:
    """Copy a model directory without its evidence; the copy loads as a model.

    Arguments:
        source: a written directory, or a verified copy of a registered one.
        folder: where the copy will be, whole or not at all; replaces an older one.
    """
    left_out = shutil.ignore_patterns(EVIDENCE, _ADDED_BY_A_READER)
    with atomic_folder(folder, replace=True) as part:
        shutil.copytree(source, part, ignore=left_out)


def measure_again(package: Package, folder: Path) -> Package:
    """The package after evidence was added to its directory: another hash and size."""
    return package.model_copy(
        update={"content": content_digest(folder), "size_bytes": _size(folder)}
    )


def _put_evidence(folder: Path, evidence: Mapping[str, bytes]) -> None:
    for name, content in evidence.items():
        path = folder / EVIDENCE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path, _ in _files(folder))


def _metadata(facts: Mapping[str, Any], serialization: str) -> dict[str, Any]:
    return {"gauntlet": {SCHEMA: METADATA_SCHEMA, **facts, "serialization": serialization}}


def _identifier(metadata: Mapping[str, Any]) -> str:
    """MLflow's id of a model directory, made of its facts: the same facts give the same bytes."""
    return hashlib.sha256(repr(sorted(metadata["gauntlet"].items())).encode()).hexdigest()[:32]


def content_digest(folder: Path) -> str:
    """SHA-256 over the sorted relative paths and the bytes of every file, 64 hexadecimal digits.

    Each path and each file is hashed by itself first, so no two directories spell the same
    stream. The one file that MLflow adds to what a reader downloads does not count.

    Raises:
        IntegrityError: when there is no such directory, or it is empty, or has a link in it.
    """
    whole = hashlib.sha256()
    found = list(_files(folder))
    if not found:
        raise IntegrityError("a model directory is empty or absent", where=str(folder))
    for path, name in found:
        if path.is_symlink():
            raise IntegrityError(
                "a model directory holds a link", where=str(path), wanted="plain files"
            )
        whole.update(hashlib.sha256(name.encode()).digest())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    named = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() or path.is_symlink()
    }
    named.pop(_ADDED_BY_A_READER, None)
    yield from ((named[name], name) for name in sorted(named))


def _header(metadata: Mapping[str, Any], created_at: datetime) -> Model:
    """The ``MLmodel`` file before the model is saved."""
    from mlflow.models import Model

    return Model(
        utc_time_created=instant_text(created_at),
        model_uuid=_identifier(metadata),
        metadata=dict(metadata),
    )


def _save(
    folder: Path,
    pipeline: Pipeline,
    example: pd.DataFrame,
    form: StorageForm,
    function: str,
    header: Model,
) -> None:
    import mlflow.sklearn
    from mlflow.models import Model, infer_signature

    predicted = getattr(pipeline, function)(example)
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)  # its pickle warning: our finding
    mlflow.sklearn.save_model(
        pipeline,
        str(folder),
        mlflow_model=header,
        signature=infer_signature(example, predicted),
        input_example=example.head(5),
        code_paths=[str(code) for code in form.code] or None,
        pip_requirements=list(form.requirements),
        serialization_format=form.name,
        skops_trusted_types=form.trusted,
        pyfunc_predict_fn=function,
        metadata=header.metadata,
    )
    if form.name == "skops":
        make_canonical(folder / "model.skops")
        saved = Model.load(str(folder))
        saved.model_size_bytes = (folder / "model.skops").stat().st_size
        saved.save(str(folder / "MLmodel"))
