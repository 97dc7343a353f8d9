"""The plan: which versions answer for a model, and for whom. One small file that workers watch."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from pipelines.core.errors import IntegrityError
from pipelines.core.files import write_bytes
from pipelines.core.formats import StoredFormat
from pipelines.core.records import Record
from pipelines.predictions.assignment import Allocation
from pipelines.spec.fields import Name


class PlannedVersion(Record):
    """A version that is to be loaded."""

    version: str
    content: str = Field(pattern=r"^[0-9a-f]{64}$", description="hash of its directory")
    folder: str = Field(description="the verified copy on this machine")


class ServingPlan(Record):
    """Who answers a model's requests from now on.

    Without a challenger the allocation plays no part: the champion answers everybody.
    """

    model: Name
    champion: PlannedVersion
    challenger: PlannedVersion | None = None
    allocation: Allocation = Allocation(salt="none")


PLAN = StoredFormat("a serving plan", ServingPlan)


def write_plan(folder: Path, plan: ServingPlan) -> None:
    """Put a plan where workers look for it; complete or absent.

    One that stands there already is only stamped: the registry has said it again.

    Raises:
        Unavailable: when the disk is full.
    """
    path = plan_path(folder, plan.model)
    content = PLAN.to_text(plan).encode()
    if path.is_file() and path.read_bytes() == content:
        os.utime(path)
    else:
        write_bytes(path, content)


def plan_stamp(folder: Path, model: str) -> int | None:
    """Another number whenever the registry has said who answers; none without a plan."""
    try:
        return plan_path(folder, model).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def read_plan(folder: Path, model: str) -> ServingPlan | None:
    """The plan of a model; none when nothing was planned yet.

    Raises:
        IntegrityError: when the file is no plan.
    """
    path = plan_path(folder, model)
    try:
        return PLAN.from_text(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except ValueError as cause:
        raise IntegrityError(
            "a serving plan cannot be read",
            where=str(path),
            got=str(cause),
            hint="delete the file: the service writes it again",
        ) from cause


def plan_path(folder: Path, model: str) -> Path:
    """The file of a model's plan."""
    return folder / f"{model}.json"
