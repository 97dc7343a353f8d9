"""What a step needs where every step has a pod of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.spec.fields import Declaration

RetrainStep = Literal[
    "snapshot",
    "contract",
    "features",
    "availability",
    "train",
    "evaluate",
    "record",
    "audit",
    "register",
    "decide",
]
# The tasks of the DAGs that do the work; the others only ask and wait.
ResourceTask = Literal[RetrainStep, "materialize", "monitor", "release", "score", "update"]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(Mi|Gi)$", examples=["2Gi", "512Mi"])]
Cpu = Annotated[float, Field(gt=0, le=1024)]


class Resources(Declaration):
    """Memory and processor time of one task. They replace those of the pod template."""

    memory: Memory | None = Field(
        default=None, description="requested, and the limit above which the pod is killed"
    )
    cpu: Cpu | None = Field(default=None, description="cores, requested; there is no limit")
