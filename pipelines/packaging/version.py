"""The directory of a registered version: the one module that knows which files are in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import Field

from pipelines.core.errors import IntegrityError
from pipelines.core.findings import Finding
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Instant, Record
from pipelines.core.time import Window
from pipelines.own_code.load import packages_of
from pipelines.packaging.origin import Origin
from pipelines.packaging.package import CODE, EVIDENCE
from pipelines.spec.model import ModelSpec
from pipelines.training.split import SplitPlan, split_plan

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from pipelines.drift.version_profile import VersionProfile
    from pipelines.training.importance import Importance

R = TypeVar("R", bound=Record)

SPEC = "spec.json"
SUITE = "suite.json"
ENVELOPE = "envelope.json"
SNAPSHOT = "snapshot.json"
SPLIT = "split.json"
EVALUATION = "evaluation.json"
FINDINGS = "findings.json"
FEATURES = "features.json"
AUDIT = "audit.json"
AVAILABILITY = "availability.json"
RECORD = "record.json"
PROFILE = "profile.json"
IMPORTANCE = "importance.json"
ORIGIN = "origin.json"
UPDATE = "update.json"
PLOTS = "plots"
TWIN = "twin"
MAY_REFUSE = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"  # if false, MLflow loads no model


class SavedFeature(Record):
    """What a version keeps about one of its features."""

    definition: str = Field(description="hash of all that decides the value")
    missing_share: float | None = Field(
        default=None, description="share of the recent window's decision points without a value"
    )


class SavedFeatures(Record):
    """``features.json``: by the feature's name."""

    features: dict[str, SavedFeature]


class SavedFindings(Record):
    """``findings.json``: all that were made before the version was registered."""

    findings: tuple[Finding, ...]


class SavedSuite(Record):
    """``suite.json`` and ``envelope.json``: an expectation suite of Great Expectations."""

    suite: dict[str, Any]


class SavedUpdate(Record):
    """``update.json``: what an update added to the version before it."""

    parent: str = Field(description="number of the version that was updated")
    anchor: str = Field(description="number of the version that was fitted last")
    fitted_until: Instant = Field(description="until which all labels of the anchor's fit end")
    points: Window = Field(description="decision times that were added")
    rows: int = Field(description="of these, labelled ones")
    intervals: int = Field(description="calls of partial_fit")


@dataclass(frozen=True)
class ModelVersion:
    """A registered version with the evidence that was saved inside it.

    Arguments:
        model: the model's name.
        number: the version's number in the registry.
        folder: its directory on this machine.
        spec: the declaration that it was trained with.
        envelope: the suite generated from its training window.
        plan: its training spans and recent window.
        features: by name; empty for a version that saved none.
        update: what it added to another version; ``None``: it was fitted.
    """

    model: str
    number: str
    folder: Path
    spec: ModelSpec
    envelope: Mapping[str, Any]
    plan: SplitPlan
    features: Mapping[str, SavedFeature]
    update: SavedUpdate | None = None

    @property
    def anchor(self) -> str:
        """The version whose fit this is, updated or not."""
        return self.number if self.update is None else self.update.anchor

    @property
    def fitted_until(self) -> datetime:
        """The instant before which all labels of the serving model's fit end, without updates."""
        return self.plan.refit_until if self.update is None else self.update.fitted_until

    @property
    def plan_of_fit(self) -> SplitPlan:
        """The windows of the fit, without updates: those of the envelope and the profile."""
        return self.plan if self.update is None else split_plan(self.spec, self.update.fitted_until)

    def load_pipeline(self) -> Pipeline:
        """The fitted pipeline that serves."""
        return load_pipeline(self.folder)

    def load_twin(self) -> Pipeline:
        """The fitted pipeline that is judged: it never saw the version's recent window.

        It is the pipeline that serves if the version was not refitted.
        """
        return load_pipeline(self.twin_folder)

    @property
    def twin_folder(self) -> Path:
        """The directory of the model that is judged."""
        return evidence_path(self.folder, TWIN) if self.plan.refit else self.folder


def read_version(folder: Path, model: str, number: str) -> ModelVersion:
    """Read what was saved inside a version. Its content was verified when it was downloaded.

    Arguments:
        folder: the version's directory.
        model: the model's name.
        number: the version's number in the registry.

    Raises:
        IntegrityError: when evidence is missing or cannot be read.
    """
    try:
        features = _read_if_saved(folder, FEATURES, SavedFeatures)
        return ModelVersion(
            model=model,
            number=number,
            folder=folder,
            spec=read_spec(folder),
            envelope=read_record(folder, ENVELOPE, SavedSuite).suite,
            plan=read_record(folder, SPLIT, SplitPlan),
            features={} if features is None else features.features,
            update=_read_if_saved(folder, UPDATE, SavedUpdate),
        )
    except (OSError, ValueError) as cause:
        raise IntegrityError(
            "a version lacks the evidence that was saved inside it",
            where=f"{model} version {number}",
            got=str(cause),
            wanted=f"{SPEC}, {ENVELOPE} and {SPLIT} in {EVIDENCE}/",
            hint="roll back to a version that is complete",
        ) from cause


