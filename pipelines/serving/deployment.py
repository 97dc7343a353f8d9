"""Blue-green deployment: a version is loaded, checked and warm before its first request."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pipelines.core.errors import GauntletError
from pipelines.serving.loaded_version import LoadedVersion, load_for_serving
from pipelines.serving.plan import PlannedVersion, ServingPlan, plan_stamp, read_plan
from pipelines.serving.service import Deployed, ModelService

KEPT = 4  # versions of a model that stay loaded: the current ones, and two for a rollback at least


class Deployment:
    """Deploys the versions that a model's serving plan names.

    Arguments:
        service: the service to deploy to.
        folder: the folder of the plans.
        load: verifies and loads a version.
        clock: a monotonic clock, in seconds; changes of the system time do not affect it.
    """

    def __init__(
        self,
        service: ModelService,
        folder: Path,
        load: Callable[[PlannedVersion], LoadedVersion] = load_for_serving,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._service, self._folder, self._load, self._clock = service, folder, load, clock
        self._loaded: dict[PlannedVersion, LoadedVersion] = {}
        self._rejected: str | None = None
        self.problem: GauntletError | None = None
        self._stamp = plan_stamp(folder, service.model)
        self._confirmed_at = clock()

    @property
    def stale_for_s(self) -> float:
        """Seconds since the plan was last confirmed, or since this deployment was created."""
        return self._clock() - self._confirmed_at

    @property
    def summary(self) -> str:
        """The deployed versions, as one line of text."""
        deployed = self._service.deployed
        if deployed is None:
            return f"{self._service.model}: no version is deployed"
        trial = f", {deployed.challenger.number} on trial" if deployed.challenger else ""
        own = "".join(
            f", {version.number} answers {deployed.segment_column} {value}"
            for value, version in deployed.segments.items()
        )
        return f"{self._service.model}: version {deployed.champion.number} answers{own}{trial}"

    def follow(self) -> bool:
        """Deploy the current plan if it changed.

        If the champion or that of a segment cannot be loaded, the deployed versions stay. If only
        the challenger cannot be loaded, the champions are deployed without it and answer every
        request. A plan with a version that failed to load is not tried again until the plan
        changes. ``problem`` holds the current error, or ``None``.

        Returns:
            Whether the deployed versions changed.
        """
        stamp = plan_stamp(self._folder, self._service.model)
        if stamp != self._stamp:
            self._stamp, self._confirmed_at = stamp, self._clock()
        try:
            plan = read_plan(self._folder, self._service.model)
            if plan is None or plan.digest == self._rejected:
                return False
            current = self._service.deployed
            if current is not None and current.plan == plan:
                self.problem, self._rejected = None, None
                return False
        except GauntletError as cause:
            self.problem = cause
            return False
        self.problem, self._rejected = None, None
        champion = self._version(plan.champion, plan)
        of_segments = {
            value: self._version(one, plan) for value, one in plan.segment_versions.items()
        }
        segments = {value: one for value, one in of_segments.items() if one is not None}
        if champion is None or len(segments) < len(of_segments):
            return False
        challenger = self._version(plan.challenger, plan) if plan.challenger else None
        if challenger is None:
            plan = plan.model_copy(update={"challenger": None})
            if current is not None and current.plan == plan:
                return False
        self._service.deployed = Deployed(plan, champion, challenger, segments)
        for old in list(self._loaded)[: -max(KEPT, len(plan.versions) + 2)]:
            del self._loaded[old]
        return True

    def _version(self, serving: PlannedVersion, plan: ServingPlan) -> LoadedVersion | None:
        """The loaded version, cached because its content is immutable; None when loading fails."""
        try:
            found = self._loaded.pop(serving, None) or self._load(serving)
        except GauntletError as cause:
            self.problem, self._rejected = cause, plan.digest
            return None
        self._loaded[serving] = found  # the most recently used come last
        return found
