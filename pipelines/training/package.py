"""The directory of a fitted model: loads without this project, and carries its evidence with it."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import pickletools
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field
from sklearn.pipeline import Pipeline
from skops import io as skops_io
from skops.io.exceptions import UnsupportedTypeException

from pipelines.core.errors import Damaged, SpecError
from pipelines.core.records import Record
from pipelines.core.time import instant_text
from pipelines.core.verdict import Finding, Gate, Verdict
from pipelines.spec.training import ALLOWED_ESTIMATORS
from pipelines.training.skops_bytes import settle

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported

EVIDENCE = "extra_files"
# A partial is stored with the function it calls, whose own name has to be allowed as well.
_STORABLE = (
    *ALLOWED_ESTIMATORS,
    "numpy.",
    "scipy.",
    "pandas.",
    "collections.",
    "functools.partial",
)
_ADDED_BY_A_READER = "registered_model_meta"  # MLflow writes it into what it downloads
_NEEDED = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy")


class Package(Record):
    """A written model directory."""

    content: str = Field(description="content_digest of the directory")
    serialization: str = Field(description="skops, or cloudpickle where skops cannot")
    predict_function: str = Field(description="what the generic (pyfunc) form of the model calls")
    requirements: tuple[str, ...]
    size_bytes: int
    findings: tuple[Finding, ...]


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
        pipeline: fitted, made of storable libraries' classes only.
        example: a few rows as the pipeline takes them; they become the signature and the example.
        probabilities: whether the generic form of the model returns probabilities.
        created_at: written into the directory; with the same input the bytes are the same.
        facts: JSON values for the directory's ``metadata`` under ``gauntlet``.
        evidence: files for ``extra_files/``, by relative path.

    Raises:
        SpecError: when the model holds a type that loads only where other code is installed.
    """
    trusted = _storable_types(pipeline)
    form = "cloudpickle" if trusted is None else "skops"
    function = "predict_proba" if probabilities else "predict"
    requirements = _requirements(pipeline, form)
    with _whole_or_not(folder) as part:
        _save(
            part,
            pipeline,
            example,
            function=function,
            form=form,
            trusted=trusted,
            requirements=requirements,
            created_at=created_at,
            metadata={"gauntlet": {**facts, "serialization": form}},
        )
        _put_evidence(part, evidence)
    return Package(
        content=content_digest(folder),
        serialization=form,
        predict_function=function,
        requirements=requirements,
        size_bytes=_size(folder),
        findings=(_serialization(form),),
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
        Damaged: when the source is not what was written.
    """
    from mlflow.models import Model

    found = content_digest(source)
    if found != package.content:
        raise Damaged(
            "a model directory is not what was written",
            where=str(source),
            got=found,
            wanted=package.content,
            do="remove the run's folder and run again",
        )
    with _whole_or_not(folder) as part:
        shutil.copytree(source, part)
        saved = Model.load(str(part))
        saved.metadata = {"gauntlet": {**facts, "serialization": package.serialization}}
        saved.model_uuid = _identifier(saved.metadata)
        saved.save(str(part / "MLmodel"))
        _put_evidence(part, evidence)
    return package.model_copy(
        update={"content": content_digest(folder), "size_bytes": _size(folder)}
    )


@contextmanager
def _whole_or_not(folder: Path) -> Iterator[Path]:
    """A path beside ``folder`` that takes its place once the block ends without an error."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        yield part
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put_evidence(folder: Path, evidence: Mapping[str, bytes]) -> None:
    for name, content in evidence.items():
        path = folder / EVIDENCE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path, _ in _files(folder))


def _identifier(metadata: Mapping[str, Any]) -> str:
    """MLflow's id of a model directory, made of its facts: the same facts give the same bytes."""
    return hashlib.sha256(repr(sorted(metadata["gauntlet"].items())).encode()).hexdigest()[:32]


