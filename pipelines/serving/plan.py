"""The serving plan: a small file that names a model's versions and divides the traffic.

Workers watch the file for changes.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from pipelines.core.errors import IntegrityError
from pipelines.core.files import write_bytes
from pipelines.core.formats import StoredFormat
from pipelines.core.names import Name
from pipelines.core.records import Record
from pipelines.predictions.assignment import Allocation


class PlannedVersion(Record):
    """A version to load."""

    version: str
    content: str = Field(pattern=r"^[0-9a-f]{64}$", description="hash of its directory")
    folder: str = Field(description="the verified copy on this machine")


class PlannedSegments(Record):
    """The segments that have a champion of their own."""

    column: str = Field(description="a key of the decision point")
    versions: dict[str, PlannedVersion] = Field(min_length=1, description="by the key's value")


class ServingPlan(Record):
    """The versions that answer a model's requests, and how the traffic is divided.

    Without a challenger the allocation is not used: the champion answers every request, except
    those about segments that have a champion of their own.
    """

    model: Name
    champion: PlannedVersion
    challenger: PlannedVersion | None = None
    segments: PlannedSegments | None = None
    allocation: Allocation = Allocation(salt="none")

    @property
    def segment_versions(self) -> dict[str, PlannedVersion]:
        """The champions of segments, by the value of their key."""
        return self.segments.versions if self.segments else {}

    @property
    def versions(self) -> frozenset[PlannedVersion]:
        """Every version that answers, or receives a copy of requests."""
        trial = [self.challenger] if self.challenger else []
        return frozenset([self.champion, *self.segment_versions.values(), *trial])


PLAN = StoredFormat("a serving plan", ServingPlan)


def write_plan(folder: Path, plan: ServingPlan) -> None:
    """Write a plan for the workers, atomically.

    If the file already holds this plan, only its modification time is updated, which confirms it.

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
    """Modification time of the plan in ns, new at each confirmation; None without a plan."""
    try:
        return plan_path(folder, model).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def read_plan(folder: Path, model: str) -> ServingPlan | None:
    """The plan of a model; None when it has no plan yet.

    Raises:
        IntegrityError: when the file is not a valid plan.
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
    """Path of a model's plan file."""
    return folder / f"{model}.json"