def read_spec(folder: Path) -> ModelSpec:
    """The declaration inside a version's directory.

    Raises:
        OSError, ValueError: when it is missing or cannot be read.
    """
    return read_record(folder, SPEC, ModelSpec)


def read_findings(folder: Path) -> tuple[Finding, ...]:
    """The findings inside a version's directory; empty for a version that saved none.

    Raises:
        OSError, ValueError: when they cannot be read.
    """
    saved = _read_if_saved(folder, FINDINGS, SavedFindings)
    return () if saved is None else saved.findings


def read_profile(folder: Path) -> VersionProfile | None:
    """The profile inside a version's directory; ``None`` for a version that saved none.

    Raises:
        FormatError: when a newer release wrote it.
        OSError, ValueError: when it cannot be read.
    """
    from pipelines.drift.version_profile import VersionProfile

    return _read_if_saved(folder, PROFILE, VersionProfile)


def read_importance(folder: Path) -> Importance | None:
    """The importance of features inside a version; ``None`` for a version that saved none.

    Raises:
        FormatError: when a newer release wrote it.
        OSError, ValueError: when it cannot be read.
    """
    from pipelines.training.importance import Importance

    return _read_if_saved(folder, IMPORTANCE, Importance)


def read_origin(folder: Path) -> Origin | None:
    """The code and environment that made a version; ``None`` for a version that saved none.

    Raises:
        FormatError: when a newer release wrote it.
        OSError, ValueError: when it cannot be read.
    """
    return _read_if_saved(folder, ORIGIN, Origin)


def _read_if_saved(folder: Path, name: str, kind: type[R]) -> R | None:
    return read_record(folder, name, kind) if evidence_path(folder, name).is_file() else None


def profile_bytes(profile: VersionProfile) -> bytes:
    """``profile.json`` without white space: it has many numbers. ``read_profile`` reads it."""
    return StoredFormat(f"{PROFILE} of a version", type(profile)).to_text(profile).encode()


def read_record(folder: Path, name: str, kind: type[R]) -> R:
    """A record among a version's evidence.

    Arguments:
        folder: the version's directory.
        name: of the document.
        kind: the record that was saved.

    Raises:
        FormatError: when a newer release wrote it.
        OSError, ValueError: when it is missing or cannot be read.
    """
    path = evidence_path(folder, name)
    return StoredFormat(f"{name} of a version", kind).from_text(path.read_bytes(), str(path))


def record_bytes(name: str, record: Record) -> bytes:
    """A document of a version's evidence, indented for people. ``read_record`` reads it."""
    value = StoredFormat(f"{name} of a version", type(record)).to_json(record)
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def evidence_path(folder: Path, name: str) -> Path:
    """Where a document or folder of a version's evidence is."""
    return folder / EVIDENCE / name


def read_input_example(folder: Path) -> list[Mapping[str, Any]]:
    """The rows that a version was registered with as an example of its input, by feature.

    A missing value is None.

    Raises:
        OSError, ValueError: the version has no example.
    """
    text = (folder / "input_example.json").read_bytes()
    # MLflow writes a missing value as NaN.
    example = json.loads(text, parse_constant=lambda name: None if name == "NaN" else float(name))
    if not example["data"]:
        raise ValueError("there is no example of its input")
    return [dict(zip(example["columns"], row, strict=True)) for row in example["data"]]


def load_pipeline(folder: Path) -> Pipeline:
    """The fitted pipeline in a model directory.

    A skops file is read without MLflow, whose import takes a worker of the service almost as long
    as all others.

    Raises:
        IntegrityError: its own code is not what was stored.
    """
    with packages_of(folder / CODE):
        saved = yaml.safe_load((folder / "MLmodel").read_bytes())["flavors"]["sklearn"]
        if saved["serialization_format"] == "skops" and MAY_REFUSE not in os.environ:
            import skops.io

            trusted = saved["skops_trusted_types"]
            pipeline: Pipeline = skops.io.load(folder / saved["pickled_model"], trusted=trusted)
        else:
            import mlflow.sklearn

            pipeline = mlflow.sklearn.load_model(str(folder))
        return pipeline