def content_digest(folder: Path) -> str:
    """SHA-256 over the sorted relative paths and the bytes of every file, 64 hexadecimal digits.

    Each path and each file is hashed by itself first, so no two directories spell the same
    stream. The one file that MLflow adds to what a reader downloads does not count.

    Raises:
        Damaged: when there is no such directory, or it is empty, or has a link in it.
    """
    whole = hashlib.sha256()
    found = list(_files(folder))
    if not found:
        raise Damaged("a model directory is empty or absent", where=str(folder))
    for path, name in found:
        if path.is_symlink():
            raise Damaged("a model directory holds a link", where=str(path), wanted="plain files")
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


def _storable_types(pipeline: Pipeline) -> list[str] | None:
    """Types that a reader has to trust, or None where skops cannot store the model.

    Raises:
        SpecError: for a type outside the allowed libraries.
    """
    try:
        types = sorted(skops_io.get_untrusted_types(data=skops_io.dumps(pipeline)))
    except (UnsupportedTypeException, RecursionError, AttributeError, TypeError, ValueError):
        _refuse_foreign(_pickled_modules(pipeline))
        return None
    _refuse_foreign(types)
    return types


def _refuse_foreign(names: list[str]) -> None:
    foreign = [name for name in names if not name.startswith((*_STORABLE, "builtins."))]
    if foreign:
        raise SpecError(
            "the fitted model holds types that load only where other code is installed",
            where="estimator",
            got=f"{foreign}",
            wanted=f"types of {', '.join(prefix.rstrip('.') for prefix in _STORABLE)}",
            do="use an estimator of one of these libraries",
        )


def _pickled_modules(pipeline: Pipeline) -> list[str]:
    """Modules that a pickle of the model imports when it is loaded, each with a dot at its end."""
    content = pickle.dumps(pipeline, protocol=2)  # names each import in a GLOBAL, a plain text
    imports = {
        str(argument).split(" ")[0]
        for code, argument, _ in pickletools.genops(content)
        if code.name == "GLOBAL"
    }
    return sorted(f"{name}." for name in imports - {"copy_reg", "__builtin__", "_codecs"})


def _requirements(pipeline: Pipeline, form: str) -> tuple[str, ...]:
    library = type(pipeline[-1]).__module__.split(".")[0]
    needed = {*_NEEDED, form} | ({library} if library != "sklearn" else set())
    return tuple(f"{name}=={version(name)}" for name in sorted(needed))


def _save(
    folder: Path,
    pipeline: Pipeline,
    example: pd.DataFrame,
    *,
    function: str,
    form: str,
    trusted: list[str] | None,
    requirements: tuple[str, ...],
    created_at: datetime,
    metadata: dict[str, Any],
) -> None:
    import mlflow.sklearn
    from mlflow.models import Model, infer_signature

    predicted = getattr(pipeline, function)(example)
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)  # its pickle warning: our finding
    mlflow.sklearn.save_model(
        pipeline,
        str(folder),
        mlflow_model=Model(
            utc_time_created=instant_text(created_at),
            model_uuid=_identifier(metadata),
        ),
        signature=infer_signature(example, predicted),
        input_example=example.head(5),
        pip_requirements=list(requirements),
        serialization_format=form,
        skops_trusted_types=trusted,
        pyfunc_predict_fn=function,
        metadata=metadata,
    )
    if form == "skops":
        settle(folder / "model.skops")
        saved = Model.load(str(folder))
        saved.model_size_bytes = (folder / "model.skops").stat().st_size
        saved.save(str(folder / "MLmodel"))


def _serialization(form: str) -> Finding:
    safe = form == "skops"
    return Finding(
        gate=Gate.AVAILABILITY,
        name="availability.serialization",
        verdict=Verdict.PASS if safe else Verdict.FAIL,
        reason="the model is stored with skops: loading it runs no code from the file"
        if safe
        else "skops cannot store this estimator, so it is a pickle: load it only from a registry "
        "you trust",
        blocking=False,
    )
