"""Versions in a service: verified, loaded, and warm before the first request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.core.errors import GauntletError, IntegrityError
from pipelines.core.findings import Verdict
from pipelines.features.online.lookup import prepare
from pipelines.gates.availability.fast_predict import recorded_verdict
from pipelines.packaging.fast_predict import (
    Predict,
    Row,
    compiled,
    example_rows,
    interpreted,
    matches,
)
from pipelines.packaging.package import content_digest
from pipelines.packaging.version import load_pipeline, read_input_example, read_spec
from pipelines.serving.plan import PlannedVersion
from pipelines.spec.fields import ColumnType
from pipelines.spec.model import ModelSpec
from pipelines.training.columns import text_features


@dataclass(frozen=True)
class LoadedVersion:
    """A version that can answer."""

    number: str
    content: str
    spec: ModelSpec
    predict: Predict
    is_compiled: bool

    @cached_property
    def request_columns(self) -> Mapping[str, ColumnType]:
        """See ``ModelSpec.request_columns``; computed once, because each request needs them."""
        return self.spec.request_columns()

    @cached_property
    def needs_events(self) -> bool:
        """Whether its window features are computed from the events when they are looked up."""
        return self.spec.serving is None and bool(self.spec.frame.window_features)

    def answer(self, rows: Sequence[Row]) -> Floats:
        """Predict rows of features, given by name.

        Returns:
            Predictions, float64 of shape (n,).

        Raises:
            IntegrityError: when a prediction is not finite.
        """
        found = self.predict(rows)
        if not np.isfinite(found).all():
            raise IntegrityError(
                "a model predicts what is not a number",
                where=f"{self.spec.name} version {self.number}",
                got=f"{found[~np.isfinite(found)][:3].tolist()}",
            )
        return found


def load_for_serving(serving: PlannedVersion) -> LoadedVersion:
    """Check a version's hash, load it with its own features, and predict its input example.

    The compiled pipeline is used if registration did not find that its predictions differ, and if
    it predicts the example like the interpreted pipeline with the installed libraries. Otherwise
    the interpreted pipeline is used.

    Arguments:
        serving: the version to load.

    Raises:
        IntegrityError: when its content differs from what was registered, or it cannot be loaded
            or cannot predict its example.
        SpecError: a function of its features cannot be loaded or called here.
    """
    folder = Path(serving.folder)
    found = content_digest(folder)
    if found != serving.content:
        raise _not_servable(serving, f"content {found}", f"content {serving.content}")
    try:
        spec, example, pipeline = _read(folder)
        prepare(spec)
        texts, names = text_features(spec), spec.input_names
        may = recorded_verdict(folder) in (Verdict.PASS, None)
        slow = interpreted(pipeline, texts, names)
        fast = compiled(pipeline, texts, names) if may else None
        trials = example_rows(example, texts)
        equal = fast is not None and matches(slow, fast, trials)
        loaded = LoadedVersion(
            number=serving.version,
            content=serving.content,
            spec=spec,
            predict=fast if fast is not None and equal else slow,
            is_compiled=equal,
        )
        loaded.answer(example)
    except GauntletError:
        raise
    except Exception as cause:  # unpickling can raise any exception
        raise _not_servable(
            serving, repr(cause), "a model that predicts its own example"
        ) from cause
    return loaded


def _read(folder: Path) -> tuple[ModelSpec, list[Row], Any]:
    return read_spec(folder), read_input_example(folder), load_pipeline(folder)


def _not_servable(serving: PlannedVersion, got: str, wanted: str) -> IntegrityError:
    return IntegrityError(
        "a version cannot be served",
        where=f"version {serving.version}: {serving.folder}",
        got=got,
        wanted=wanted,
        hint="the version before goes on serving; roll back, or remove the copy to fetch it again",
    )
